import Testing

@testable import Core

@Suite struct ChunkedDecoderRulesTests {
  /// What a whole body decodes to.
  enum Outcome: Equatable {
    case finished(data: String, trailers: String, rest: String)
    case incomplete(data: String)
    case failed(MessageError.Code, status: UInt16)
  }

  /// Decodes `bytes` as a driver would that gets `step` bytes at a time and drops what was consumed.
  static func decode(
    _ bytes: [UInt8], step: Int, limits: ChunkLimits = ChunkLimits(), from sender: MessageError.Sender = .client
  ) -> Outcome {
    var decoder = ChunkedDecoder(limits: limits, sender: sender)
    var buffer: [UInt8] = []
    var data: [UInt8] = []
    var fed = 0
    while true {
      let count = min(step, bytes.count - fed)
      buffer += bytes[fed..<fed + count]
      fed += count
      var position = 0
      drain: while true {
        switch decoder.next(buffer.rawSpan, from: position) {
        case .data(let range):
          #expect(range.start >= position && range.end <= buffer.count)
          data += buffer[range.start..<range.end]
          position = range.end
        case .incomplete(let consumed):
          #expect(consumed >= position && consumed <= buffer.count)
          buffer.removeFirst(consumed)
          #expect(buffer.count < limits.trailerBytes)
          break drain
        case .finished(let consumed, let trailers):
          #expect(decoder.isFinished)
          return .finished(
            data: String(decoding: data, as: UTF8.self), trailers: buffer.rawSpan.text(trailers),
            rest: String(decoding: buffer[consumed...], as: UTF8.self) + String(decoding: bytes[fed...], as: UTF8.self))
        case .failed(let error): return .failed(error.code, status: error.status)
        }
      }
      if fed == bytes.count { return .incomplete(data: String(decoding: data, as: UTF8.self)) }
    }
  }

  static let good: [(String, Outcome)] = [
    ("0\r\n\r\n", .finished(data: "", trailers: "", rest: "")),
    ("0\r\n\r\nGET", .finished(data: "", trailers: "", rest: "GET")),
    ("5\r\nhello\r\n0\r\n\r\n", .finished(data: "hello", trailers: "", rest: "")),
    ("1\r\na\r\n2\r\nbc\r\n0\r\nX: y\r\nZ:\r\n\r\n.", .finished(data: "abc", trailers: "X: y\r\nZ:\r\n", rest: ".")),
    ("0000000000000005\r\nhello\r\n000\r\n\r\n", .finished(data: "hello", trailers: "", rest: "")),
    (
      "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", .finished(data: "01234567890123456789", trailers: "", rest: "")
    ),
    ("3;a\r\nabc\r\n0;b=c;d=\"e;f\\\"\\\\\tg\";h\r\n\r\n", .finished(data: "abc", trailers: "", rest: "")),
    (
      "3 ; a\t=\t b ;c=  \"d\";e ; f\r\nabc\r\n0\t;x\r\n\r\n",
      .finished(data: "abc", trailers: "", rest: "")
    ),
    ("2\r\n\r\n\r\n0\r\n\r\n", .finished(data: "\r\n", trailers: "", rest: "")),
    ("5\r\nhel", .incomplete(data: "hel")),
    ("5", .incomplete(data: "")),
    ("5\r\nhello", .incomplete(data: "hello")),
    ("0\r\n", .incomplete(data: "")),
    ("0\r\nX: y\r\n", .incomplete(data: "")),
    ("7fffffffffffffff\r\nab", .incomplete(data: "ab")),
  ]

