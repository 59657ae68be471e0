import Core

/// Holds the grammar of Core to what must be true for any bytes whatever. For fuzzing and property tests.
///
/// Each check returns what is violated, in words, or nil.
package enum GrammarOracle {
  private static let limits = HeadLimits(headBytes: 1 << 20, startLineBytes: 1 << 20, fieldCount: 1 << 16)

  /// Checks all of it; the first byte decides what the others are taken for.
  package static func check(_ bytes: [UInt8]) -> String? {
    guard let first = bytes.first else { return nil }
    let message = Array(bytes.dropFirst())
    switch first % 3 {
    case 0: return checkRequest(message)
    case 1: return checkResponse(message)
    default: return checkChunked(message)
    }
  }
}

// MARK: - Requests

extension GrammarOracle {
  package static func checkRequest(_ bytes: [UInt8]) -> String? {
    var table = FieldTable(capacity: 1)
    var scan = HeadScan()
    let whole = RequestHead.parse(bytes.rawSpan, scan: &scan, limits: limits, into: &table)
    let reference = ReferenceGrammar.request(bytes)
    switch (whole, reference) {
    case (.incomplete, .incomplete), (.failed, .incomplete), (.failed, .refused): break
    case (.complete(let head), .accepted(let request)):
      if let violation = compare(head, bytes, table, request) { return violation }
      if let violation = checkWritten(head, bytes, table, request) { return violation }
    default: return "the request is \(whole) to the parser and \(reference) to the reference"
    }
    if case .failed(let error) = whole, error.offset < 0 || error.offset > bytes.count {
      return "the error's offset \(error.offset) is outside of the message"
    }
    _ = ForeignProtocol.spoken(byClient: bytes.rawSpan)
    let spelled = spell(whole, bytes, table)
    return checkPieces(bytes, spelled, hasEnd: reference != .incomplete) { bytes, scan, table in
      spell(RequestHead.parse(bytes.rawSpan, scan: &scan, limits: limits, into: &table), bytes, table)
    }
  }

  private static func compare(
    _ head: RequestHead, _ bytes: [UInt8], _ table: borrowing FieldTable, _ request: ReferenceGrammar.Request
  ) -> String? {
    let span = bytes.rawSpan
    let framing: ReferenceGrammar.Framing
    switch head.framing {
    case .none: framing = .none
    case .contentLength(let length): framing = .length(length)
    case .chunked: framing = .chunked
    }
    let parsed = ReferenceGrammar.Request(
      method: span.text(head.methodRange), target: span.text(head.target.range), isHTTP10: head.version == .http10,
      host: span.text(head.host), path: request.path, framing: framing, keepsAlive: head.keepsAlive,
      fields: fields(bytes, table), length: head.byteCount)
    return parsed == request ? nil : "the parser made \(parsed) of the request, the reference \(request)"
  }

  private static func checkWritten(
    _ head: RequestHead, _ bytes: [UInt8], _ table: borrowing FieldTable, _ request: ReferenceGrammar.Request
  ) -> String? {
    let forwarding = Forwarding(
      clientAddress: Array("192.0.2.1".utf8), fields: [.xForwardedFor, .xRequestID], defaultHost: Array("none".utf8))
    var buffer = ByteBuffer(capacity: 0)
    head.write(to: &buffer, bytes: bytes.rawSpan, fields: table, forwarding: forwarding, requestID: (1, 2))
    let written = array(buffer)
    guard case .accepted(let again) = ReferenceGrammar.request(written), again.length == written.count else {
      return "what was written is no single request head: \(String(decoding: written, as: UTF8.self).debugDescription)"
    }
    guard again.method == request.method, again.target == request.path, !again.isHTTP10,
      again.framing == request.framing, again.host == (request.host.isEmpty ? "none" : request.host), again.keepsAlive
    else { return "what was written, \(again), means something else than \(request)" }
    guard again.fields.first?.name == "Host" else { return "Host is not the first field" }
    let own = [
      "host", "content-length", "transfer-encoding", "expect", "connection", "upgrade", "te", "x-forwarded-for",
      "max-forwards", "x-request-id",
    ]
    let passedOn = again.fields.filter { !own.contains($0.folded) }
    let wanted = endToEnd(request.fields).filter { field in
      if own.contains(field.folded) || ["forwarded", "x-real-ip"].contains(field.folded) { return false }
      if ["client-cert", "client-cert-chain"].contains(field.folded) { return false }
      return !isForwardedClaim(field.folded) && !(request.framing != .chunked && field.folded == "trailer")
    }
    if passedOn != wanted { return "passed on were \(passedOn), and should have been \(wanted)" }
    let forwarded = again.fields.filter { $0.folded == "x-forwarded-for" }.map(\.value)
    if forwarded != [Array("192.0.2.1".utf8)] { return "the client could say who it is: \(again)" }
    if again.fields.filter({ $0.folded == "x-request-id" }).count != 1 {
      return "there is not one request ID: \(again)"
    }
    return nil
  }
}

