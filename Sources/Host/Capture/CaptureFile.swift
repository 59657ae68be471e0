import Core
import Glibc

/// Reads a file, or standard input, in pieces; unpacks gzip, zstd and xz on the way.
package struct CaptureFile: ~Copyable {
  private static let piece = 1 << 20

  package enum Failure: Error, CustomStringConvertible {
    case cannotOpen(String, Int32)
    case cannotRead(String, Int32)
    case damaged(String)
    case noMemory

    package var description: String {
      switch self {
      case .cannotOpen(let name, let code): "\(name) cannot be opened: \(CaptureFile.text(of: code))"
      case .cannotRead(let name, let code): "\(name) cannot be read: \(CaptureFile.text(of: code))"
      case .damaged(let name): "\(name): the packed data is damaged; what came before it was read"
      case .noMemory: "no memory to unpack with"
      }
    }
  }

  private enum Mode {
    case unknown
    case plain
    case packed
  }

  package let name: String
  private let descriptor: Int32
  private var mode = Mode.unknown
  private var unpacker: Unpacker?
  private var raw = ByteBuffer(capacity: CaptureFile.piece)
  private var unpacked = ByteBuffer(capacity: 0)
  private var isAtEnd = false
  /// Bytes that were read of the file itself.
  package private(set) var bytesRead: Int64 = 0
  /// Size of the file; nil for pipes.
  package let size: Int64?

  /// - Parameter path: `-` for standard input.
  package init(path: String) throws(Failure) {
    name = path == "-" ? "standard input" : path
    // Safe: the path is lent as a C string during the call.
    descriptor = path == "-" ? 0 : unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .cannotOpen(path, errno) }
    var status = stat()
    // Safe: `status` is a valid place for the result.
    let isKnown = unsafe fstat(descriptor, &status) == 0
    let isFile = isKnown && status.st_mode & S_IFMT == S_IFREG
    if isKnown, status.st_mode & S_IFMT == S_IFDIR {
      close(descriptor)
      throw .cannotRead(path, EISDIR)
    }
    size = isFile ? Int64(status.st_size) : nil
  }

  deinit {
    if descriptor > 0 { close(descriptor) }
  }

  /// Hands the next piece to `body`. Returns false at the end.
  package mutating func next<E>(_ body: (RawSpan) throws(E) -> Void) throws -> Bool {
    if raw.isEmpty, !isAtEnd { try fill() }
    if case .unknown = mode { try decide() }
    if case .plain = mode {
      guard !raw.isEmpty else { return false }
      try body(raw.readable)
      raw.removeAll()
      return true
    }
    while true {
      if raw.isEmpty, !isAtEnd { try fill() }
      unpacked.removeAll()
      let (consumed, isSound) = unpacker?.unpack(raw, into: &unpacked) ?? (0, false)
      raw.consume(consumed)
      if !unpacked.isEmpty {
        try body(unpacked.readable)
        return true
      }
      guard isSound else { throw Failure.damaged(name) }
      if raw.isEmpty, isAtEnd {
        let isWhole = unpacker?.isBetween ?? true
        guard isWhole else { throw Failure.damaged(name) }
        return false
      }
    }
  }

  private mutating func decide() throws {
    while raw.count < 4, !isAtEnd { try fill() }
    var first: [UInt8] = []
    for index in 0..<min(4, raw.count) { first.append(raw.readable.byte(at: index)) }
    guard let packing = Unpacker.Packing(firstBytes: first) else {
      mode = .plain
      return
    }
    mode = .packed
    unpacker = Unpacker(packing)
    unpacked = ByteBuffer(capacity: CaptureFile.piece)
    if unpacker == nil { throw Failure.noMemory }
  }

  private mutating func fill() throws {
    var code: Int32 = 0
    let descriptor = descriptor
    // Safe: read fills at most the room that it is given, and its length is checked.
    let count = unsafe raw.withUnsafeWritable { room in
      while true {
        let count = unsafe read(descriptor, room.baseAddress, room.count)
        if count < 0, errno == EINTR { continue }
        if count < 0 { code = errno }
        return count
      }
    }
    if count < 0 { throw Failure.cannotRead(name, code) }
    if count == 0 { isAtEnd = true } else { bytesRead += Int64(count) }
  }

  static func text(of code: Int32) -> String {
    // Safe: strerror returns a valid string; it is copied at once.
    unsafe String(cString: strerror(code))
  }
}
