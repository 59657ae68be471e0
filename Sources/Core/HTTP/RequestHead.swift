/// The head of one request, as ranges of the bytes that it was parsed from. Its fields are in a ``FieldTable``.
package struct RequestHead: Sendable, BitwiseCopyable {
  package var method: Method
  package var methodRange: ByteRange
  package var target: RequestTarget
  package var version: HTTPVersion
  /// The effective host and port: the target's when it is in absolute-form, else the Host field's. Empty in an HTTP/1.0
  /// request that names none.
  package var host: ByteRange
  package var framing: RequestFraming
  /// Whether the client can send another request on this connection.
  package var keepsAlive: Bool
  /// Whether the client waits for a 100 (Continue) before it sends the content. Never in HTTP/1.0 or without content.
  package var expectsContinue: Bool
  /// The list of protocols that the client asks to change to, those that are left out included; empty when it asks for none in
  /// a way that counts (RFC 9110 section 7.8) and is passed on.
  package var upgrade: ByteRange
  /// Whether the client takes trailers: `TE: trailers` (RFC 9110 section 10.1.4).
  package var takesTrailers: Bool
  /// The number in Max-Forwards, of TRACE and OPTIONS only (RFC 9110 section 7.6.2).
  package var maxForwards: UInt32?
  /// Length of the head, with all its line ends.
  package var byteCount: Int
}

extension RequestHead {
  /// Parses a request head that begins at the start of `bytes` (RFC 9112 section 3).
  ///
  /// - Parameters:
  ///   - bytes: everything that was received from the start of the head on; more may follow the head.
  ///   - scan: the progress on this head; a new one for each head.
  ///   - fields: filled with the head's fields when it is complete; else undefined.
  package static func parse(
    _ bytes: RawSpan, scan: inout HeadScan, limits: HeadLimits, into fields: inout FieldTable
  ) -> HeadParse<RequestHead> {
    guard scan.advance(over: bytes, limits: limits) else { return .incomplete }
    var head = RequestHead()
    let start: Int
    switch head.parseRequestLine(bytes, limits) {
    case .complete(let end): start = end
    case .incomplete:
      scan.noteIncomplete(bytes, startLineIsComplete: false)
      return .incomplete
    case .failed(let code, let offset): return .failed(MessageError(code, at: offset, from: .client))
    }
    let end = Swift.min(bytes.byteCount, limits.headBytes)
    switch FieldSection.parse(bytes, from: start, to: end, maximumCount: limits.fieldCount, into: &fields) {
    case .complete(let end): head.byteCount = end
    case .incomplete:
      if bytes.byteCount >= limits.headBytes {
        return .failed(MessageError(.headTooLarge, at: limits.headBytes, from: .client))
      }
      scan.noteIncomplete(bytes, startLineIsComplete: true)
      return .incomplete
    case .failed(let code, let offset): return .failed(MessageError(code, at: offset, from: .client))
    }
    if let error = head.interpret(bytes, &fields) { return .failed(error) }
    return .complete(head)
  }

  private init() {
    method = .other
    methodRange = .empty
    target = RequestTarget(form: .origin, range: .empty, scheme: .empty, authority: .empty, pathAndQuery: .empty)
    version = .http11
    host = .empty
    framing = .none
    keepsAlive = false
    expectsContinue = false
    upgrade = .empty
    takesTrailers = false
    maxForwards = nil
    byteCount = 0
  }
}

// MARK: - Request line

extension RequestHead {
  /// `method SP request-target SP HTTP-version CRLF`, behind at most one empty line (RFC 9112 section 2.2).
  @inline(__always)
  private mutating func parseRequestLine(_ bytes: RawSpan, _ limits: HeadLimits) -> FieldSection.Outcome {
    let available = Swift.min(bytes.byteCount, limits.startLineBytes)
    let isCut = available == limits.startLineBytes
    let outcome = parseRequestLine(bytes, to: available)
    if case .incomplete = outcome, isCut { return .failed(.startLineTooLong, at: available) }
    return outcome
  }

