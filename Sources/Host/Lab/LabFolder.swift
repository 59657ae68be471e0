package import Analysis
internal import FoundationEssentials
internal import Glibc

/// The few things that the lab does with files and folders.
package enum LabFolder {
  /// The bytes of a file as text; nil when it cannot be read. Reads files of /proc as well.
  package static func text(of path: String) -> String? {
    // Safe: the path is a NUL-terminated string during the call.
    let number = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard number >= 0 else { return nil }
    let descriptor = Descriptor(owning: number)
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65_536)
    while true {
      // Safe: the kernel writes at most the size of the array.
      let count = unsafe piece.withUnsafeMutableBytes { unsafe read(descriptor.number, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return count == 0 ? String(decoding: bytes, as: UTF8.self) : nil }
      bytes += piece[..<count]
    }
  }

  /// Names of what is in a folder, sorted; empty when there is none.
  package static func names(in path: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
  }

  package static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

  static func isProgram(_ path: String) -> Bool {
    var isFolder = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && !isFolder
      && FileManager.default.isExecutableFile(atPath: path)
  }

  /// Makes a file and the folders on the way to it.
  package static func write(_ text: String, to path: String) throws(LabError) {
    if let slash = path.lastIndex(of: "/") { try make(String(path[..<slash])) }
    do throws(SystemError) {
      try TextFile.write(text, to: path)
    } catch {
      throw LabError(
        place: path, fact: "cannot be written: \(SystemError.text(of: error.code))", fix: "make room for it")
    }
  }

  package static func make(_ path: String) throws(LabError) {
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw LabError(place: path, fact: "the folder cannot be made", fix: "check that its parent may be written to")
    }
  }

  /// Removes a folder and all that is in it; one that is not there is fine.
  package static func remove(_ path: String) { try? FileManager.default.removeItem(atPath: path) }

  /// The folder's path with links and dots resolved.
  package static func resolved(_ path: String) -> String {
    // Safe: realpath returns null or a string that is copied and freed once.
    guard let pointer = unsafe realpath(path, nil) else { return path }
    defer { unsafe free(pointer) }
    return unsafe String(cString: pointer)
  }
}
