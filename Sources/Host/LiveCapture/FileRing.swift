internal import Glibc

/// Files of bounded size in a directory, of which the oldest goes when there are too many: bounded disk for days.
///
/// The files are numbered on over several runs, so a restart neither overwrites anything nor needs more room.
package struct FileRing: ~Copyable {
  package struct Failure: Error, CustomStringConvertible {
    package var description: String
  }

  private static let prefix = "photofinish-"
  private static let suffix = ".pcapng"
  private static let digits = 6

  private let directory: String
  private let maximumFiles: Int
  private let fileSize: Int
  /// Numbers of the files that are there, ascending.
  private var numbers: [Int]
  private var current: Descriptor?
  private var currentSize = 0
  /// Bytes written in this run.
  package private(set) var written = 0

  /// - Parameter directory: is made when it is not there; its parent must be.
  package init(directory: String, maximumFiles: Int, fileSize: Int) throws(Failure) {
    // Safe: the path is lent as a C string during the call.
    if unsafe mkdir(directory, 0o755) != 0, errno != EEXIST {
      throw Failure(description: "the directory \(directory) cannot be made: \(SystemError.text(of: errno))")
    }
    let there = try FileRing.numbers(in: directory)
    // Safe: as above.
    guard unsafe access(directory, W_OK | X_OK) == 0 else {
      throw Failure(description: "nothing can be written into \(directory): \(SystemError.text(of: errno))")
    }
    self.directory = directory
    self.maximumFiles = maximumFiles
    self.fileSize = fileSize
    numbers = there
  }

  /// Names of the files that are there, the oldest first.
  package var paths: [String] {
    var paths: [String] = []
    for number in numbers { paths.append(path(number)) }
    return paths
  }

  package var hasCurrent: Bool { current != nil }

  /// Whether so many bytes belong into the file that is being written; otherwise ``finish(_:)`` it and begin another one.
  package func hasRoom(for count: Int) -> Bool { current != nil && currentSize + count <= fileSize }

  /// Begins a file, and removes the oldest ones if there would be too many.
  package mutating func begin() throws(Failure) {
    let number = (numbers.last ?? 0) + 1
    let path = path(number)
    // Safe: the path is lent as a C string during the call.
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o640)
    guard descriptor >= 0 else { throw Failure(description: "\(path) cannot be made: \(SystemError.text(of: errno))") }
    current = Descriptor(owning: descriptor)
    currentSize = 0
    numbers.append(number)
    while numbers.count > maximumFiles {
      // Safe: as above. A file that somebody else has taken away is gone as well.
      _ = unsafe unlink(self.path(numbers.removeFirst()))
    }
  }

  /// Writes all of `bytes` or nothing, so that a full disk leaves a file that can be read.
  /// - Returns: the path of the file.
  package mutating func write(_ bytes: [UInt8]) throws(Failure) -> String {
    guard let number = current?.number, let name = numbers.last else {
      preconditionFailure("a file must be begun before it is written")
    }
    var start = 0
    while start < bytes.count {
      // Safe: the pointer is valid for the count during the call.
      let count = unsafe bytes.withUnsafeBytes {
        unsafe Glibc.write(number, $0.baseAddress! + start, bytes.count - start)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        let problem = SystemError.text(of: errno)
        takeBack(number)
        throw Failure(description: "\(path(name)) cannot be written: \(problem)")
      }
      start += count
    }
    currentSize += bytes.count
    written += bytes.count
    return path(name)
  }

  /// Ends the file. What `last` adds to it is left out when there is no room for it.
  package mutating func finish(_ last: [UInt8]) {
    if current != nil, !last.isEmpty { _ = try? write(last) }
    current = nil
  }

  /// A file of which nothing could be written is removed.
  private mutating func takeBack(_ number: Int32) {
    _ = ftruncate(number, currentSize)
    _ = lseek(number, currentSize, SEEK_SET)
    guard currentSize == 0, let name = numbers.popLast() else { return }
    // Safe: the path is lent as a C string during the call.
    _ = unsafe unlink(path(name))
    current = nil
  }

  private func path(_ number: Int) -> String {
    let text = String(number)
    let zeros = String(repeating: "0", count: max(0, FileRing.digits - text.count))
    return directory + (directory.hasSuffix("/") ? "" : "/") + FileRing.prefix + zeros + text + FileRing.suffix
  }

  private static func numbers(in directory: String) throws(Failure) -> [Int] {
    // Safe: the path is lent as a C string during the call.
    guard let stream = unsafe opendir(directory) else {
      throw Failure(description: "\(directory) cannot be listed: \(SystemError.text(of: errno))")
    }
    // Safe: opened above, and closed once.
    defer { unsafe closedir(stream) }
    var found: [Int] = []
    // Safe: the entry is valid until the next call, and its name, which ends with NUL, is copied at once.
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      guard name.hasPrefix(prefix), name.hasSuffix(suffix) else { continue }
      let middle = name.dropFirst(prefix.count).dropLast(suffix.count)
      if middle.count >= digits, let number = Int(middle), number > 0 { found.append(number) }
    }
    return found.sorted()
  }
}
