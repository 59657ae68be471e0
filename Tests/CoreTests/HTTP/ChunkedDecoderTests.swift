import Testing

@testable import Core

@Suite struct ChunkedDecoderTests {
  @Test func takesABodyApart() {
    let bytes = Array("5;a=b\r\nhello\r\n10;c=\"d\\\"\"\r\n0123456789abcdef\r\n0\r\nX: y\r\n\r\nnext".utf8)
    var decoder = ChunkedDecoder(sender: .client)
    let span = bytes.rawSpan
    #expect(decoder.next(span, from: 0) == .data(ByteRange(offset: 7, count: 5)))
    #expect(decoder.next(span, from: 12) == .data(ByteRange(offset: 26, count: 16)))
    let trailers = ByteRange(offset: 47, count: 6)
    #expect(decoder.next(span, from: 42) == .finished(consumedTo: 55, trailers: trailers))
    #expect(span.text(trailers) == "X: y\r\n")
    var buffer = ByteBuffer(capacity: 8)
    ChunkedWriter.writeEnd(to: &buffer, bytes: span, trailers: trailers)
    #expect(buffer.readable.text(ByteRange(offset: 0, count: buffer.count)) == "0\r\nX: y\r\n\r\n")
  }
}
