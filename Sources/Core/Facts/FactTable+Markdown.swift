extension FactTable {
  /// docs/manual/defaults.md.
  package static var markdown: String {
    var text = """
      # Default keep-alive timeouts: nginx, ALB, Node.js, gunicorn, Puma, Tomcat and others

      How long does each proxy hold an idle connection to its servers, and how long does each server keep one? Where the first is longer
      than the second, requests are lost ([the race](race.md)). This is the table that `photofinish check` ([check](check.md)) assumes its
      defaults from, and it is made from the program's own. A dagger (†) marks what was not read in the source itself.


      """
    for role in TimerRole.allCases {
      let rows = rows.filter { $0.role == role }
      guard !rows.isEmpty else { continue }
      text +=
        "## \(heading(role))\n\n| software | version | default | setting | where | source |\n|---|---|---|---|---|---|\n"
      for row in rows {
        let condition = row.condition.isEmpty ? "" : " (\(row.condition))"
        let setting = row.setting.isEmpty ? "none" : "`\(row.setting)`" + unit(row.unit)
        text +=
          "| \(row.software.title) | \(row.versions.text)\(condition) | \(value(row.value)) | \(setting) | \(row.place) "
          + "| \(row.source)\(row.isVerified ? "" : " †") |\n"
      }
      text += "\n"
    }
    return String(text.dropLast())
  }

  private static func heading(_ role: TimerRole) -> String {
    switch role {
    case .upstreamIdle: "Proxies and load balancers: how long they hold idle connections to servers"
    case .clientIdle: "Servers and proxies: how long they keep idle connections of clients"
    case .clientRequests: "Requests that one connection may carry"
    case .requestHead: "Time for the head of a request"
    case .tunnelIdle: "Silence in an upgraded connection (WebSocket)"
    case .pathIdle: "On the path: how long silent connections are remembered"
    }
  }

  private static func value(_ value: TimerDefault) -> String {
    switch value {
    case .time(let time): time.spoken
    case .count(let count): "\(count)"
    case .never: "no limit"
    case .none: "no keep-alive"
    }
  }

  private static func unit(_ unit: TimerFact.Unit) -> String {
    switch unit {
    case .seconds: " (s)"
    case .milliseconds: " (ms)"
    case .duration, .requests, .fixed: ""
    }
  }
}