  static let bad: [(String, MessageError.Code)] = [
    ("\r\n", .chunkSizeMalformed), ("\n", .chunkSizeMalformed), (";a\r\n", .chunkSizeMalformed),
    (" 5\r\n", .chunkSizeMalformed),
    ("+5\r\n", .chunkSizeMalformed), ("-5\r\n", .chunkSizeMalformed), ("0x5\r\n", .chunkSizeMalformed),
    ("5 \r\n", .chunkSizeMalformed), ("5\t\r\n", .chunkSizeMalformed), ("5 5\r\n", .chunkSizeMalformed),
    ("5_0\r\n", .chunkSizeMalformed), ("5h\r\n", .chunkSizeMalformed), ("5.\r\n", .chunkSizeMalformed),
    ("g\r\n", .chunkSizeMalformed),
    ("\u{0}5\r\n", .chunkSizeMalformed), ("5\u{0}\r\n", .chunkSizeMalformed), ("５\r\n", .chunkSizeMalformed),
    ("5\nhello\n0\n\n", .bareLineFeed), ("5\rhello", .bareCarriageReturn), ("5\r\r\n", .bareCarriageReturn),
    ("8000000000000000\r\n", .chunkSizeOverflow), ("ffffffffffffffff\r\n", .chunkSizeOverflow),
    ("10000000000000000\r\n", .chunkSizeOverflow), ("00000000000000005\r\n", .chunkSizeTooLong),
    ("fffffffffffffffffffffffffffff0\r\n", .chunkSizeOverflow),
    ("5\r\nhello0\r\n", .chunkEndMissing), ("5\r\nhello\n0\r\n", .chunkEndMissing), ("5\r\nhello\rX", .chunkEndMissing),
    ("5\r\nhello!\r\n", .chunkEndMissing), ("2\r\nhello\r\n", .chunkEndMissing),
    ("5;\r\n", .chunkExtensionMalformed), ("5;;\r\n", .chunkExtensionMalformed), ("5; \r\n", .chunkExtensionMalformed),
    ("5;a \r\n", .chunkExtensionMalformed), ("5;a b\r\n", .chunkExtensionMalformed),
    ("5;a= \r\n", .chunkExtensionMalformed), ("5;a=b \r\n", .chunkExtensionMalformed),
    ("5;a=b c\r\n", .chunkExtensionMalformed),
    ("5;a=\r\n", .chunkExtensionMalformed), ("5;a=b\"c\"\r\n", .chunkExtensionMalformed),
    ("5;a=\"b\"c\r\n", .chunkExtensionMalformed),
    ("5;a=\"b\r\n\"\r\n", .chunkExtensionMalformed), ("5;a=\"b\\\r\n\"\r\n", .chunkExtensionMalformed),
    ("5;a=\"b\n\"\r\n", .chunkExtensionMalformed), ("5;a=\"\u{0}\"\r\n", .chunkExtensionMalformed),
    ("5;a\nhello\r\n", .bareLineFeed), ("5;a\rhello", .bareCarriageReturn), ("5;a\u{0}\r\n", .chunkExtensionMalformed),
    ("5;\u{e9}\r\n", .chunkExtensionMalformed), ("5;a=b\n", .bareLineFeed), ("5;a=\"b\"\n", .bareLineFeed),
    ("0\r\n\n", .bareLineFeed), ("0\r\n\rX", .bareCarriageReturn), ("0\r\nX\r\n\r\n", .colonMissing),
    ("0\r\nX : y\r\n\r\n", .whitespaceBeforeColon), ("0\r\n X: y\r\n\r\n", .foldedLine),
    ("0\r\nX: y\n\r\n", .bareLineFeed),
    ("0\r\nX: y\r\n z\r\n\r\n", .foldedLine), ("0\r\n: y\r\n\r\n", .fieldNameEmpty),
    ("0\r\nX: \u{0}\r\n\r\n", .controlCharacter),
    ("0\nX: y\r\n\r\n", .bareLineFeed),
  ]

  @Test(arguments: good) func takesApart(_ text: String, _ expected: Outcome) {
    for step in [1, 2, 3, 5, 1000] {
      #expect(Self.decode(Array(text.utf8), step: step) == expected, "steps of \(step)")
    }
  }

  @Test(arguments: bad) func refuses(_ text: String, _ code: MessageError.Code) {
    for step in [1, 2, 3, 5, 1000] {
      #expect(Self.decode(Array(text.utf8), step: step) == .failed(code, status: 400), "steps of \(step)")
    }
  }

  /// Servers that write a size into a field of fixed width; no client does.
  @Test(arguments: ["5   \r\nhello\r\n0\t\r\n\r\n", "5;a \r\nhello\r\n0;a=b \r\n\r\n"])
  func takesPaddedSizesOfServers(text: String) {
    for step in [1, 2, 3, 5, 1000] {
      let bytes = Array(text.utf8)
      #expect(Self.decode(bytes, step: step, from: .upstream) == .finished(data: "hello", trailers: "", rest: ""))
      guard case .failed = Self.decode(bytes, step: step) else {
        Issue.record("a client's padding is in no grammar")
        continue
      }
    }
  }

  /// Whatever the pieces, the offset is the content's.
  @Test(arguments: [
    ("5\r\nhello\r\nx\r\n", 10), ("5\r\nhello\r\n0\r\nA: b\r\nC : d\r\n\r\n", 20), ("3;=\r\n", 2),
  ])
  func saysWhereTheFaultIs(text: String, offset: Int) {
    for step in [1, 2, 3, 7, 1000] {
      var decoder = ChunkedDecoder(sender: .upstream)
      let bytes = Array(text.utf8)
      var buffer: [UInt8] = []
      var fed = 0
      var error: MessageError?
      while error == nil, fed < bytes.count {
        buffer += bytes[fed..<min(fed + step, bytes.count)]
        fed = min(fed + step, bytes.count)
        var position = 0
        reading: while true {
          switch decoder.next(buffer.rawSpan, from: position) {
          case .data(let range): position = range.end
          case .incomplete(let consumed):
            buffer.removeFirst(consumed)
            break reading
          case .finished: break reading
          case .failed(let failure):
            error = failure
            break reading
          }
        }
      }
      #expect(error?.offset == offset && error?.part == .content, "steps of \(step): \(error?.explanation ?? "none")")
    }
  }

