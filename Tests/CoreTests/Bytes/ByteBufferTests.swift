import Testing

@testable import Core

@Suite struct ByteBufferTests {
  @Test func appendsConsumesAndCompacts() {
    var buffer = ByteBuffer(capacity: 4)
    buffer.append("hello")
    buffer.append(decimal: 1200)
    buffer.append(UInt8(ascii: " "))
    buffer.append(hexadecimal: 0xabc0)
    #expect(text(buffer.readable) == "hello1200 abc0")
    buffer.consume(5)
    #expect(text(buffer.readable) == "1200 abc0")
    buffer.compact()
    let readOffset = buffer.readOffset
    #expect(readOffset == 0)
    #expect(text(buffer.readable) == "1200 abc0")
    buffer.consume(buffer.count)
    let isEmpty = buffer.isEmpty
    #expect(isEmpty == true)
    let writeOffset = buffer.writeOffset
    #expect(writeOffset == 0)
  }

  @Test(arguments: [0, 1, 9, 10, 99, 100, 999, 1000, 4095, 65_536, UInt64(Int64.max), .max])
  func writesNumbers(_ value: UInt64) {
    var buffer = ByteBuffer(capacity: 0)
    buffer.append(decimal: value)
    buffer.append(UInt8(ascii: " "))
    buffer.append(hexadecimal: value)
    #expect(text(buffer.readable) == "\(value) \(String(value, radix: 16))")
  }

  @Test func writesTheFirstBytesOfAWord() {
    var buffer = ByteBuffer(capacity: 0)
    for count in 0...8 { buffer.append(packed: 0x6867_6665_6463_6261, count: count) }
    #expect(text(buffer.readable) == "aababcabcdabcdeabcdefabcdefgabcdefgh")
  }

  @Test func rewindsToEverythingWritten() {
    var buffer = ByteBuffer(capacity: 16)
    buffer.append("request")
    buffer.advanceReadOffset(7)
    let isEmpty = buffer.isEmpty
    #expect(isEmpty == true)
    buffer.rewind()
    #expect(text(buffer.readable) == "request")
  }

  @Test func growsAndKeepsItsBytes() {
    var buffer = ByteBuffer(capacity: 1)
    for value in 0..<1000 { buffer.append(UInt8(truncatingIfNeeded: value)) }
    let count = buffer.count
    #expect(count == 1000)
    var intact = true
    for index in 0..<1000 where buffer.readable.byte(at: index) != UInt8(truncatingIfNeeded: index) { intact = false }
    #expect(intact)
  }

  private func text(_ span: RawSpan) -> String { span.text(ByteRange(offset: 0, count: span.byteCount)) }
}
