package import Core

extension ProbeReport {
  func settings(_ ink: Ink) -> [String] {
    guard !closesAfterEachAnswer, let hold, result.isHTTP else { return [] }
    guard canHold else {
      return [
        "  The server closes so soon that no proxy should hold its connections: switch upstream keep-alive off, or raise the",
        "  server's timeout.",
      ]
    }
    return [ink.bold("  Settings for that hold")]
      + ProbeReport.lines(hold: hold).map {
        "  " + $0.name + String(repeating: " ", count: max(1, 13 - $0.name.count)) + $0.line
      }
  }

  /// One line for each proxy.
  package static func lines(hold: Nanoseconds) -> [(name: String, line: String)] {
    func text(_ span: Nanoseconds) -> String {
      let milliseconds = span.milliseconds
      return milliseconds % 1_000 == 0 ? "\(milliseconds / 1_000)s" : "\(milliseconds)ms"
    }
    let seconds = max(1, hold.milliseconds / 1_000)
    return [
      ("Photofinish", "photofinish serve --upstream ... --upstream-idle \(text(hold))"),
      ("nginx", "upstream { ... keepalive_timeout \(text(hold)); }"),
      (
        "HAProxy",
        "pool-purge-delay \(text(hold / 2))     # in the server line; removes half of the unused ones each time, no exact limit"
      ),
      ("Envoy", "common_http_protocol_options: { idle_timeout: \(Display.decimal(hold.inSeconds, digits: 3))s }"),
      ("Traefik", "serversTransport.forwardingTimeouts.idleConnTimeout = \"\(text(hold))\""),
      ("Caddy", "transport http { keepalive \(text(hold)) }"),
      (
        "AWS ALB",
        "raise the server's timeout above the ALB's idle_timeout.timeout_seconds (60 by default): its hold cannot be set apart"
          + (seconds < 60 ? "" : "; or set that to \(seconds)")
      ),
    ]
  }
}