// MARK: - Responses

extension GrammarOracle {
  package static func checkResponse(_ bytes: [UInt8]) -> String? {
    for method in [Core.Method.get, .head] {
      if let violation = checkResponse(bytes, to: method) { return violation }
    }
    _ = ForeignProtocol.spoken(byUpstream: bytes.rawSpan)
    return nil
  }

  private static func checkResponse(_ bytes: [UInt8], to method: Core.Method) -> String? {
    var table = FieldTable(capacity: 1)
    var scan = HeadScan()
    let whole = ResponseHead.parse(bytes.rawSpan, scan: &scan, limits: limits, requestMethod: method, into: &table)
    let reference = ReferenceGrammar.response(bytes)
    switch (whole, reference) {
    case (.incomplete, .incomplete), (.failed, .incomplete), (.failed, .refused): break
    case (.complete(let head), .accepted(let response)):
      if let violation = compare(head, bytes, table, response, method) { return violation }
      for version in [HTTPVersion.http10, .http11] {
        if let violation = checkWritten(head, bytes, table, response, version) { return violation }
      }
    default: return "the response is \(whole) to the parser and \(reference) to the reference"
    }
    let spelled = spell(whole, bytes, table)
    return checkPieces(bytes, spelled, hasEnd: reference != .incomplete) { bytes, scan, table in
      spell(
        ResponseHead.parse(bytes.rawSpan, scan: &scan, limits: limits, requestMethod: method, into: &table), bytes,
        table)
    }
  }

  private static func compare(
    _ head: ResponseHead, _ bytes: [UInt8], _ table: borrowing FieldTable, _ response: ReferenceGrammar.Response,
    _ method: Core.Method
  ) -> String? {
    let hasNoContent = method == .head || response.status < 200 || response.status == 204 || response.status == 304
    let framing: ResponseFraming
    switch response.framing {
    case .none: framing = hasNoContent ? .none : .untilClose
    case .length(let length): framing = hasNoContent ? .none : .contentLength(length)
    case .chunked: framing = hasNoContent ? .none : .chunked
    }
    guard Int(head.status) == response.status, (head.version == .http10) == response.isHTTP10,
      head.framing == framing, head.keepsAlive == (response.keepsAlive && framing != .untilClose),
      head.byteCount == response.length, fields(bytes, table) == response.fields
    else { return "the parser made \(head) of the response, the reference \(response)" }
    return nil
  }

  private static func checkWritten(
    _ head: ResponseHead, _ bytes: [UInt8], _ table: borrowing FieldTable, _ response: ReferenceGrammar.Response,
    _ version: HTTPVersion
  ) -> String? {
    var buffer = ByteBuffer(capacity: 0)
    let framing = head.framing(forClient: version)
    head.write(
      to: &buffer, bytes: bytes.rawSpan, fields: table, clientVersion: version, clientKeepsAlive: true,
      bodyFraming: framing)
    let written = array(buffer)
    guard case .accepted(let again) = ReferenceGrammar.response(written), again.length == written.count else {
      return "what was written is no single response head: \(String(decoding: written, as: UTF8.self).debugDescription)"
    }
    let expected: ReferenceGrammar.Framing
    switch framing {
    case .none: expected = head.declaredLength.map { .length($0) } ?? .none
    case .contentLength(let length): expected = .length(length)
    case .chunked: expected = .chunked
    case .untilClose: expected = .none
    }
    guard again.status == response.status, !again.isHTTP10, again.framing == expected,
      again.closes == (framing == .untilClose)
    else { return "what was written, \(again), means something else than \(response)" }
    let own = ["content-length", "transfer-encoding", "connection", "upgrade", "trailer"]
    let passedOn = again.fields.filter { !own.contains($0.folded) }
    let wanted = endToEnd(response.fields, keepsLookalikes: true).filter { !own.contains($0.folded) }
    if passedOn != wanted { return "passed on were \(passedOn), and should have been \(wanted)" }
    return nil
  }
}

