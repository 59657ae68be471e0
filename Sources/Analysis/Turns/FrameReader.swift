import Core

/// Reads the frames of HTTP/2 in one direction (RFC 9113 section 4.1): their heads, and the few fields of a payload that tell
/// what becomes of streams. Header blocks are not read.
struct FrameReader: Sendable {
  enum Kind: UInt8, Sendable {
    case data = 0
    case headers = 1
    case priority = 2
    case resetStream = 3
    case settings = 4
    case pushPromise = 5
    case ping = 6
    case goAway = 7
    case windowUpdate = 8
    case continuation = 9
  }

  struct Frame: Sendable {
    /// nil for a type that is not known; it means nothing (section 4.1).
    var kind: Kind?
    var flags: UInt8
    var stream: UInt32
    /// Offset of its head in the stream of bytes, and of the byte behind its payload.
    var start: Int64
    var end: Int64
    /// The first eight bytes of a payload, as far as it has them.
    var fields: UInt64 = 0

    var endsStream: Bool { flags & 1 != 0 && (kind == .data || kind == .headers) }
    var isAcknowledgement: Bool { flags & 1 != 0 && (kind == .settings || kind == .ping) }
    /// RST_STREAM (section 6.4).
    var errorCode: UInt32 { UInt32(truncatingIfNeeded: kind == .goAway ? fields : fields >> 32) }
    /// GOAWAY (section 6.8).
    var lastStream: UInt32 { UInt32(truncatingIfNeeded: fields >> 32) & 0x7fff_ffff }
  }

  enum Step {
    /// The head of a frame is complete.
    case began(Frame)
    /// All of it has come.
    case ended(Frame)
  }

  private enum State: Sendable {
    /// In the client's connection preface; so many bytes are left.
    case preface(Int64)
    case head([UInt8], start: Int64)
    case payload(Frame, taken: Int64)
    /// Out of step: waits for a segment that holds whole frames.
    case lost
  }

  static let headCount = 9
  static let preface: Int64 = 24
  /// Longest payload that anybody uses: far above the least maximum of 16 KiB (section 4.2).
  private static let maximumPayload = 1 << 20

  /// A frame that is longer than its segment fills it.
  private static let leastOfLongFrame = 1_000

  private var state: State

  init(skippingPreface: Bool) {
    state = skippingPreface ? .preface(FrameReader.preface) : .head([], start: 0)
  }

  var isLost: Bool { if case .lost = state { true } else { false } }

  mutating func read(_ bytes: RawSpan, at offset: Int64, _ body: (Step) -> Void) {
    if case .lost = state {
      guard FrameReader.looksLikeFrames(bytes) else { return }
      state = .head([], start: offset)
    }
    var index = 0
    while index < bytes.byteCount {
      switch state {
      case .preface(let remaining):
        let taken = min(remaining, Int64(bytes.byteCount - index))
        index += Int(taken)
        state = taken == remaining ? .head([], start: offset + Int64(index)) : .preface(remaining - taken)
      case .head(var head, let start):
        let begin = head.isEmpty ? offset + Int64(index) : start
        head.append(bytes.byte(at: index))
        index += 1
        guard head.count == FrameReader.headCount else {
          state = .head(head, start: begin)
          continue
        }
        guard let frame = FrameReader.frame(head, start: begin) else {
          state = .lost
          return
        }
        body(.began(frame))
        end(frame, taken: 0, body)
      case .payload(var frame, let taken):
        let count = frame.end - frame.start - Int64(FrameReader.headCount)
        let part = min(count - taken, Int64(bytes.byteCount - index))
        for place in taken..<max(taken, min(taken + part, 8)) {
          frame.fields |= UInt64(bytes.byte(at: index + Int(place - taken))) << UInt64(56 - place * 8)
        }
        index += Int(part)
        end(frame, taken: taken + part, body)
      case .lost: return
      }
    }
  }

  private mutating func end(_ frame: Frame, taken: Int64, _ body: (Step) -> Void) {
    guard frame.start + Int64(FrameReader.headCount) + taken == frame.end else {
      state = .payload(frame, taken: taken)
      return
    }
    state = .head([], start: frame.end)
    body(.ended(frame))
  }

  /// Takes note of bytes that the capture does not hold. Returns whether the reader still knows where it is.
  mutating func skip(_ count: Int64) -> Bool {
    guard case .payload(let frame, let taken) = state, frame.kind == .data,
      frame.start + Int64(FrameReader.headCount) + taken + count < frame.end
    else {
      state = .lost
      return false
    }
    state = .payload(frame, taken: taken + count)
    return true
  }

  private static func frame(_ head: [UInt8], start: Int64) -> Frame? {
    let count = Int(head[0]) << 16 | Int(head[1]) << 8 | Int(head[2])
    guard count <= maximumPayload else { return nil }
    let stream = UInt32(head[5] & 0x7f) << 24 | UInt32(head[6]) << 16 | UInt32(head[7]) << 8 | UInt32(head[8])
    let frame = Frame(
      kind: Kind(rawValue: head[3]), flags: head[4], stream: stream, start: start,
      end: start + Int64(headCount + count))
    return isConsistent(frame, count: count) ? frame : nil
  }

  /// What the sections on the frames say of their length and stream: what breaks it is no frame.
  private static func isConsistent(_ frame: Frame, count: Int) -> Bool {
    switch frame.kind {
    case .data, .headers, .continuation, .pushPromise: frame.stream != 0
    case .priority: frame.stream != 0 && count == 5
    case .resetStream: frame.stream != 0 && count == 4
    case .settings: frame.stream == 0 && count % 6 == 0
    case .ping: frame.stream == 0 && count == 8
    case .goAway: frame.stream == 0 && count >= 8
    case .windowUpdate: count == 4
    case nil: true
    }
  }

  /// Whether a segment begins with the head of a frame, and holds whole frames or the beginning of one that is longer than it.
  static func looksLikeFrames(_ bytes: RawSpan) -> Bool {
    var (index, frames) = (0, 0)
    while index < bytes.byteCount {
      guard index + headCount <= bytes.byteCount else { return frames > 0 }
      var head: [UInt8] = []
      for place in index..<(index + headCount) { head.append(bytes.byte(at: place)) }
      guard let frame = frame(head, start: 0), frame.kind != nil, head[4] & ~0x2d == 0 else { return false }
      // Before anything else is known, the reserved bit and large streams are no good sign.
      guard head[5] < 0x10 else { return false }
      guard frames > 0 || Int(frame.end) <= bytes.byteCount || bytes.byteCount >= leastOfLongFrame else { return false }
      frames += 1
      index += Int(frame.end)
    }
    return frames > 0
  }
}