  @inline(__always)
  private mutating func parseRequestLine(_ bytes: RawSpan, to end: Int) -> FieldSection.Outcome {
    var position = 0
    guard end > 0 else { return .incomplete }
    if bytes.byte(at: 0) == ByteClass.carriageReturn {
      guard end > 1 else { return .incomplete }
      guard bytes.byte(at: 1) == ByteClass.lineFeed else { return .failed(.bareCarriageReturn, at: 0) }
      position = 2
    }
    let methodStart = position
    while position < end, ByteClass.isToken(bytes.byte(at: position)) { position &+= 1 }
    guard position < end else { return .incomplete }
    guard bytes.byte(at: position) == ByteClass.space, position > methodStart else {
      if bytes.byte(at: position) == ByteClass.carriageReturn, position > methodStart {
        guard position &+ 1 < end else { return .incomplete }
        if bytes.byte(at: position &+ 1) == ByteClass.lineFeed { return .failed(.versionMissing, at: position) }
      }
      if bytes.byte(at: position) == ByteClass.carriageReturn {
        guard position &+ 1 < end else { return .incomplete }
        if bytes.byte(at: position &+ 1) == ByteClass.lineFeed { return .failed(.emptyLineRepeated, at: position) }
      }
      return Self.stopped(bytes.byte(at: position), at: position, otherwise: .methodMalformed)
    }
    methodRange = ByteRange(offset: methodStart, count: position &- methodStart)
    method = Method.recognise(bytes, methodRange)
    position &+= 1

    let targetStart = position
    while position < end, ByteClass.isTarget(bytes.byte(at: position)) { position &+= 1 }
    if position < end, ByteClass.isQueryOnly(bytes.byte(at: position)) {
      position = Self.endOfQuery(bytes, from: targetStart, stoppedAt: position, to: end)
    }
    guard position < end else { return .incomplete }
    guard bytes.byte(at: position) == ByteClass.space else {
      if bytes.byte(at: position) == ByteClass.carriageReturn {
        guard position &+ 1 < end else { return .incomplete }
        let isLineEnd = bytes.byte(at: position &+ 1) == ByteClass.lineFeed
        return .failed(isLineEnd ? .versionMissing : .bareCarriageReturn, at: position)
      }
      return Self.stopped(bytes.byte(at: position), at: position, otherwise: .targetMalformed)
    }
    switch RequestTarget.parse(
      bytes, ByteRange(offset: targetStart, count: position &- targetStart), method: method)
    {
    case .target(let parsed): target = parsed
    case .failed(let code, let offset): return .failed(code, at: offset)
    }
    position &+= 1
    return HTTPVersion.parseAtLineEnd(bytes, from: position, to: end, into: &version)
  }

  /// Where a target ends that holds a character which only a query may hold; that character itself, if it is in no query.
  @inline(never)
  private static func endOfQuery(_ bytes: RawSpan, from start: Int, stoppedAt stop: Int, to end: Int) -> Int {
    var position = start
    while position < stop, bytes.byte(at: position) != UInt8(ascii: "?") { position += 1 }
    guard position < stop else { return stop }
    position = stop
    while position < end,
      ByteClass.isTarget(bytes.byte(at: position)) || ByteClass.isQueryOnly(bytes.byte(at: position))
    {
      position += 1
    }
    return position
  }

  /// The code for a byte that does not belong where it stands.
  private static func stopped(
    _ byte: UInt8, at position: Int, otherwise code: MessageError.Code
  ) -> FieldSection.Outcome {
    let isControl = byte < ByteClass.space || byte == ByteClass.delete
    return .failed(isControl ? FieldSection.controlCode(byte) : code, at: position)
  }
}

extension HTTPVersion {
  /// `HTTP-version CRLF`. RFC 9110 section 2.5: a higher minor version is treated as the highest that is known.
  @inline(__always)
  fileprivate static func parseAtLineEnd(
    _ bytes: RawSpan, from start: Int, to end: Int, into version: inout HTTPVersion
  ) -> FieldSection.Outcome {
    if start &+ 10 <= end {
      let word = bytes.word(at: start)
      let isLineEnd =
        bytes.byte(at: start &+ 8) == ByteClass.carriageReturn && bytes.byte(at: start &+ 9) == ByteClass.lineFeed
      if word == PackedText.word("HTTP/1.1") && isLineEnd {
        version = .http11
        return .complete(end: start &+ 10)
      }
    }
    return parseSlowly(bytes, from: start, to: end, into: &version)
  }

  @inline(never)
  private static func parseSlowly(
    _ bytes: RawSpan, from start: Int, to end: Int, into version: inout HTTPVersion
  ) -> FieldSection.Outcome {
    switch parseName(bytes, from: start, to: end) {
    case .version(let parsed): version = parsed
    case .incomplete: return .incomplete
    case .failed(let code, let offset): return .failed(code, at: offset)
    }
    guard start + 8 < end else { return .incomplete }
    guard bytes.byte(at: start + 8) == ByteClass.carriageReturn else {
      let byte = bytes.byte(at: start + 8)
      return .failed(byte == ByteClass.lineFeed ? .bareLineFeed : .versionMalformed, at: start + 8)
    }
    guard start + 9 < end else { return .incomplete }
    guard bytes.byte(at: start + 9) == ByteClass.lineFeed else { return .failed(.bareCarriageReturn, at: start + 8) }
    return .complete(end: start + 10)
  }

  enum NameOutcome {
    case version(HTTPVersion)
    case incomplete
    case failed(MessageError.Code, at: Int)
  }

