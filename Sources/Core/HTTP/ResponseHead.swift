/// The head of one response, as ranges of the bytes that it was parsed from. Its fields are in a ``FieldTable``.
package struct ResponseHead: Sendable, BitwiseCopyable {
  /// 100 to 599.
  package var status: UInt16
  package var version: HTTPVersion
  /// The reason phrase; it may be empty.
  package var reason: ByteRange
  package var framing: ResponseFraming
  /// The Content-Length of a response without content (to HEAD, or 304), which is for the client to know.
  package var declaredLength: UInt64?
  /// Whether the upstream can take another request on this connection behind this response.
  package var keepsAlive: Bool
  /// The number of seconds in `Keep-Alive: timeout=N`.
  package var keepAliveTimeoutSeconds: UInt32?
  /// The number of further requests in `Keep-Alive: max=N`.
  package var keepAliveMax: UInt32?
  /// The protocol that a 101 changes to, or the ones that a 426 asks for; empty when Connection does not name Upgrade.
  package var upgrade: ByteRange
  /// Length of the head, with all its line ends.
  package var byteCount: Int

  /// Whether a further response follows: 1xx, but not 101.
  package var isInterim: Bool { status < 200 && status != 101 }
}

extension ResponseHead {
  /// Parses a response head that begins at the start of `bytes` (RFC 9112 section 4).
  ///
  /// - Parameters:
  ///   - bytes: everything that was received from the start of the head on; more may follow the head.
  ///   - scan: the progress on this head; a new one for each head.
  ///   - requestMethod: the method of the request that this answers; a response to HEAD has no content.
  ///   - fields: filled with the head's fields when it is complete; else undefined.
  package static func parse(
    _ bytes: RawSpan, scan: inout HeadScan, limits: HeadLimits, requestMethod: Method,
    into fields: inout FieldTable
  ) -> HeadParse<ResponseHead> {
    guard scan.advance(over: bytes, limits: limits) else { return .incomplete }
    var head = ResponseHead()
    let start: Int
    switch head.parseStatusLine(bytes, limits) {
    case .complete(let end): start = end
    case .incomplete:
      scan.noteIncomplete(bytes, startLineIsComplete: false)
      return .incomplete
    case .failed(let code, let offset): return .failed(MessageError(code, at: offset, from: .upstream))
    }
    let end = Swift.min(bytes.byteCount, limits.headBytes)
    switch FieldSection.parse(bytes, from: start, to: end, maximumCount: limits.fieldCount, into: &fields) {
    case .complete(let end): head.byteCount = end
    case .incomplete:
      if bytes.byteCount >= limits.headBytes {
        return .failed(MessageError(.headTooLarge, at: limits.headBytes, from: .upstream))
      }
      scan.noteIncomplete(bytes, startLineIsComplete: true)
      return .incomplete
    case .failed(let code, let offset): return .failed(MessageError(code, at: offset, from: .upstream))
    }
    if let error = head.interpret(bytes, &fields, requestMethod) { return .failed(error) }
    return .complete(head)
  }

  private init() {
    status = 0
    version = .http11
    reason = .empty
    framing = .none
    declaredLength = nil
    keepsAlive = false
    keepAliveTimeoutSeconds = nil
    keepAliveMax = nil
    upgrade = .empty
    byteCount = 0
  }
}

// MARK: - Status line

extension ResponseHead {
  private mutating func parseStatusLine(_ bytes: RawSpan, _ limits: HeadLimits) -> FieldSection.Outcome {
    let available = Swift.min(bytes.byteCount, limits.startLineBytes)
    let isCut = available == limits.startLineBytes
    let outcome = parseStatusLine(bytes, to: available)
    if case .incomplete = outcome, isCut { return .failed(.startLineTooLong, at: available) }
    return outcome
  }

