/// A settings file that shows what there is: a few keys that stand, and all others in comments with their defaults.
///
/// A line that begins with `#` and no space, or two, is a setting; with one space it is an explanation. So taking the first `#`
/// off the settings leaves a valid file again.
package enum SettingsExample {
  package static var text: String {
    """
    # Settings of Photofinish. Times are written 500ms, 5s, 2m, 1h; sizes 65536, 64k, 10m, 1g.
    # ${NAME} and ${NAME:-default} stand for variables of the environment.
    # Lines with a '#' right before a setting show its default, or an example of it.
    # Check a file with 'photofinish validate FILE'.


    """
      + SettingsParser.keys.map { lines($0, "", isLive: $0.isLive).joined(separator: "\n") + "\n" }.joined(
        separator: "\n")
  }

  /// Routes as an example, since no single one can have all keys.
  static let routes = """

      - name: api
        hosts: [www.example.com, "*.example.com"]
        paths: [/api]
        methods: [GET, POST]
        fields: {X-Preview: absent}
        to: app
        strip-prefix: /api
        request-fields:
          set: {X-Client: "{client-address}"}
          remove: [X-Debug]
        response-fields:
          add: {X-Served-By: "{server}"}
        timeouts: {response-head: 10s, exchange: 25s}
        body-limit: 10m
        replay: {non-idempotent: never}
        retry: 1
      - name: old-name
        hosts: [example.com]
        redirect: {status: 301, scheme: https, host: www.example.com}
      - name: maintenance
        exact-paths: [/maintenance]
        respond: {status: 503, body: "Back soon.\\n"}
      - name: rest
        to: app
    """

  // MARK: - Lines

  private static func lines(_ key: SettingsKeyDescription, _ indentation: String, isLive: Bool) -> [String] {
    let mark = isLive ? "" : "#"
    let setting = setting(key, indentation)
    guard setting.count == 1 else {
      // Within a map that stands, keys stand or not by themselves; within one that does not, none does.
      return prose(key, indentation)
        + (isLive ? setting : setting.map { indentation + mark + $0.dropFirst(indentation.count) })
    }
    return prose(key, indentation) + [indentation + mark + setting[0].dropFirst(indentation.count)]
  }

  /// The key with its value, on one line or on many.
  private static func setting(_ key: SettingsKeyDescription, _ indentation: String) -> [String] {
    if let example = key.example {
      return "\(indentation)\(key.name):\(example.hasPrefix("\n") ? "" : " ")\(example)"
        .split(separator: "\n").map(String.init)
    }
    if key.name == "upstreams" {
      return ["\(indentation)upstreams:", "\(indentation)  app:"]
        + key.keys.flatMap { lines($0, indentation + "    ", isLive: $0.isLive) }
    }
    guard !key.keys.isEmpty, case .map? = key.standard?.content else {
      return ["\(indentation)\(key.name): \(key.standard.map(SettingsText.inline) ?? "[]")"]
    }
    return ["\(indentation)\(key.name):"] + key.keys.flatMap { within($0, indentation + "  ") }
  }

  /// A key of a map that is itself in a comment.
  private static func within(_ key: SettingsKeyDescription, _ indentation: String) -> [String] {
    prose(key, indentation) + setting(key, indentation)
  }

  /// Columns of a comment.
  private static let width = 100

  private static func prose(_ key: SettingsKeyDescription, _ indentation: String) -> [String] {
    var text = key.summary.filter { $0 != "`" }
    for note in [
      " (the list is below)", " (the page behind.md has the figures)", " (the page admin.md has more)",
      " that are listed below",
    ] {
      if let range = text.firstRange(of: note) { text.removeSubrange(range) }
    }
    let isChoice = key.kind.contains(", ") && !key.kind.contains(", or ") && !key.kind.contains("map")
    if isChoice, key.kind != "on, off", key.kind != "off, on" {
      text += " One of: \(key.kind)."
    }
    var lines: [String] = []
    var line = indentation + "#"
    for word in text.split(separator: " ") {
      if line.count + word.count + 1 > width {
        lines.append(line)
        line = indentation + "#"
      }
      line += " " + word
    }
    return lines + [line]
  }
}
