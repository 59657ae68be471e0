import Core
import Testing

@testable import Analysis

/// The observer's reader of chunked bodies against Core's, which is strict.
@Suite struct ChunkedFramingTests {
  /// Where the observer sees the body end (nil: not within these bytes), and whether it noticed anything odd.
  static func observe(_ body: [UInt8]) -> (end: Int?, isOdd: Bool) {
    var reader = MessageReader()
    reader.beginBody(.chunked)
    // Safe: every bit of a UInt8 is initialised.
    let step = unsafe reader.read(body.span.bytes, from: 0, isRequest: true)
    switch step {
    case .ended(let next): return (next, reader.irregularity != nil)
    case .notHTTP: return (nil, true)
    case .more, .began, .head: return (nil, reader.irregularity != nil)
    }
  }

  static func decode(_ body: [UInt8]) -> (end: Int?, error: MessageError.Code?) {
    var decoder = ChunkedDecoder(sender: .client)
    var position = 0
    while true {
      // Safe: every bit of a UInt8 is initialised.
      switch unsafe decoder.next(body.span.bytes, from: position) {
      case .data(let range): position = range.end
      case .finished(let end, _): return (end, nil)
      case .incomplete: return (nil, nil)
      case .failed(let error): return (nil, error.code)
      }
    }
  }

  /// What Core takes ends for the observer where it ends for Core. What Core refuses because its end is in doubt, the observer
  /// calls odd.
  @Test(arguments: UInt64(1)...40) func agreesWithCore(_ seed: UInt64) {
    var numbers = SeededNumbers(seed: seed)
    let samples = [
      "5\r\nhello\r\n0\r\n\r\n", "5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: x\r\n\r\nGET / HTTP/1.1\r\n",
      "a;q=\"x y\"\r\n0123456789\r\n000\r\n\r\n", "0\r\n\r\n0\r\n\r\n",
    ].map { Array($0.utf8) }
    let alphabet = Array("\r\n;0123aF \t=\"x:".utf8)
    for _ in 0..<2_000 {
      var body = samples.randomElement(using: &numbers)!  // Safe: there are samples.
      for _ in 0..<Int.random(in: 0...3, using: &numbers) {
        let index = Int.random(in: 0..<body.count, using: &numbers)
        switch Int.random(in: 0..<3, using: &numbers) {
        case 0: body[index] = alphabet.randomElement(using: &numbers)!  // Safe: it is not empty.
        case 1: body.remove(at: index)
        default: body.insert(alphabet.randomElement(using: &numbers)!, at: index)  // Safe: it is not empty.
        }
        if body.isEmpty { body = [0x30] }
      }
      let (end, isOdd) = ChunkedFramingTests.observe(body)
      let (coreEnd, error) = ChunkedFramingTests.decode(body)
      let text = String(decoding: body, as: UTF8.self).debugDescription
      if let coreEnd {
        #expect(end == coreEnd && !isOdd, "seed \(seed): \(text)")
      }
      switch error {
      case .bareLineFeed, .chunkEndMissing, .chunkSizeOverflow:
        #expect(end == nil || isOdd, "seed \(seed): \(text), Core says \(error!)")
      default: break
      }
    }
  }

  /// In pieces of any size the end is the same.
  @Test func isTheSameInPieces() {
    let body = Array("5;a=b\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: x\r\n\r\n".utf8)
    for cut in 1..<body.count {
      var reader = MessageReader()
      reader.beginBody(.chunked)
      let first = Array(body[..<cut])
      let second = Array(body[cut...])
      // Safe: every bit of a UInt8 is initialised.
      _ = unsafe reader.read(first.span.bytes, from: 0, isRequest: true)
      // Safe: as above.
      let step = unsafe reader.read(second.span.bytes, from: 0, isRequest: true)
      guard case .ended(let next) = step else {
        Issue.record("cut at \(cut): no end")
        continue
      }
      #expect(next == body.count - cut)
    }
  }
}
