import Core
import Glibc

/// The growing end of a log, as `tail -F` has it: what is there already is passed over, a file that was rotated away is read to its end and then
/// the new one from its beginning, a file that was cut is begun anew, and one that is not there is waited for.
package struct LogTail {
  private static let piece = 1 << 20
  /// Pieces of one file in one round, so that no file keeps the others waiting.
  private static let maximumPieces = 16
  /// A line without an end beyond this is given up.
  private static let longestLine = 1 << 20

  private enum Place {
    /// Not open. Of a file that appears later everything is new.
    case closed(isNew: Bool)
    case open(descriptor: Int32, inode: UInt64, offset: Int64)
    /// Standard input, whose bytes cannot be read twice.
    case stream
    /// Standard input has ended.
    case ended
  }

  package let path: String
  private var place: Place
  private var rest: [UInt8] = []
  private var isSkipping = false

  package init(path: String) {
    self.path = path
    place = path == "-" ? .stream : .closed(isNew: false)
    if path != "-" {
      open(isNew: false)
      if case .closed = place { place = .closed(isNew: true) }
    }
  }

  /// Whether no more can come.
  package var isEnded: Bool { if case .ended = place { true } else { false } }
  package var isWaiting: Bool { if case .closed = place { true } else { false } }

  /// The whole lines that came since the last call; empty when none has.
  package mutating func read() -> [UInt8] {
    var lines: [UInt8] = []
    for _ in 0..<LogTail.maximumPieces {
      guard take(into: &lines) else { break }
    }
    return lines
  }

  /// Takes one piece. Returns whether there may be more.
  private mutating func take(into lines: inout [UInt8]) -> Bool {
    switch place {
    case .ended: return false
    case .stream: return takeStream(&lines)
    case .closed(let isNew):
      open(isNew: isNew)
      if case .open = place { return true }
      return false
    case .open(let descriptor, let inode, let offset):
      // Safe: the room is valid during the call.
      let count = unsafe append(&lines) { room in
        // Safe: pread fills at most the room that it is given.
        unsafe pread(descriptor, room.baseAddress, room.count, off_t(offset))
      }
      guard count > 0 else { return look(descriptor, inode, offset) }
      place = .open(descriptor: descriptor, inode: inode, offset: offset + Int64(count))
      return true
    }
  }

  private mutating func takeStream(_ lines: inout [UInt8]) -> Bool {
    var wait = pollfd(fd: 0, events: Int16(POLLIN), revents: 0)
    // Safe: one descriptor, whose count is given.
    guard unsafe poll(&wait, 1, 0) > 0 else { return false }
    // Safe: the room is valid during the call.
    let count = unsafe append(&lines) { room in
      // Safe: read fills at most the room that it is given.
      unsafe Glibc.read(0, room.baseAddress, room.count)
    }
    if count == 0 {
      place = .ended
      if !rest.isEmpty { lines += rest + [0x0a] }
    }
    return count > 0
  }

  /// At the end of the file: whether another has its name by now, or it was cut.
  private mutating func look(_ descriptor: Int32, _ inode: UInt64, _ offset: Int64) -> Bool {
    var status = stat()
    // Safe: the path is lent as a C string during the call, and `status` is a valid place for the result.
    guard unsafe stat(path, &status) == 0 else { return false }
    if UInt64(status.st_ino) != inode {
      close(descriptor)
      rest = []
      place = .closed(isNew: true)
      return true
    }
    guard Int64(status.st_size) < offset else { return false }
    rest = []
    place = .open(descriptor: descriptor, inode: inode, offset: 0)
    return true
  }

  private mutating func open(isNew: Bool) {
    // Safe: the path is lent as a C string during the call.
    let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { return }
    var status = stat()
    // Safe: `status` is a valid place for the result.
    guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      return
    }
    place = .open(
      descriptor: descriptor, inode: UInt64(status.st_ino), offset: isNew ? 0 : Int64(status.st_size))
  }

  /// Reads a piece and moves the whole lines of it to `lines`. Returns what `read` did.
  private mutating func append(_ lines: inout [UInt8], _ read: (UnsafeMutableRawBufferPointer) -> Int) -> Int {
    var buffer = ByteBuffer(capacity: LogTail.piece)
    // Safe: the room is valid during the call, and the count that it returns is what was filled in.
    let count = unsafe buffer.withUnsafeWritable { room in unsafe read(UnsafeMutableRawBufferPointer(room)) }
    guard count > 0 else { return count }
    let bytes = buffer.readable
    var start = 0
    var end = bytes.byteCount
    while end > 0, bytes.byte(at: end - 1) != 0x0a { end -= 1 }
    if isSkipping {
      guard end > 0 else { return count }
      while bytes.byte(at: start) != 0x0a { start += 1 }
      start += 1
      isSkipping = false
    }
    if end > start {
      lines += rest
      rest = []
      for offset in start..<end { lines.append(bytes.byte(at: offset)) }
    }
    for offset in max(start, end)..<bytes.byteCount { rest.append(bytes.byte(at: offset)) }
    if rest.count > LogTail.longestLine {
      rest = []
      isSkipping = true
    }
    return count
  }
}
