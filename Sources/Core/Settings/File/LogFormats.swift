/// How lines of the access log are written in settings.
enum LogFormats {
  private static let simple: [(String, LogSettings.AccessLogFormat)] = [
    ("off", .off), ("text", .text), ("json", .json), ("common", .common), ("combined", .combined),
  ]

  /// One of the forms, or a format of one's own.
  static var form: SettingsForm<LogSettings.AccessLogFormat> {
    .scalar(
      "off, text, json, common, combined, or a text with names in braces",
      kind: "off, text, json, common, combined, or a format",
      parse: { text throws(QuantityError) in try parse(text) },
      show: { format in
        guard case .custom(let pieces) = format else { return simple.first { $0.1 == format }?.0 }
        return pieces.map { piece in
          if case .text(let text) = piece { return BracedText.escape(text) }
          // Every piece but text has a name.
          return "{\(piece.name ?? "")}"
        }.joined()
      })
  }

  static func parse(_ text: String) throws(QuantityError) -> LogSettings.AccessLogFormat {
    if let choice = simple.first(where: { $0.0 == text }) { return choice.1 }
    guard text.contains("{") else {
      throw QuantityError(text: text, fact: "is no form of the access log", fix: foreignFix(text) ?? nearestForm(text))
    }
    return .custom(try pieces(text))
  }

  private static func pieces(_ text: String) throws(QuantityError) -> [LogSettings.Piece] {
    guard text.utf8.allSatisfy({ ($0 >= 0x20 || $0 == 0x09) && $0 != 0x7f }) else {
      throw QuantityError(
        text: text, fact: "holds a line break or another control character", fix: "write it on one line")
    }
    if let fix = foreignFix(text) {
      throw QuantityError(text: text, fact: "names what it shows as another proxy does", fix: fix)
    }
    var pieces: [LogSettings.Piece] = []
    for piece in try BracedText.parse(text) {
      switch piece {
      case .text(let literal): pieces.append(.text(literal))
      case .name(let name): pieces.append(try self.piece(name, text))
      }
    }
    return pieces
  }

  private static func piece(_ name: String, _ text: String) throws(QuantityError) -> LogSettings.Piece {
    if name.hasPrefix("request.") {
      return .requestField(try checkedFieldName(String(name.dropFirst("request.".count))).lowercased())
    }
    if name.hasPrefix("response.") {
      return .responseField(try checkedFieldName(String(name.dropFirst("response.".count))).lowercased())
    }
    if let variable = LogSettings.Variable(rawValue: name) { return .variable(variable) }
    let known = "known are request.NAME, response.NAME, \(LogSettings.variableNames.joined(separator: ", "))"
    let near = ForeignLogNames.ours(name) ?? NearestName.find(name, among: LogSettings.variableNames)
    throw QuantityError(
      text: text, fact: "names '{\(name)}', which the access log does not know",
      fix: near.map { "did you mean '{\($0)}'? \(known)" } ?? known)
  }

  private static func nearestForm(_ text: String) -> String {
    NearestName.find(text, among: simple.map(\.0)).map { "did you mean '\($0)'?" }
      ?? "write off, text, json, common, combined, or a text with names in braces"
  }

  /// What to write for the first name that begins with a dollar sign; nil when there is none that is known.
  private static func foreignFix(_ text: String) -> String? {
    for part in text.split(separator: "$", omittingEmptySubsequences: false).dropFirst() {
      let name = part.drop { $0 == "{" }.prefix { $0.isLetter || $0.isNumber || $0 == "_" }
      if let ours = ForeignLogNames.ours(String(name)) { return "write {\(ours)} for $\(name)" }
    }
    return nil
  }

  /// The name of a field, in lower case.
  static var fieldName: SettingsForm<String> {
    .scalar(
      "the name of a field, for instance User-Agent", kind: "field name",
      parse: { text throws(QuantityError) in try checkedFieldName(text).lowercased() }, show: { $0 })
  }
}

extension LogSettings {
  /// The names that a format of one's own may use: those of docs/manual/access-log.md.
  package static let variableNames = Variable.allCases.map(\.rawValue)
}

extension LogSettings.AccessLogFormat {
  /// Parses one of the forms, or a format of one's own.
  package init(parsing text: String) throws(QuantityError) { self = try LogFormats.parse(text) }
}

/// The variables of nginx's log_format by our names.
enum ForeignLogNames {
  private static let names: [(theirs: String, ours: LogSettings.Variable)] = [
    ("remote_addr", .client), ("time_local", .timeLocal), ("time_iso8601", .time), ("msec", .timeUnix),
    ("request", .request), ("request_method", .method), ("request_uri", .target), ("uri", .path), ("args", .query),
    ("query_string", .query), ("server_protocol", .version), ("status", .status),
    ("body_bytes_sent", .responseBodyBytes), ("content_length", .requestBodyBytes), ("request_time", .durationSeconds),
    ("upstream_addr", .server), ("proxy_host", .upstreamName), ("upstream_connect_time", .untilLeasedSeconds),
    ("upstream_header_time", .untilHeadSeconds), ("upstream_response_time", .upstreamSeconds),
    ("connection_requests", .clientRequests), ("request_id", .requestID),
  ]

  /// What stands for nginx's variable `name`; nil when nothing does.
  static func ours(_ name: String) -> String? {
    if let known = names.first(where: { $0.theirs == name }) { return known.ours.rawValue }
    for (theirs, ours) in [("http_", "request."), ("sent_http_", "response."), ("upstream_http_", "response.")]
    where name.hasPrefix(theirs) && name.utf8.count > theirs.utf8.count {
      return ours + name.dropFirst(theirs.count).replacing("_", with: "-")
    }
    return name == "host" ? "request.host" : nil
  }
}