  /// `"HTTP/" DIGIT "." DIGIT`, the eight bytes from `start` on.
  static func parseName(_ bytes: RawSpan, from start: Int, to end: Int) -> NameOutcome {
    var major: UInt8 = 0
    var minor: UInt8 = 0
    for index in 0..<8 {
      guard start + index < end else { return .incomplete }
      let byte = bytes.byte(at: start + index)
      let isExpected: Bool
      switch index {
      case 0: isExpected = byte == UInt8(ascii: "H")
      case 1, 2: isExpected = byte == UInt8(ascii: "T")
      case 3: isExpected = byte == UInt8(ascii: "P")
      case 4: isExpected = byte == UInt8(ascii: "/")
      case 5:
        major = byte &- 0x30
        isExpected = ByteClass.isDigit(byte)
      case 6: isExpected = byte == UInt8(ascii: ".")
      default:
        minor = byte &- 0x30
        isExpected = ByteClass.isDigit(byte)
      }
      guard isExpected else {
        if byte == ByteClass.lineFeed { return .failed(.bareLineFeed, at: start + index) }
        return .failed(.versionMalformed, at: start + index)
      }
    }
    guard major == 1 else { return .failed(.versionUnsupported, at: start) }
    return .version(minor == 0 ? .http10 : .http11)
  }
}

// MARK: - Meaning

extension RequestHead {
  /// Draws from the fields what the request means for this hop; nil when nothing is wrong.
  @inline(__always)
  private mutating func interpret(_ bytes: RawSpan, _ fields: inout FieldTable) -> MessageError? {
    if let error = interpretHost(bytes, fields) { return error }
    switch DeclaredFraming(bytes, fields, version: version) {
    case .none: framing = .none
    case .contentLength(let length): framing = .contentLength(length)
    case .chunked: framing = .chunked
    case .failed(let code, let offset): return MessageError(code, at: offset, from: .client)
    }
    var options: ConnectionOptions = []
    if fields.contains(.connection) {
      guard let read = ConnectionOptions.read(bytes, &fields) else {
        return MessageError(
          .tooManyConnectionOptions, at: fields.firstValue(of: .connection)?.start ?? 0, from: .client)
      }
      options = read
    }
    switch version {
    case .http11: keepsAlive = !options.contains(.close)
    case .http10: keepsAlive = options.contains(.keepAlive) && !options.contains(.close)
    }
    return interpretRareFields(bytes, fields, options)
  }

  /// RFC 9112 section 3.2: HTTP/1.1 needs exactly one Host, valid even where the target overrides it.
  @inline(__always)
  private mutating func interpretHost(_ bytes: RawSpan, _ fields: borrowing FieldTable) -> MessageError? {
    if let value = fields.firstValue(of: .host) {
      if fields.isRepeated(.host) { return MessageError(.hostRepeated, at: value.start, from: .client) }
      guard Authority.isValid(bytes, value) else { return MessageError(.hostMalformed, at: value.start, from: .client) }
      host = value
    } else if version == .http11 {
      return MessageError(.hostMissing, at: byteCount, from: .client)
    }
    if target.form == .absolute { host = target.authority }
    return nil
  }

  @inline(__always)
  private mutating func interpretRareFields(
    _ bytes: RawSpan, _ fields: borrowing FieldTable, _ options: ConnectionOptions
  ) -> MessageError? {
    let rare: KnownFields = [
      KnownFields(.expect), KnownFields(.upgrade), KnownFields(.maxForwards), KnownFields(.transferCodings),
    ]
    if fields.present.isDisjoint(with: rare) && method != .trace { return nil }
    return interpretRareFieldsSlowly(bytes, fields, options)
  }

  @inline(never)
  private mutating func interpretRareFieldsSlowly(
    _ bytes: RawSpan, _ fields: borrowing FieldTable, _ options: ConnectionOptions
  ) -> MessageError? {
    let hasContent: Bool
    switch framing {
    case .none, .contentLength(0): hasContent = false
    case .contentLength, .chunked: hasContent = true
    }
    if method == .trace && hasContent { return MessageError(.traceWithContent, at: 0, from: .client) }
    if version == .http11 {
      for index in 0..<fields.count where fields[index].known == .expect {
        guard bytes.spells("100-continue", at: fields[index].value) else {
          return MessageError(.expectationUnknown, at: fields[index].value.start, from: .client)
        }
        expectsContinue = hasContent
      }
      if options.contains(.upgrade), !hasContent { upgrade = Upgrade.firstValue(bytes, fields) ?? .empty }
      for index in 0..<fields.count where fields[index].known == .transferCodings {
        var list = ListElements(fields[index].value)
        while let element = list.next(bytes) {
          if bytes.spells("trailers", at: element) { takesTrailers = true }
        }
      }
    }
    if method == .trace || method == .options, !fields.isRepeated(.maxForwards),
      let value = fields.firstValue(of: .maxForwards)
    {
      maxForwards = bytes.decimal(value)
    }
    return nil
  }
}

extension RawSpan {
  /// The plain decimal number in `range`, or nil when it is none or does not fit.
  func decimal(_ range: ByteRange) -> UInt32? {
    guard !range.isEmpty, range.count <= 10 else { return nil }
    var value: UInt64 = 0
    for offset in range.start..<range.end {
      let digit = byte(at: offset) &- 0x30
      guard digit < 10 else { return nil }
      value = value * 10 + UInt64(digit)
    }
    return UInt32(exactly: value)
  }
}