  /// `HTTP-version SP status-code SP [ reason-phrase ] CRLF`; the second space may be missing where the phrase is.
  private mutating func parseStatusLine(_ bytes: RawSpan, to end: Int) -> FieldSection.Outcome {
    if end >= 8, bytes.word(at: 0) == PackedText.word("HTTP/1.1") {
      version = .http11
    } else {
      switch HTTPVersion.parseName(bytes, from: 0, to: end) {
      case .version(let parsed): version = parsed
      case .incomplete: return .incomplete
      case .failed(let code, let offset):
        return .failed(code == .versionMalformed ? .startLineMalformed : code, at: offset)
      }
    }
    guard end > 8 else { return .incomplete }
    guard bytes.byte(at: 8) == ByteClass.space else { return .failed(.startLineMalformed, at: 8) }
    for offset in 9..<12 {
      guard offset < end else { return .incomplete }
      guard ByteClass.isDigit(bytes.byte(at: offset)) else { return .failed(.statusMalformed, at: offset) }
      status = status &* 10 &+ UInt16(bytes.byte(at: offset) &- 0x30)
    }
    guard end > 12 else { return .incomplete }
    guard status >= 100 else { return .failed(.statusMalformed, at: 9) }
    let afterStatus = bytes.byte(at: 12)
    guard afterStatus == ByteClass.space || afterStatus == ByteClass.carriageReturn else {
      if afterStatus == ByteClass.lineFeed { return .failed(.bareLineFeed, at: 12) }
      return .failed(.statusMalformed, at: 12)
    }
    let reasonStart = afterStatus == ByteClass.space ? 13 : 12
    let lineEnd = bytes.firstControl(from: reasonStart, to: end)
    guard lineEnd < end else { return .incomplete }
    guard bytes.byte(at: lineEnd) == ByteClass.carriageReturn else {
      return .failed(FieldSection.controlCode(bytes.byte(at: lineEnd)), at: lineEnd)
    }
    guard lineEnd &+ 1 < end else { return .incomplete }
    guard bytes.byte(at: lineEnd &+ 1) == ByteClass.lineFeed else { return .failed(.bareCarriageReturn, at: lineEnd) }
    reason = bytes.trimmed(reasonStart, lineEnd)
    return .complete(end: lineEnd &+ 2)
  }
}

// MARK: - Meaning

extension ResponseHead {
  /// Draws from the fields what the response means for this hop; nil when nothing is wrong.
  private mutating func interpret(
    _ bytes: RawSpan, _ fields: inout FieldTable, _ requestMethod: Method
  ) -> MessageError? {
    let hasNoContent = requestMethod == .head || status < 200 || status == 204 || status == 304
    switch DeclaredFraming(bytes, fields, version: version) {
    case .none: framing = hasNoContent ? .none : .untilClose
    case .contentLength(let length):
      framing = hasNoContent ? .none : .contentLength(length)
      if hasNoContent && status >= 200 && status != 204 { declaredLength = length }
    case .chunked: framing = hasNoContent ? .none : .chunked
    case .failed(let code, let offset): return MessageError(code, at: offset, from: .upstream)
    }
    var options: ConnectionOptions = []
    if fields.contains(.connection) {
      guard let read = ConnectionOptions.read(bytes, &fields) else {
        return MessageError(
          .tooManyConnectionOptions, at: fields.firstValue(of: .connection)?.start ?? 0, from: .upstream)
      }
      options = read
    }
    switch version {
    case .http11: keepsAlive = !options.contains(.close)
    case .http10: keepsAlive = options.contains(.keepAlive) && !options.contains(.close)
    }
    if framing == .untilClose { keepsAlive = false }
    if options.contains(.upgrade), fields.contains(.upgrade) {
      upgrade = (status == 101 ? fields.firstValue(of: .upgrade) : Upgrade.firstValue(bytes, fields)) ?? .empty
    }
    if fields.contains(.keepAlive) { interpretKeepAlive(bytes, fields) }
    return nil
  }

  /// `Keep-Alive: timeout=5, max=100` (RFC 2068 section 19.7.1.1). What is not understood is passed over.
  private mutating func interpretKeepAlive(_ bytes: RawSpan, _ fields: borrowing FieldTable) {
    for index in 0..<fields.count where fields[index].known == .keepAlive {
      var list = ListElements(fields[index].value)
      while let element = list.next(bytes) {
        var equals = element.start
        while equals < element.end, bytes.byte(at: equals) != UInt8(ascii: "=") { equals += 1 }
        guard equals < element.end else { continue }
        let name = bytes.trimmed(element.start, equals)
        let value = bytes.trimmed(equals + 1, element.end)
        if bytes.spells("timeout", at: name) {
          keepAliveTimeoutSeconds = bytes.decimal(value) ?? keepAliveTimeoutSeconds
        } else if bytes.spells("max", at: name) {
          keepAliveMax = bytes.decimal(value) ?? keepAliveMax
        }
      }
    }
  }
}