// MARK: - Chunked bodies

extension GrammarOracle {
  package static func checkChunked(_ bytes: [UInt8]) -> String? {
    checkChunked(bytes, from: .client) ?? checkChunked(bytes, from: .upstream)
  }

  private static func checkChunked(_ bytes: [UInt8], from sender: MessageError.Sender) -> String? {
    let limits = ChunkLimits(
      extensionBytes: 1 << 20, excessExtensionBytes: 1 << 20, trailerBytes: 1 << 20, trailerCount: 1 << 16)
    let whole = decode(bytes, step: Swift.max(bytes.count, 1), limits, sender)
    for step in [1, 2, 3, 7] where decode(bytes, step: step, limits, sender) != whole {
      return
        "in pieces of \(step) the body is another: \(decode(bytes, step: step, limits, sender)) instead of \(whole)"
    }
    let reference = ReferenceGrammar.chunked(bytes, padded: sender == .upstream)
    switch whole {
    case .finished(let data, let trailers, let length):
      guard let reference, reference.data == data, reference.length == length else {
        return "the decoder finished with \(whole), the reference with \(String(describing: reference))"
      }
      return checkWrittenChunks(data, trailers, reference.trailers, limits)
    case .incomplete, .failed:
      if let reference { return "the decoder came to \(whole), the reference to \(reference)" }
      return nil
    }
  }

  enum Decoded: Equatable {
    case finished(data: [UInt8], trailers: [UInt8], length: Int)
    case incomplete(data: [UInt8])
    case failed(MessageError.Code, at: Int)
  }

  private static func decode(
    _ bytes: [UInt8], step: Int, _ limits: ChunkLimits, _ sender: MessageError.Sender
  ) -> Decoded {
    var decoder = ChunkedDecoder(limits: limits, sender: sender)
    var data: [UInt8] = []
    var start = 0
    var end = 0
    repeat {
      end = Swift.min(end + step, bytes.count)
      let window = Array(bytes[start..<end])
      var position = 0
      reading: while true {
        switch decoder.next(window.rawSpan, from: position) {
        case .data(let range):
          data += window[range.start..<range.end]
          position = range.end
        case .incomplete(let consumed):
          start += consumed
          break reading
        case .finished(let consumed, let trailers):
          return .finished(
            data: data, trailers: Array(window[trailers.start..<trailers.end]), length: start + consumed)
        case .failed(let error): return .failed(error.code, at: error.offset)
        }
      }
    } while end < bytes.count
    return .incomplete(data: data)
  }

  private static func checkWrittenChunks(
    _ data: [UInt8], _ trailers: [UInt8], _ fields: [ReferenceGrammar.Field], _ limits: ChunkLimits
  ) -> String? {
    var buffer = ByteBuffer(capacity: 0)
    if !data.isEmpty {
      ChunkedWriter.writeChunkStart(data.count, to: &buffer)
      buffer.append(data)
      ChunkedWriter.writeChunkEnd(to: &buffer)
    }
    ChunkedWriter.writeEnd(
      to: &buffer, bytes: trailers.rawSpan, trailers: ByteRange(offset: 0, count: trailers.count))
    guard let again = ReferenceGrammar.chunked(array(buffer)), again.data == data else {
      return "what was written is no such chunked body"
    }
    let forbidden = [
      "content-length", "transfer-encoding", "host", "authorization", "connection", "trailer", "x-forwarded-for",
    ]
    for field in again.trailers {
      if forbidden.contains(field.folded.replacingUnderscores) { return "a forbidden trailer went through: \(field)" }
      if !fields.contains(field) { return "a trailer came from nowhere: \(field)" }
    }
    return nil
  }
}

// MARK: - Common

