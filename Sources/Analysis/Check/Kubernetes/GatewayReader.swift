internal import Core

/// Gateway API: routes, the gateways that they hang on, and policies that set the idle time towards servers.
struct GatewayReader {
  private let documents: [ConfigurationNode]

  init(_ documents: [ConfigurationNode]) { self.documents = documents }

  private func kind(_ node: ConfigurationNode) -> String { node["kind"]?.scalar ?? "" }
  private func name(_ node: ConfigurationNode) -> String { node["metadata", "name"]?.scalar ?? "" }

  /// Pools of HTTP routes; those of gateways that are not known make none.
  func pools() -> [CheckedPool] {
    documents.filter { kind($0) == "HTTPRoute" }.compactMap { route in
      let parents = (route["spec", "parentRefs"]?.items ?? []).compactMap { $0["name"]?.scalar }
      guard let software = software(of: parents) else { return nil }
      var targets: [CheckTarget] = []
      for rule in route["spec", "rules"]?.items ?? [] {
        for backend in rule["backendRefs"]?.items ?? [] {
          guard let host = backend["name"]?.scalar, !targets.contains(where: { $0.host == host.lowercased() }) else {
            continue
          }
          targets.append(
            CheckTarget(host: host, port: backend["port"]?.scalar.flatMap { Int($0) }, isService: true))
        }
      }
      guard !targets.isEmpty else { return nil }
      var idle = CheckTimer(assumed: software, .upstreamIdle)
      if let entry = policy(for: [name(route)] + parents), let text = entry.value.scalar {
        idle = CheckTimer(
          DurationText.parse(text, unit: .seconds(1)).map { $0 == .zero ? .never : .time($0) } ?? .unknown,
          "connectionIdleTimeout", at: entry.keyPlace)
      }
      let place = route.entry("metadata")?.value.entry("name")?.keyPlace ?? route.place
      var pool = CheckedPool(
        software, title: "\(software.title), HTTPRoute \(name(route))", at: idle.place ?? place, idle: idle,
        targets: targets, owner: "\(route.place.file)#HTTPRoute/\(name(route))")
      if software == .envoy {
        pool.remedy = .line(
          "timeout: { http: { connectionIdleTimeout: $ } } in a BackendTrafficPolicy", unit: .duration)
      }
      return pool
    }
  }

  /// By the class of the gateway, or by a policy that only one implementation has.
  private func software(of parents: [String]) -> Software? {
    let gateways = documents.filter { kind($0) == "Gateway" && parents.contains(name($0)) }
    let classes = gateways.compactMap { $0["spec", "gatewayClassName"]?.scalar?.lowercased() }
    for name in classes {
      let controller =
        documents.first { kind($0) == "GatewayClass" && self.name($0).lowercased() == name }?["spec", "controllerName"]?
        .scalar ?? ""
      let both = name + " " + controller
      if both.contains("istio") { return .istio }
      if both.contains("envoy") || name == "eg" || both.contains("contour") || both.contains("cilium") { return .envoy }
      if both.contains("traefik") { return .traefik }
      if both.contains("gke") || both.contains("networking.gke.io") { return .googleLoadBalancer }
    }
    guard classes.isEmpty else { return nil }
    return documents.contains { kind($0) == "BackendTrafficPolicy" } ? .envoy : nil
  }

  private func policy(for names: [String]) -> ConfigurationNode.Entry? {
    for node in documents where kind(node) == "BackendTrafficPolicy" {
      let targets = (node["spec", "targetRefs"]?.items ?? []) + [node["spec", "targetRef"]].compactMap(\.self)
      guard targets.contains(where: { $0["name"]?.scalar.map(names.contains) ?? false }) else { continue }
      if let entry = node["spec", "timeout", "http"]?.entry("connectionIdleTimeout") { return entry }
    }
    return nil
  }
}
