package import Core

/// The access log as the settings have it, taken apart once for each reload: what a line is made of, and what has to be kept of
/// each request for it.
package struct AccessFormat: Sendable {
  private enum Shape: Sendable {
    case off, text, json
    case pieces([Piece], LogEscaping)
  }

  private enum Piece: Sendable {
    case text([UInt8])
    case variable(LogSettings.Variable)
    /// By their position in ``requestFields`` and ``responseFields``.
    case requestField(Int)
    case responseField(Int)
  }

  private let shape: Shape
  package let isOff: Bool
  package let requestFields: AccessFields
  package let responseFields: AccessFields
  package let sampling: LogSampling
  /// Whether a line tells the learnt idle window, which costs a look at the server's record.
  package let needsIdleWindow: Bool

  package init(_ settings: LogSettings) {
    sampling = LogSampling(oneOf: settings.sampling)
    isOff = settings.access == .off
    var pieces: [LogSettings.Piece] = []
    switch settings.access {
    case .off, .text, .json:
      shape = settings.access == .off ? .off : settings.access == .text ? .text : .json
      requestFields = AccessFields(isOff ? [] : settings.requestFields, settings)
      responseFields = AccessFields(isOff ? [] : settings.responseFields, settings)
      needsIdleWindow = false
      return
    case .common: pieces = Self.common
    case .combined: pieces = Self.combined
    case .custom(let own): pieces = own
    }
    var requestNames: [String] = []
    var responseNames: [String] = []
    let compiled = pieces.map { piece -> Piece in
      switch piece {
      case .text(let text): .text(Array(text.utf8))
      case .variable(let variable): .variable(variable)
      case .requestField(let name): .requestField(Self.position(of: name, in: &requestNames))
      case .responseField(let name): .responseField(Self.position(of: name, in: &responseNames))
      }
    }
    shape = .pieces(compiled, Self.escaping(of: settings.access))
    requestFields = AccessFields(requestNames, settings)
    responseFields = AccessFields(responseNames, settings)
    needsIdleWindow = pieces.contains(.variable(.idleWindow))
  }

  private static func position(of name: String, in names: inout [String]) -> Int {
    if let known = names.firstIndex(of: name) { return known }
    names.append(name)
    return names.count - 1
  }

  /// `%h %l %u %t "%r" %>s %b` of Apache. Nobody is asked for a name here, so that there is none.
  private static let common: [LogSettings.Piece] = [
    .variable(.client), .text(" - - ["), .variable(.timeLocal), .text("] \""), .variable(.request), .text("\" "),
    .variable(.status), .text(" "), .variable(.responseBodyBytes),
  ]
  private static let combined: [LogSettings.Piece] =
    common + [.text(" \""), .requestField("referer"), .text("\" \""), .requestField("user-agent"), .text("\"")]

  /// A format that begins with a brace is meant to be JSON.
  private static func escaping(of format: LogSettings.AccessLogFormat) -> LogEscaping {
    if case .custom(let pieces) = format, case .text(let start)? = pieces.first, start.hasPrefix("{") { return .json }
    return .hexadecimal
  }

  /// Appends the line of an exchange.
  package func append(_ record: AccessLine.Record, to line: inout [UInt8]) {
    switch shape {
    case .off: break
    case .text: AccessLine.appendText(record, self, to: &line)
    case .json: AccessLine.appendJSON(record, self, to: &line)
    case .pieces(let pieces, let escaping):
      for piece in pieces {
        switch piece {
        case .text(let text): line += text
        case .variable(let variable): Self.append(variable, of: record, escaping, to: &line)
        case .requestField(let index): Self.append(record.requestFields[index], escaping, to: &line)
        case .responseField(let index): Self.append(record.responseFields[index], escaping, to: &line)
        }
      }
      line.append(0x0a)
    }
  }

  // MARK: - Values

  private static func append(_ value: ArraySlice<UInt8>?, _ escaping: LogEscaping, to line: inout [UInt8]) {
    guard let value, !value.isEmpty else {
      line.append(UInt8(ascii: "-"))
      return
    }
    line.appendLog(value, escaping: escaping)
  }

  private static func append(_ text: String?, _ escaping: LogEscaping, to line: inout [UInt8]) {
    guard let text, !text.isEmpty else {
      line.append(UInt8(ascii: "-"))
      return
    }
    line.appendLog(text.utf8, escaping: escaping)
  }

  private static func append(milliseconds span: Nanoseconds?, to line: inout [UInt8]) {
    if let span, span != .unlimited { line.appendLog(milliseconds: span) } else { line.append(UInt8(ascii: "-")) }
  }

  private static func append(seconds span: Nanoseconds?, to line: inout [UInt8]) {
    if let span { line.appendLog(seconds: span) } else { line.append(UInt8(ascii: "-")) }
  }

  private static func append(_ number: Int64?, to line: inout [UInt8]) {
    if let number { line.appendLog(decimal: number) } else { line.append(UInt8(ascii: "-")) }
  }

  private static func append(
    _ variable: LogSettings.Variable, of record: AccessLine.Record, _ escaping: LogEscaping,
    to line: inout [UInt8]
  ) {
    switch variable {
    case .time: WallTime.append(record.wallNanoseconds, to: &line)
    case .timeLocal: WallTime.appendCommon(record.wallNanoseconds, to: &line)
    case .timeUnix: line.appendLog(seconds: Nanoseconds(record.wallNanoseconds))
    case .client: append(record.client, escaping, to: &line)
    case .clientRequests: line.appendLog(decimal: Int64(record.clientRequests))
    case .request:
      line.appendLog(record.requestLine, escaping: escaping)
      if record.isUnderstood { line.appendLog(record.versionText) }
    case .method: append(record.method, escaping, to: &line)
    case .target: append(record.target, escaping, to: &line)
    case .path: append(record.path, escaping, to: &line)
    case .query: append(record.query, escaping, to: &line)
    case .version:
      if record.isUnderstood { line.appendLog(String(record.versionText.dropFirst())) } else { append(nil, to: &line) }
    case .status: line.appendLog(decimal: Int64(record.status))
    case .requestBodyBytes: line.appendLog(decimal: Int64(clamping: record.bytesIn))
    case .responseBodyBytes: line.appendLog(decimal: Int64(clamping: record.bytesOut))
    case .durationMilliseconds: append(milliseconds: record.duration, to: &line)
    case .durationSeconds: append(seconds: record.duration, to: &line)
    case .untilLeasedMilliseconds: append(milliseconds: record.untilLeased, to: &line)
    case .untilLeasedSeconds: append(seconds: record.untilLeased, to: &line)
    case .untilHeadMilliseconds: append(milliseconds: record.untilHead, to: &line)
    case .untilHeadSeconds: append(seconds: record.untilHead, to: &line)
    case .upstreamSeconds: append(seconds: record.untilLeased.map { record.duration - $0 }, to: &line)
    case .server: append(record.server, escaping, to: &line)
    case .upstreamName: append(record.upstreamName, escaping, to: &line)
    case .route: append(record.route, escaping, to: &line)
    case .connection, .connectionIsReused, .connectionIdleAge, .connectionAge, .connectionUses, .idleWindow:
      append(ofConnection: variable, of: record, to: &line)
    case .attempts: line.appendLog(decimal: Int64(record.attempts))
    case .replays: line.appendLog(decimal: Int64(record.replays))
    case .retries: line.appendLog(decimal: Int64(record.retries))
    case .verdict: append(record.verdict?.label, escaping, to: &line)
    case .error: append(record.failure.map { "\($0.proxyStatusError)" }, escaping, to: &line)
    case .errorDetails: append(record.failure?.details, escaping, to: &line)
    case .notReplayed: append(record.failure?.notReplayed?.label, escaping, to: &line)
    case .clientLost: line.appendLog(record.clientWasLost ? "yes" : "no")
    case .requestID: line += record.requestID
    case .sampling: line.appendLog(decimal: Int64(record.sampling ?? 1))
    }
  }

  private static func append(
    ofConnection variable: LogSettings.Variable, of record: AccessLine.Record, to line: inout [UInt8]
  ) {
    guard let facts = record.facts else {
      line.append(UInt8(ascii: "-"))
      return
    }
    switch variable {
    case .connection: line.appendLog(hexadecimal: record.connection)
    case .connectionIsReused: line.appendLog(facts.isReused ? "yes" : "no")
    case .connectionIdleAge: append(milliseconds: facts.idleAge, to: &line)
    case .connectionAge: append(milliseconds: facts.connectionAge, to: &line)
    case .connectionUses: append(Int64(facts.uses), to: &line)
    case .idleWindow: append(milliseconds: record.idleWindow, to: &line)
    default: preconditionFailure("\(variable) is not about a connection")
    }
  }
}

