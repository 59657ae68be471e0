internal import Core

/// Rules that need nothing but one HAProxy.
enum HAProxyRules {
  /// Silence that a tunnel should bear at least.
  private static let longTunnel = Nanoseconds.seconds(3_600)

  static func tunnels(_ sections: [HAProxyReader.Section], _ reader: HAProxyReader) -> [CheckFinding] {
    var told: Set<CheckPlace> = []
    return sections.compactMap { section in
      let tunnel = section.value("timeout", "tunnel")
      // Where nothing speaks of WebSockets and HTTP has timers of its own, it matters to few: a note.
      let isGeneral =
        section.value("timeout", "http-keep-alive") == nil && section.value("timeout", "http-request") == nil
      let level = reader.mentionsTunnels || isGeneral ? CheckLevel.warning : .note
      if let tunnel {
        guard reader.time(tunnel) == .zero, told.insert(tunnel.place).inserted else { return nil }
        return CheckFinding(
          .tunnelFallsBack, .warning, .likely, at: tunnel.place,
          "`timeout tunnel 0` does not mean \"for ever\": it is no tunnel timeout, and `timeout client` and `timeout server` end silent tunnels.",
          changes: [CheckChange("timeout tunnel 1h", at: tunnel.place, edit: .replace(old: tunnel.text, new: "1h"))])
      }
      // Without it the shorter of the two decides.
      let words = [section.value("timeout", "client"), section.value("timeout", "server")].compactMap(\.self)
      let known = words.compactMap { word in reader.time(word).map { (word, $0) } }.filter { $0.1 > .zero }
      let shortest = known.min { $0.1 < $1.1 }
      guard let word = shortest?.0 ?? words.first, told.insert(word.place).inserted else { return nil }
      if let time = shortest?.1, time >= longTunnel { return nil }
      let length = shortest.map { "after \($0.1.spoken) of silence" } ?? "after what their variables say"
      return CheckFinding(
        .tunnelFallsBack, level, shortest == nil ? .likely : .proved, at: word.place,
        "No `timeout tunnel` holds for \(section.kind) \(section.name): WebSockets and other upgraded connections fall back to `timeout client` and "
          + "`timeout server` and die \(length). A heartbeat must come more often than that.",
        changes: [CheckChange("timeout tunnel 1h", at: word.place)])
    }
  }

  /// `timeout client` is what holds idle client connections, where nothing else is said.
  static func clients(_ sections: [HAProxyReader.Section], _ reader: HAProxyReader) -> [CheckFinding] {
    var told: Set<CheckPlace> = []
    return sections.compactMap { section in
      guard section.value("timeout", "http-keep-alive") == nil, section.value("timeout", "http-request") == nil,
        let client = section.value("timeout", "client"), told.insert(client.place).inserted
      else { return nil }
      let length = reader.time(client).map { " (\($0.spoken))" } ?? ""
      return CheckFinding(
        .notAnIdleTimeout, .note, .proved, at: client.place,
        "`timeout client`\(length) is the inactivity of a client within a request; without `timeout http-keep-alive` and `timeout http-request` it "
          + "also decides how long idle connections are kept and how long a slow head may take.",
        changes: [CheckChange("timeout http-request 10s, timeout http-keep-alive 75s", at: client.place)])
    }
  }

  private static let risky: Set<String> = [
    "empty-response", "response-timeout", "junk-response", "all-retryable-errors", "500", "501", "502", "503", "504",
    "408", "425", "429",
  ]

  static func retries(_ section: HAProxyReader.Section) -> [CheckFinding] {
    guard section.hasServers, section.value("retries")?.text != "0" else { return [] }
    let line =
      (section.lines.last { $0[0].text == "retry-on" } ?? section.inherited.last { $0[0].text == "retry-on" }) ?? []
    guard let word = line.dropFirst().first(where: { risky.contains($0.text) }),
      !(section.lines + section.inherited).contains(where: { $0.count > 1 && $0[1].text == "disable-l7-retry" })
    else { return [] }
    return [
      CheckFinding(
        .retryAppliesTwice, .warning, .proved, at: word.place,
        "`retry-on \(word.text)` sends any method again, POST too, although the server may have applied it.",
        changes: [CheckChange("http-request disable-l7-retry unless METH_GET", at: word.place)])
    ]
  }
}