  @Test func limitsExtensionsAndTrailers() {
    let limits = ChunkLimits(extensionBytes: 8, excessExtensionBytes: 12, trailerBytes: 32, trailerCount: 2)
    let cases: [(String, Outcome)] = [
      ("1;aaaaaaa\r\nx\r\n", .incomplete(data: "x")),
      ("1;aaaaaaaa\r\nx\r\n", .failed(.chunkExtensionTooLong, status: 400)),
      ("1;a=\"aaaaaaa", .failed(.chunkExtensionTooLong, status: 400)),
      ("0\r\nA: b\r\nC: d\r\n\r\n", .finished(data: "", trailers: "A: b\r\nC: d\r\n", rest: "")),
      ("0\r\nA: b\r\nC: d\r\nE: f\r\n\r\n", .failed(.trailersTooLarge, status: 431)),
      (
        "0\r\nA: 0123456789012345678901234\r\n\r\n",
        .finished(data: "", trailers: "A: 0123456789012345678901234\r\n", rest: "")
      ),
      ("0\r\nA: 01234567890123456789012345\r\n\r\n", .failed(.trailersTooLarge, status: 431)),
      ("0\r\nA: 012345678901234567890123456789", .failed(.trailersTooLarge, status: 431)),
    ]
    for (text, expected) in cases {
      for step in [1, 3, 1000] {
        #expect(Self.decode(Array(text.utf8), step: step, limits: limits) == expected, "\(text) in steps of \(step)")
      }
    }
  }

  @Test func weighsExtensionsAgainstTheData() {
    let limits = ChunkLimits(extensionBytes: 48, excessExtensionBytes: 60)
    let long = String(repeating: "a", count: 47)
    // Of 48 bytes a chunk of one byte excuses 18.
    let flood = "1;\(long)\r\nx\r\n"
    for step in [1, 1000] {
      #expect(Self.decode(Array((flood + flood).utf8), step: step, limits: limits) == .incomplete(data: "xx"))
      let three = Self.decode(Array((flood + flood + flood).utf8), step: step, limits: limits)
      #expect(three == .failed(.chunkExtensionTooLong, status: 400))
      let calm = flood + flood + "1\r\nx\r\n1\r\nx\r\n" + flood
      #expect(Self.decode(Array(calm.utf8), step: step, limits: limits) == .incomplete(data: "xxxxx"))
      let signed = String(repeating: "10;\(long)\r\n0123456789abcdef\r\n", count: 1000) + "0;\(long)\r\n\r\n"
      guard case .finished = Self.decode(Array(signed.utf8), step: step, limits: limits) else {
        Issue.record("a long upload with signed chunks was refused")
        return
      }
    }
  }

  @Test func takesAChunkThatComesInPieces() {
    var decoder = ChunkedDecoder(sender: .upstream)
    #expect(decoder.next(Array("a\r\nabc".utf8).rawSpan, from: 0) == .data(ByteRange(offset: 3, count: 3)))
    #expect(decoder.next(Array("defghij\r".utf8).rawSpan, from: 0) == .data(ByteRange(offset: 0, count: 7)))
    guard case .failed(let error) = decoder.next(Array("x".utf8).rawSpan, from: 0) else { return #expect(Bool(false)) }
    #expect(error.status == 502)
  }

  @Test func writesChunksAndAllowedTrailers() {
    var buffer = ByteBuffer(capacity: 0)
    ChunkedWriter.writeChunkStart(26, to: &buffer)
    ChunkedWriter.writeChunkEnd(to: &buffer)
    ChunkedWriter.writeEnd(to: &buffer)
    #expect(buffer.readable.text(ByteRange(offset: 0, count: buffer.count)) == "1a\r\n\r\n0\r\n\r\n")
    buffer.removeAll()
    let trailers = Array(
      ("Digest:  x \r\nContent-Length: 5\r\nHost: evil\r\nTransfer-Encoding: chunked\r\nAuthorization: y\r\nX_Request_Id: 1\r\n"
        + "Connection: z\r\nGrpc-Status: 0\r\nX-Forwarded-Port: 1\r\nSet-Cookie: a\r\n").utf8)
    ChunkedWriter.writeEnd(
      to: &buffer, bytes: trailers.rawSpan, trailers: ByteRange(offset: 0, count: trailers.count))
    #expect(
      buffer.readable.text(ByteRange(offset: 0, count: buffer.count)) == "0\r\nDigest: x\r\nGrpc-Status: 0\r\n\r\n")
  }
}
