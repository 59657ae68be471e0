internal import Core

/// Rules that need nothing but one manifest.
enum KubernetesRules {
  static func retry(_ name: String, at place: CheckPlace) -> CheckFinding {
    CheckFinding(
      .retryAppliesTwice, .warning, .proved, at: place,
      "`\(name)` has requests of every method sent again, POST too, after they were sent once: what was already applied is applied twice.",
      changes: [CheckChange("leave it out", at: place)])
  }

  static func ingress(_ annotations: ConfigurationNode?) -> [CheckFinding] {
    (annotations?.entries ?? []).compactMap { entry in
      guard let text = entry.value.scalar else { return nil }
      if entry.key == "nginx.ingress.kubernetes.io/proxy-next-upstream", text.contains("non_idempotent") {
        return retry("non_idempotent", at: entry.value.place)
      }
      return nil
    }
  }

  static func idleOnNetwork(_ idle: ConfigurationNode.Entry, _ type: ConfigurationNode.Entry?) -> [CheckFinding] {
    let evidence = type.map { [CheckEvidence("it is a Network Load Balancer", at: $0.keyPlace)] } ?? []
    return [
      CheckFinding(
        .settingOnWrongObject, .warning, .proved, at: idle.keyPlace,
        "`aws-load-balancer-connection-idle-timeout` has no effect on a Network Load Balancer: it holds for Classic ELBs.",
        evidence: evidence,
        changes: [CheckChange("leave it out", at: idle.keyPlace)]),
      CheckFinding(
        .middleboxBetween, .warning, .likely, at: type?.keyPlace ?? idle.keyPlace,
        "This NLB forgets a connection after 350 s of silence and tells nobody; the next segment gets a reset. Whoever holds idle connections "
          + "across it must let go before, or send TCP keep-alive probes.",
        evidence: evidence,
        changes: [
          CheckChange("keep-alive below 350 s on both sides (ingress-nginx: keep-alive: \"75\"), or so_keepalive")
        ]),
    ]
  }

  /// Istio's retries of requests that the server may have applied.
  static func istioRetries(_ node: ConfigurationNode) -> [CheckFinding] {
    (node["spec", "http"]?.items ?? []).compactMap { route in
      guard let retries = route["retries"], let entry = retries.entry("retryOn"), let text = entry.value.scalar,
        retries["attempts"]?.scalar != "0", let word = EnvoyRules.repeating(text)
      else { return nil }
      let methods = (route["match"]?.items ?? []).compactMap { $0["method", "exact"]?.scalar }
      if !methods.isEmpty, methods.allSatisfy({ ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"].contains($0) }) {
        return nil
      }
      return EnvoyRules.finding(word, at: entry.value.place)
    }
  }

  /// Towards a database or another service: nothing that proxies see.
  private static func isOfAClient(_ name: String) -> Bool {
    let words = Set(name.split(separator: "_").map(String.init))
    return !words.isDisjoint(with: [
      "db", "database", "redis", "pg", "postgres", "mysql", "mongo", "kafka", "amqp", "rabbitmq", "grpc", "tcp",
      "client",
      "agent", "pool", "upstream", "elasticsearch", "mqtt", "ssh",
    ])
  }

  /// A raised keep-alive in a container that gets no time between leaving the endpoints and SIGTERM.
  static func drain(_ container: ConfigurationNode, _ node: ConfigurationNode) -> [CheckFinding] {
    guard container["lifecycle", "preStop"] == nil else { return [] }
    let raised = (container["env"]?.items ?? []).first { item in
      let name = (item["name"]?.scalar ?? "").lowercased()
      guard name.contains("keep_alive") || name.contains("keepalive"),
        name.contains("timeout") || name.hasSuffix("alive"), !isOfAClient(name), let value = item["value"]?.scalar,
        let number = Double(value)
      else { return false }
      return number >= 30
    }
    guard let raised else { return [] }
    return [
      CheckFinding(
        .blindDrain, .warning, .likely, at: raised.place,
        "The keep-alive is raised, and the container has no `preStop`: at SIGTERM proxies still hold idle connections to it and send requests on them.",
        changes: [
          CheckChange(
            "lifecycle: { preStop: { sleep: { seconds: 10 } } }, and close idle connections at SIGTERM",
            at: container.place)
        ])
    ]
  }
}
