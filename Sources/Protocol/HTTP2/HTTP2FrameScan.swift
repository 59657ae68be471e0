import Core

/// RFC 9113 section 6.
enum HTTP2FrameType {
  static let data: UInt8 = 0
  static let headers: UInt8 = 1
  static let priority: UInt8 = 2
  static let resetStream: UInt8 = 3
  static let settings: UInt8 = 4
  static let pushPromise: UInt8 = 5
  static let ping: UInt8 = 6
  static let goAway: UInt8 = 7
  static let continuation: UInt8 = 9
}

/// Finds the frames in what is received by their headers alone, so that each can be weighed before it is read: the C library
/// tells nothing of frames that it passes over.
struct HTTP2FrameScan: Sendable {
  struct Header: Sendable, BitwiseCopyable {
    var type: UInt8
    var stream: Int32
  }

  /// Bytes of the preface or of a payload that are still to come.
  private var skipped: Int
  private var header: InlineArray<9, UInt8> = .init(repeating: 0)
  private var headerCount = 0

  static let headerByteCount = 9

  /// - Parameter isServer: whether the preface of a client comes first.
  init(isServer: Bool) {
    skipped = isServer ? 24 : 0
  }

  /// Looks at the bytes from `position` on, and moves it behind the next header, or to the end.
  ///
  /// - Returns: nil when the bytes end before a header does.
  mutating func next(_ bytes: RawSpan, _ position: inout Int) -> Header? {
    let end = bytes.byteCount
    let step = Swift.min(skipped, end - position)
    skipped -= step
    position += step
    while position < end {
      header[headerCount] = bytes.byte(at: position)
      headerCount += 1
      position += 1
      guard headerCount == Self.headerByteCount else { continue }
      headerCount = 0
      skipped = Int(header[0]) << 16 | Int(header[1]) << 8 | Int(header[2])
      var stream = UInt32(0)
      for index in 5..<9 { stream = stream << 8 | UInt32(header[index]) }
      // The highest bit is reserved and means nothing.
      return Header(type: header[3], stream: Int32(stream & 0x7fff_ffff))
    }
    return nil
  }
}

/// The last few streams of something.
struct HTTP2RecentStreams: Sendable {
  private var ids: InlineArray<32, Int32> = .init(repeating: 0)
  private var next = 0
  /// The highest that is not among the last any more.
  private var forgotten: Int32 = 0

  mutating func insert(_ id: Int32) {
    guard !contains(id) else { return }
    forgotten = Swift.max(forgotten, ids[next])
    ids[next] = id
    next = (next + 1) & 31
  }

  func contains(_ id: Int32) -> Bool {
    guard id != 0 else { return false }
    for index in 0..<32 where ids[index] == id { return true }
    return false
  }

  /// Whether it is among them, or so old that nobody knows.
  func mayContain(_ id: Int32) -> Bool { id <= forgotten || contains(id) }
}
