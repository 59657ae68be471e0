import Analysis
import Core

/// The state of a proxy in lines for people.
struct StatusText {
  private let status: JSONValue

  init(_ status: JSONValue) { self.status = status }

  var text: String {
    (general + reloads + certificates + upstreams + counters).map { $0 + "\n" }.joined()
  }

  private func number(_ name: String, in value: JSONValue? = nil) -> String {
    ((value ?? status)[name]?.integer).map { String($0) } ?? "?"
  }

  private func text(_ name: String) -> String { status[name]?.string ?? "?" }

  private var general: [String] {
    let uptime = Nanoseconds(Int64((status["uptime_s"]?.number ?? 0) * 1e9)).spoken
    var lines = [
      "photofinish \(text("version")), process \(number("pid")), \(text("state")), up for \(uptime)",
      "listens on    \((status["listeners"]?.array ?? []).compactMap(\.string).joined(separator: ", "))",
      "clients       \(number("client_connections")) connections, \(number("exchanges_in_flight")) exchanges in flight",
      "settings      generation \(number("generation")), \(number("threads")) thread(s), log level \(text("log_level"))",
    ]
    if status["threads_heard"] != status["threads"] {
      lines.append("              only \(number("threads_heard")) thread(s) answered; what follows is theirs")
    }
    return lines
  }

  private var reloads: [String] {
    guard let reloads = status["reloads"] else { return [] }
    var line = "reloads       \(number("succeeded", in: reloads)) succeeded"
    if let time = reloads["last_success"]?.string { line += " (last \(time))" }
    line += ", \(number("failed", in: reloads)) failed"
    if let time = reloads["last_failure"]?.string { line += " (last \(time))" }
    guard let error = reloads["error"]?.string else { return [line] }
    return [line] + error.split(separator: "\n").map { "              \($0)" }
  }

  private var certificates: [String] {
    let certificates = status["certificates"]?.array ?? []
    guard !certificates.isEmpty else { return [] }
    return ["", "certificates"]
      + certificates.map { certificate in
        let names = (certificate["names"]?.array ?? []).compactMap(\.string).joined(separator: ", ")
        let days = certificate["days_left"]?.integer ?? 0
        let left = days < 0 ? "has expired" : days < 14 ? "\(days) days left, renew it" : "\(days) days left"
        return
          "  \(certificate["file"]?.string ?? "?"): for \(names), until \(certificate["expires"]?.string ?? "?") (\(left))"
      }
  }

  private var upstreams: [String] {
    var lines: [String] = []
    for upstream in status["upstreams"]?.array ?? [] {
      lines += ["", "upstream \(upstream["name"]?.string ?? "?")"]
      for server in upstream["servers"]?.array ?? [] { lines += self.lines(ofServer: server) }
    }
    return lines
  }

  private func lines(ofServer server: JSONValue) -> [String] {
    let connections = server["connections"]
    let isGone = server["active"]?.bool == false
    return [
      "  \(server["address"]?.string ?? "?")\(isGone ? " (gone; serves what it has)" : "")",
      "    connections \(number("leased", in: connections)) leased, \(number("idle", in: connections)) idle, "
        + "\(number("watched", in: connections)) watched beyond the window, \(number("connecting", in: connections)) connecting; "
        + "\(number("waiting_requests", in: server)) requests wait",
      "    idle window \(server["idle_window"]?["sentence"]?.string ?? "?")",
      "    health      \(server["health"]?.string ?? "?")",
    ]
  }

  /// Those that are not 0, without histograms' buckets.
  private var counters: [String] {
    let shown = (status["counters"]?.members ?? []).filter {
      $0.value.number != 0 && !$0.name.contains("_bucket{")
    }
    guard !shown.isEmpty else { return [] }
    return ["", "counters since the start (those above 0)"]
      + shown.map { member in
        let value = member.value.integer.map { String($0) } ?? Display.decimal(member.value.number ?? 0, digits: 3)
        return "  \(member.name.hasPrefix("photofinish_") ? String(member.name.dropFirst(12)) : member.name) \(value)"
      }
  }
}
