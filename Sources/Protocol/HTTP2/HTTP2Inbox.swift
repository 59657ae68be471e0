import Core

/// What a stream has received, on its way out as HTTP/1.1 text.
///
/// ```
///   text (heads) -> content, framed as it is taken -> last chunk and trailers -> end
/// ```
///
/// Content is kept as it came, without chunks around it, so that it never takes more memory than the flow-control window.
struct HTTP2Inbox: ~Copyable {
  enum Framing {
    /// The final head was not received yet.
    case unknown
    /// As it came: counted by Content-Length, up to the end of the stream, or a tunnel's.
    case plain
    case chunked
  }

  private(set) var text = ByteBuffer(capacity: 0)
  private(set) var content = ByteBuffer(capacity: 0)
  var framing = Framing.unknown
  private var trailers: [UInt8] = []
  /// Whether the peer has ended its side.
  private(set) var isEnded = false
  private var isTailWritten = false

  /// Bytes of content that wait.
  var contentCount: Int { content.count }
  /// Whether the next take gives something.
  var isReadable: Bool { !text.isEmpty || !content.isEmpty || isEnded }

  /// Appends text of a head.
  mutating func write(room: Int, _ body: (inout ByteBuffer) -> Void) {
    text.makeRoom(for: room)
    body(&text)
  }

  mutating func append(_ bytes: RawSpan) {
    content.makeRoom(for: bytes.byteCount)
    content.append(bytes)
  }

  mutating func end(trailers lines: [UInt8] = []) {
    isEnded = true
    trailers = lines
  }

  mutating func removeAll() {
    text.removeAll()
    content.removeAll()
  }

  /// Moves what fits.
  ///
  /// - Parameter isContentHeld: only heads are given now.
  /// - Returns: the bytes appended to `target`, and those of content among them, without chunks.
  mutating func take(into target: inout ByteBuffer, isContentHeld: Bool) -> (count: Int, content: Int) {
    if target.writableCount < 1_024 { target.makeRoom(for: 4_096) }
    let before = target.count
    moveText(to: &target)
    guard text.isEmpty, !isContentHeld else { return (target.count - before, 0) }
    let taken = moveContent(to: &target)
    if content.isEmpty, isEnded, framing == .chunked, !isTailWritten {
      isTailWritten = true
      text.makeRoom(for: trailers.count + 8)
      text.append("0\r\n")
      text.append(trailers)
      text.append("\r\n")
      trailers = []
      moveText(to: &target)
    }
    return (target.count - before, taken)
  }

  private mutating func moveText(to target: inout ByteBuffer) {
    let count = Swift.min(text.count, target.writableCount)
    guard count > 0 else { return }
    target.append(text.readable.part(ByteRange(offset: 0, count: count)))
    text.consume(count)
  }

  private mutating func moveContent(to target: inout ByteBuffer) -> Int {
    let isChunked = framing == .chunked
    // A size of at most eight digits and two line ends.
    let room = target.writableCount - (isChunked ? 12 : 0)
    let count = Swift.min(content.count, room)
    guard count > 0 else { return 0 }
    if isChunked { ChunkedWriter.writeChunkStart(count, to: &target) }
    target.append(content.readable.part(ByteRange(offset: 0, count: count)))
    if isChunked { ChunkedWriter.writeChunkEnd(to: &target) }
    content.consume(count)
    return count
  }
}