extension AccessLine.Record {
  fileprivate var isUnderstood: Bool { requestLine.contains(0x20) }

  fileprivate var versionText: String {
    if isHTTP2 { return " HTTP/2.0" }
    switch version {
    case .http10: return " HTTP/1.0"
    case .http11: return " HTTP/1.1"
    }
  }

  fileprivate var method: ArraySlice<UInt8>? { requestLine.firstIndex(of: 0x20).map { requestLine[..<$0] } }
  fileprivate var target: ArraySlice<UInt8>? { requestLine.firstIndex(of: 0x20).map { requestLine[($0 + 1)...] } }

  /// Without the scheme and the host of an absolute form.
  fileprivate var path: ArraySlice<UInt8>? {
    guard let target else { return nil }
    let whole = target.prefix { $0 != UInt8(ascii: "?") }
    guard whole.first != UInt8(ascii: "/"), let colon = whole.firstIndex(of: UInt8(ascii: ":")) else { return whole }
    let afterScheme = whole[colon...].dropFirst("://".utf8.count)
    return afterScheme.firstIndex(of: UInt8(ascii: "/")).map { afterScheme[$0...] } ?? []
  }

  fileprivate var query: ArraySlice<UInt8>? {
    target.flatMap { target in
      target.firstIndex(of: UInt8(ascii: "?")).map { target[($0 + 1)...] }
    }
  }
}
