/// What of the logs' settings has no effect, or not the one that it seems to have.
enum LogChecks {
  static func check(_ logs: LogSettings, _ reader: inout SettingsReader) {
    if logs.access == .off {
      let settings = [
        ("access-file", logs.accessPath != nil), ("sampling", logs.sampling != 1),
        ("request-fields", !logs.requestFields.isEmpty), ("response-fields", !logs.responseFields.isEmpty),
        ("reveal", !logs.reveal.isEmpty),
      ]
      for (key, isSet) in settings where isSet {
        reader.warn(
          of: "logs.\(key)", "has no effect: the access log is off",
          fix: "add 'access: json' or another form, or leave it out")
      }
      return
    }
    checkFields(logs, &reader)
    checkSecrets(logs, &reader)
  }

  /// Only two of the forms have a place for fields that are named elsewhere.
  private static func checkFields(_ logs: LogSettings, _ reader: inout SettingsReader) {
    let fix: String
    switch logs.access {
    case .off, .text, .json: return
    case .common, .combined: fix = "take 'access: json', or a format of your own with {request.NAME}"
    case .custom: fix = "write {request.NAME} or {response.NAME} into the format"
    }
    for (key, isSet) in [
      ("request-fields", !logs.requestFields.isEmpty), ("response-fields", !logs.responseFields.isEmpty),
    ] where isSet {
      reader.warn(of: "logs.\(key)", "has no effect: this form of the access log has no place for them", fix: fix)
    }
  }

  /// Secret fields are hidden unless they are revealed by name; what was meant should not be guessed in silence.
  private static func checkSecrets(_ logs: LogSettings, _ reader: inout SettingsReader) {
    var shown: Set<String> = []
    func check(_ name: String, of key: String, called: String) {
      shown.insert(name)
      guard SecretFields.contains(name), !logs.reveal.contains(name) else { return }
      reader.warn(
        of: "logs.\(key)", "\(called) is secret: the log has '...' in its place",
        fix: "leave it out, or name it in 'logs.reveal' where the log may hold secrets")
    }
    switch logs.access {
    case .text, .json:
      for name in logs.requestFields { check(name, of: "request-fields", called: "'\(name)'") }
      for name in logs.responseFields { check(name, of: "response-fields", called: "'\(name)'") }
    case .custom(let pieces):
      for piece in pieces {
        switch piece {
        case .text, .variable: break
        case .requestField(let name), .responseField(let name):
          check(name, of: "access", called: "'{\(piece.name ?? "")}'")
        }
      }
    case .off, .common, .combined: break
    }
    for name in logs.reveal where !shown.contains(name) {
      reader.warn(
        of: "logs.reveal", "'\(name)' has no effect: the log does not show this field",
        fix: "name it in 'request-fields' or 'response-fields' too, or leave it out")
    }
    for name in logs.reveal where shown.contains(name) && !SecretFields.contains(name) {
      reader.warn(
        of: "logs.reveal", "'\(name)' has no effect: the log shows this field in any case", fix: "leave it out")
    }
  }
}
