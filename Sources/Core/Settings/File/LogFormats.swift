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
      parse: { text throws(QuantityError) in
        if let choice = simple.first(where: { $0.0 == text }) { return choice.1 }
        guard text.contains("{") else {
          throw QuantityError(
            text: text, fact: "is no form of the access log",
            fix: NearestName.find(text, among: simple.map(\.0)).map { "did you mean '\($0)'?" }
              ?? "write off, text, json, common, combined, or a text with names in braces")
        }
        return .custom(try pieces(text))
      },
      show: { format in
        guard case .custom(let pieces) = format else { return simple.first { $0.1 == format }?.0 }
        return pieces.map { piece in
          switch piece {
          case .text(let text): BracedText.escape(text)
          case .field(let name): "{\(name)}"
          }
        }.joined()
      })
  }

  private static func pieces(_ text: String) throws(QuantityError) -> [LogSettings.Piece] {
    guard text.utf8.allSatisfy({ ($0 >= 0x20 || $0 == 0x09) && $0 != 0x7f }) else {
      throw QuantityError(
        text: text, fact: "holds a line break or another control character", fix: "write it on one line")
    }
    var pieces: [LogSettings.Piece] = []
    for piece in try BracedText.parse(text) {
      switch piece {
      case .text(let literal): pieces.append(.text(literal))
      case .name(let name): pieces.append(.field(try checkedName(name, text)))
      }
    }
    return pieces
  }

  private static func checkedName(_ name: String, _ text: String) throws(QuantityError) -> String {
    for prefix in ["request.", "response."] where name.hasPrefix(prefix) {
      return prefix + (try checkedFieldName(String(name.dropFirst(prefix.count))).lowercased())
    }
    guard LogSettings.fieldNames.contains(name) else {
      throw QuantityError(
        text: text, fact: "names '{\(name)}', which the access log does not know",
        fix: NearestName.fix(name, among: LogSettings.fieldNames, called: "known are request.NAME, response.NAME,"))
    }
    return name
  }

  /// The name of a field, in lower case.
  static var fieldName: SettingsForm<String> {
    .scalar(
      "the name of a field, for instance User-Agent", kind: "field name",
      parse: { text throws(QuantityError) in try checkedFieldName(text).lowercased() }, show: { $0 })
  }
}

extension LogSettings {
  /// The names that a format of one's own may use: the JSON names of docs/manual/access-log.md.
  package static let fieldNames = [
    "time", "client", "request", "status", "request_body_bytes", "response_body_bytes", "duration_ms",
    "until_leased_ms",
    "until_head_ms", "upstream", "upstream_conn_id", "upstream_conn_reused", "upstream_conn_idle_ms",
    "upstream_conn_age_ms", "upstream_conn_requests", "attempts", "replays", "verdict", "error", "error_details",
    "not_replayed", "client_lost", "request_id",
  ]
}