extension GrammarOracle {
  /// The fields that are not for one hop only.
  private static func endToEnd(
    _ fields: [ReferenceGrammar.Field], keepsLookalikes: Bool = false
  ) -> [ReferenceGrammar.Field] {
    let hopByHop = [
      "connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade", "http2-settings",
      "proxy-authenticate", "proxy-authentication-info",
    ]
    let requestOnly = ["proxy-authorization", "proxy"]
    let nominated = Set(ReferenceGrammar.options(fields) ?? []).subtracting(KnownNames.protected.union(["close"]))
    return fields.filter { field in
      let name = field.folded
      if hopByHop.contains(name) { return false }
      if nominated.contains(name) && !isForwardedClaim(name) { return false }
      if keepsLookalikes { return true }
      if requestOnly.contains(name) { return false }
      guard name.contains("_") else { return true }
      let dashed = name.replacingUnderscores
      return isForwardedClaim(name) || !KnownNames.all.contains(dashed) && !isForwardedClaim(dashed)
    }
  }

  private static func isForwardedClaim(_ name: String) -> Bool {
    name.hasPrefix("x-forwarded-") && name.utf8.count > 12
  }

  /// - Parameter hasEnd: whether the head has an end. A head in pieces may be refused as late as there.
  private static func checkPieces(
    _ bytes: [UInt8], _ whole: String, hasEnd: Bool, _ parse: ([UInt8], inout HeadScan, inout FieldTable) -> String
  ) -> String? {
    var table = FieldTable(capacity: 1)
    // Each step reparses at most a few times, but spelling all of a long message for each of its bytes takes long.
    for step in bytes.count > 512 ? [61, 257] : [1, 3, 17] {
      var scan = HeadScan()
      var end = 0
      var outcome = "incomplete"
      while outcome == "incomplete" && end < bytes.count {
        end = Swift.min(end + step, bytes.count)
        outcome = parse(Array(bytes[..<end]), &scan, &table)
      }
      if outcome == "incomplete" && !hasEnd { continue }
      if outcome != whole { return "in pieces of \(step) the head is another: \(outcome) instead of \(whole)" }
    }
    return nil
  }

  private static func fields(_ bytes: [UInt8], _ table: borrowing FieldTable) -> [ReferenceGrammar.Field] {
    var fields: [ReferenceGrammar.Field] = []
    for index in 0..<table.count {
      let field = table[index]
      fields.append(
        ReferenceGrammar.Field(
          name: bytes.rawSpan.text(field.name), value: Array(bytes[field.value.start..<field.value.end])))
    }
    return fields
  }

  private static func spell<Head>(
    _ outcome: HeadParse<Head>, _ bytes: [UInt8], _ table: borrowing FieldTable
  ) -> String {
    switch outcome {
    case .incomplete: return "incomplete"
    case .failed(let error): return "\(error)"
    case .complete(let head):
      var nominated = ""
      for index in 0..<table.count { nominated += table[index].isNominated ? "1" : "0" }
      return "\(head) \(fields(bytes, table)) \(nominated)"
    }
  }

  private static func array(_ buffer: borrowing ByteBuffer) -> [UInt8] {
    var array: [UInt8] = []
    array.reserveCapacity(buffer.count)
    for offset in 0..<buffer.count { array.append(buffer.readable.byte(at: offset)) }
    return array
  }
}

/// The names that Core knows, spelled out a second time.
private enum KnownNames {
  static let protected: Set<String> = [
    "host", "content-length", "transfer-encoding", "content-type", "content-encoding", "content-range",
    "content-location",
    "authorization", "www-authenticate", "cookie", "set-cookie", "cache-control", "date", "age", "expires", "etag",
    "vary",
    "location", "range", "expect", "max-forwards", "trailer", "via", "forwarded", "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host", "x-real-ip", "x-request-id", "traceparent", "tracestate", "user-agent", "referer", "server",
    "retry-after", "proxy-status", "client-cert", "client-cert-chain", "x-forwarded-client-cert",
  ]
  static let all: Set<String> = protected.union([
    "connection", "te", "upgrade", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization",
    "proxy-authentication-info", "proxy", "http2-settings",
  ])
}

extension String {
  fileprivate var replacingUnderscores: String { String(map { $0 == "_" ? "-" : $0 }) }
}
