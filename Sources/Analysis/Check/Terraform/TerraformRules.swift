internal import Core

/// Rules that need nothing but one resource.
enum TerraformRules {
  private static let timers: [String: Set<String>] = [
    "aws_lb": ["idle_timeout", "client_keep_alive", "timeouts"],
    "aws_alb": ["idle_timeout", "client_keep_alive", "timeouts"],
    "aws_elb": ["idle_timeout", "connection_draining_timeout", "connection_draining", "timeouts"],
  ]

  /// Names that look like timers and are none of this resource.
  static func unknownArguments(_ type: String, _ block: HCLBlock) -> [CheckFinding] {
    let known = timers[type] ?? []
    let written = block.attributes.map { ($0.name, $0.place) } + block.blocks.map { ($0.type, $0.place) }
    return written.compactMap { name, place in
      let small = name.lowercased()
      guard
        small.contains("timeout") || small.contains("keepalive") || small.contains("keep_alive")
          || small.contains("idle"),
        !known.contains(name)
      else { return nil }
      return CheckFinding(
        .settingOnWrongObject, .error, .proved, at: place,
        "`\(name)` is no argument of \(type): the provider refuses it. The idle timeout is `idle_timeout`, in seconds.",
        changes: [CheckChange("idle_timeout = 60", at: place, edit: .replace(old: name, new: "idle_timeout"))])
    }
  }

  static func idleOnNetwork(_ block: HCLBlock, _ idle: HCLBlock.Attribute?) -> [CheckFinding] {
    guard let idle else { return [] }
    return [
      CheckFinding(
        .settingOnWrongObject, .warning, .proved, at: idle.place,
        "`idle_timeout` has no effect on a Network Load Balancer: it holds for application load balancers only. An NLB forgets silent "
          + "connections after 350 s (`tcp_idle_timeout_seconds` of its listener).",
        evidence: [CheckEvidence("load_balancer_type is network", at: block.attribute("load_balancer_type")?.place)])
    ]
  }

  static func clientSide(_ block: HCLBlock) -> [CheckFinding] {
    guard let attribute = block.attribute("http_keep_alive_timeout_sec") else { return [] }
    return [
      CheckFinding(
        .settingOnWrongObject, .warning, .likely, at: attribute.place,
        "`http_keep_alive_timeout_sec` is the time for idle connections of clients. Those to the servers are held for 600 s, fixed: against 502s "
          + "with backend_connection_closed_before_data_sent_to_client this cures nothing.",
        changes: [CheckChange("raise the servers' keep-alive above 600 s, for instance to 620 s")])
    ]
  }

  static func earlyData(_ block: HCLBlock, _ value: String?) -> [CheckFinding] {
    guard value == "UNRESTRICTED", let attribute = block.attribute("tls_early_data") else { return [] }
    return [
      CheckFinding(
        .earlyData, .warning, .proved, at: attribute.place,
        "`tls_early_data` UNRESTRICTED lets requests of any method through that can be replayed by anybody who recorded them.",
        changes: [CheckChange("tls_early_data = \"STRICT\"", at: attribute.place)])
    ]
  }
}
