internal import Core

/// Manifests of Kubernetes: ingresses, services, workloads, Istio.
struct KubernetesReader {
  private let context: CheckContext
  private let documents: [ConfigurationNode]
  /// Values of Helm charts.
  private let values: [ConfigurationNode]
  private(set) var reading = CheckReading()
  /// What a ConfigMap says to ingress-nginx: key and value with its place.
  private var controller: [String: CheckTimer] = [:]
  private var controllerPoolIsOff = false
  private var workloads: [Workload] = []

  private struct Workload {
    var name: String
    var labels: [String: String]
    var owner: String
    var ports: [String: Int]
    var isForeign: Bool
  }

  static func isManifest(_ node: ConfigurationNode) -> Bool {
    node["apiVersion"]?.scalar != nil && node["kind"]?.scalar != nil
  }

  init(_ documents: [ConfigurationNode], values: [ConfigurationNode] = [], _ context: CheckContext) {
    self.context = context
    self.values = values
    // A List holds others.
    self.documents = documents.flatMap { node in node["kind"]?.scalar == "List" ? node["items"]?.items ?? [] : [node] }
  }

  mutating func run() {
    for node in documents { if kind(node) == "ConfigMap", let data = node["data"] { settings(data) } }
    for node in values {
      for (entry, _) in HelmReader.maps("controller", in: node) {
        if let config = entry.value["config"] { settings(config) }
        guard let service = entry.value["service"], let annotations = service["annotations"] else { continue }
        balancer("ingress-nginx-controller", annotations, entry.value, isNetwork: false)
      }
      for (entry, around) in HelmReader.maps("ingress", in: node) where HelmReader.isIngress(entry.value) {
        ingress(values: entry, around)
      }
    }
    for node in documents {
      switch kind(node) {
      case "Deployment", "StatefulSet", "DaemonSet", "Pod", "ReplicaSet", "Rollout": workload(node)
      case "Ingress": ingress(node)
      case "DestinationRule": destinationRule(node)
      case "VirtualService": virtualService(node)
      case "IngressRoute": ingressRoute(node)
      case "KubeProxyConfiguration": kubeProxy(node)
      case "Middleware": reading.findings += TraefikRules.retry(node)
      default: break
      }
    }
    for node in documents { if kind(node) == "Service" { service(node) } }
    for pool in GatewayReader(documents).pools() {
      reading.understood.insert(pool.place.file)
      reading.pools.append(pool)
    }
  }

  private func kind(_ node: ConfigurationNode) -> String { node["kind"]?.scalar ?? "" }
  private func name(_ node: ConfigurationNode) -> String { node["metadata", "name"]?.scalar ?? "" }

  private mutating func note(_ node: ConfigurationNode) { reading.understood.insert(node.place.file) }

  // MARK: - The controller's own settings

  private mutating func settings(_ data: ConfigurationNode) {
    for entry in data.entries {
      guard let text = entry.value.scalar else { continue }
      switch entry.key {
      case "upstream-keepalive-timeout", "keep-alive":
        note(data)
        let time = DurationText.parse(text, unit: .seconds(1))
        controller[entry.key] = CheckTimer(
          time.map { $0 == .zero ? .none : .time($0) } ?? .unknown, entry.key, at: entry.keyPlace)
      case "upstream-keepalive-connections": controllerPoolIsOff = text == "0"
      case "keep-alive-requests":
        if let count = Int(text), count < 50 {
          reading.findings.append(
            CheckFinding(
              .secondTimer, .warning, .likely, at: entry.keyPlace,
              "`keep-alive-requests` \(count) closes each client connection after \(count) requests; a load balancer in front meets the closes."
            ))
        }
      case "retry-non-idempotent":
        if text == "true" { reading.findings.append(KubernetesRules.retry(entry.key, at: entry.keyPlace)) }
      case "config.conf" where text.contains("KubeProxyConfiguration"):
        if text.contains("mode: ipvs") || text.contains("mode: \"ipvs\"") { addIPVS(at: entry.keyPlace, nil) }
      default: break
      }
    }
  }

  private mutating func kubeProxy(_ node: ConfigurationNode) {
    guard let mode = node["mode"], mode.scalar == "ipvs" else { return }
    addIPVS(at: mode.place, node["ipvs", "tcpTimeout"])
  }

  private mutating func addIPVS(at place: CheckPlace, _ timeout: ConfigurationNode?) {
    var idle = CheckTimer(assumed: .ipvs, .pathIdle)
    if let timeout, let text = timeout.scalar, let time = DurationText.parse(text, unit: .seconds(1)), time > .zero {
      idle = CheckTimer(.time(time), "ipvs.tcpTimeout", at: timeout.place)
    }
    reading.middleboxes.append(CheckedMiddlebox(.ipvs, at: place, idle: idle))
    reading.understood.insert(place.file)
  }

  // MARK: - Workloads

  private mutating func workload(_ node: ConfigurationNode) {
    let template = kind(node) == "Pod" ? node : node["spec", "template"]
    guard let template, let containers = template["spec", "containers"]?.items else { return }
    note(node)
    let owner = "\(node.place.file)#\(kind(node))/\(name(node))"
    var labels: [String: String] = [:]
    for entry in template["metadata", "labels"]?.entries ?? [] { labels[entry.key] = entry.value.scalar ?? "" }
    var ports: [String: Int] = [:]
    for container in containers {
      for port in container["ports"]?.items ?? [] {
        guard let number = port["containerPort"]?.scalar.flatMap({ Int($0) }) else { continue }
        ports[port["name"]?.scalar ?? "\(number)"] = number
      }
      let words = (container["command"]?.command ?? []) + (container["args"]?.command ?? [])
      for command in ScriptReader.inner(words) {
        if let command = ServerCommand(command) { CommandServers.read(command, owner: owner, context, into: &reading) }
      }
      reading.findings += KubernetesRules.drain(container, node)
    }
    let isForeign = containers.contains { $0["image"]?.scalar.map(ContainerImage.isOfOthers) ?? false }
    workloads.append(
      Workload(name: name(node), labels: labels, owner: owner, ports: ports, isForeign: isForeign))
  }

  private mutating func service(_ node: ConfigurationNode) {
    note(node)
    let own = name(node)
    let space = node["metadata", "namespace"]?.scalar
    var names: Set<String> = [own.lowercased()]
    if let space { names.insert("\(own).\(space)".lowercased()) }
    let selector = (node["spec", "selector"]?.entries ?? []).map { ($0.key, $0.value.scalar ?? "") }
    let chosen = workloads.filter { workload in
      !selector.isEmpty && selector.allSatisfy { workload.labels[$0.0] == $0.1 }
    }
    var service = CheckedService(names: names, owner: chosen.first?.owner ?? "\(node.place.file)#Service/\(own)")
    service.isForeign = !chosen.isEmpty && chosen.allSatisfy(\.isForeign)
    for port in node["spec", "ports"]?.items ?? [] {
      guard let number = port["port"]?.scalar.flatMap({ Int($0) }) else { continue }
      let target = port["targetPort"]?.scalar ?? "\(number)"
      let inner = Int(target) ?? chosen.first?.ports[target]
      if let inner {
        service.forwards[number] = inner
        service.ports.insert(inner)
      }
    }
    reading.services.append(service)
    guard node["spec", "type"]?.scalar == "LoadBalancer", let annotations = node["metadata", "annotations"] else {
      return
    }
    balancer(
      own, annotations, node, isNetwork: node["spec", "loadBalancerClass"]?.scalar == "service.k8s.aws/nlb")
  }

  /// What a Service of type LoadBalancer makes.
  private mutating func balancer(
    _ name: String, _ annotations: ConfigurationNode, _ node: ConfigurationNode, isNetwork isNetworkClass: Bool
  ) {
    let prefix = "service.beta.kubernetes.io/"
    let type = annotations.entry(prefix + "aws-load-balancer-type")
    let idle = annotations.entry(prefix + "aws-load-balancer-connection-idle-timeout")
    let isNetwork =
      type?.value.scalar.map { $0.hasPrefix("nlb") || $0 == "external" } ?? false
      || isNetworkClass
    if isNetwork || idle != nil { note(annotations) }
    if isNetwork {
      reading.middleboxes.append(
        CheckedMiddlebox(
          .nlb, title: "the NLB of Service \(name)", at: type?.keyPlace ?? node.place,
          idle: CheckTimer(assumed: .nlb, .pathIdle)))
      if let idle { reading.findings += KubernetesRules.idleOnNetwork(idle, type) }
    } else if let idle,
      annotations.entry(prefix + "aws-load-balancer-backend-protocol")?.value.scalar?.hasPrefix("http") ?? false
    {
      let time = idle.value.scalar.flatMap { DurationText.parse($0, unit: .seconds(1)) }
      var pool = CheckedPool(
        .classicELB, title: "Classic ELB of Service \(name)", at: idle.keyPlace,
        idle: CheckTimer(
          time.map { .time($0) } ?? .unknown, "aws-load-balancer-connection-idle-timeout", at: idle.keyPlace),
        targets: [CheckTarget(host: name, port: nil)], owner: "\(node.place.file)#ELB/\(name)")
      pool.hasOpenTargets = true
      reading.pools.append(pool)
    }
    if let azure = annotations.entry(prefix + "azure-load-balancer-tcp-idle-timeout"),
      let minutes = azure.value.scalar.flatMap({ Double($0) })
    {
      reading.middleboxes.append(
        CheckedMiddlebox(
          .azureLoadBalancer, at: azure.keyPlace,
          idle: CheckTimer(
            .time(.seconds(Int64(max(0, min(minutes, 1e6)) * 60))), "azure-load-balancer-tcp-idle-timeout",
            at: azure.keyPlace)))
    }
  }

  // MARK: - Ingresses

  private mutating func ingress(_ node: ConfigurationNode) {
    note(node)
    let annotations = node["metadata", "annotations"]
    let written =
      node["spec", "ingressClassName"]?.scalar ?? annotations?.entry("kubernetes.io/ingress.class")?.value.scalar
    let isALB = annotations?.entries.contains { $0.key.hasPrefix("alb.ingress.kubernetes.io/") } ?? false
    let kind = written ?? (isALB ? "alb" : "nginx")
    let place = node["metadata"]?.entry("name")?.keyPlace ?? node.place
    add(
      "Ingress \(name(node))", kind, annotations, targets(node), "\(node.place.file)#Ingress/\(name(node))", place)
  }

  /// `ingress:` of a chart's values.
  private mutating func ingress(values entry: ConfigurationNode.Entry, _ around: ConfigurationNode) {
    note(entry.value)
    let annotations = entry.value["annotations"]
    let written =
      entry.value["className"]?.scalar ?? entry.value["ingressClassName"]?.scalar
      ?? annotations?.entry("kubernetes.io/ingress.class")?.value.scalar
    let prefixes = [("alb.ingress.", "alb"), ("nginx.ingress.", "nginx"), ("traefik.ingress.", "traefik")]
    let hinted = prefixes.first { prefix in annotations?.entries.contains { $0.key.hasPrefix(prefix.0) } ?? false }?.1
    // Charts leave the class open; which controller there is, nobody knows then.
    guard let kind = written.flatMap({ $0.isEmpty ? nil : $0 }) ?? hinted else { return }
    add(
      "ingress of the chart", kind, annotations, [CheckTarget(host: "", port: HelmReader.port(of: around))],
      "\(entry.keyPlace.file)#\(entry.keyPlace.line)", entry.keyPlace)
  }

  private mutating func add(
    _ name: String, _ kind: String, _ annotations: ConfigurationNode?, _ targets: [CheckTarget], _ owner: String,
    _ place: CheckPlace
  ) {
    reading.findings += KubernetesRules.ingress(annotations)
    if kind.contains("alb") {
      addALB(name, annotations, targets, owner, place)
      return
    }
    let software: Software =
      kind.contains("nginx")
      ? .ingressNginx
      : kind.contains("traefik")
        ? .traefik
        : kind.contains("haproxy")
          ? .haproxy
          : kind.contains("gce") || kind.contains("gke")
            ? .googleLoadBalancer
            : kind.contains("azure")
              ? .azureGateway : kind.contains("caddy") ? .caddy : kind.contains("istio") ? .istio : .ingressNginx
    var idle = CheckTimer(assumed: software, .upstreamIdle)
    var use = PoolUse.used
    if software == .ingressNginx {
      idle = controller["upstream-keepalive-timeout"] ?? idle
      if controllerPoolIsOff { use = .unused }
      let snippet = annotations?.entry("nginx.ingress.kubernetes.io/configuration-snippet")?.value.scalar ?? ""
      if snippet.contains("proxy_set_header Connection close") || snippet.contains("Connection \"close\"") {
        use = .unused
      }
    }
    if software == .haproxy, case .time(let step) = idle.value { idle.value = .time(step * 4) }
    var pool = CheckedPool(
      software, title: "\(software.title), \(name)", at: idle.place ?? place, idle: idle, use: use,
      targets: targets, owner: owner)
    pool.hasOpenTargets = software == .googleLoadBalancer
    if software == .ingressNginx {
      pool.remedy = .line("upstream-keepalive-timeout: \"$\" in the controller's ConfigMap", unit: .seconds)
    }
    reading.pools.append(pool)
  }

  private mutating func addALB(
    _ name: String, _ annotations: ConfigurationNode?, _ targets: [CheckTarget], _ owner: String, _ place: CheckPlace
  ) {
    var idle = CheckTimer(assumed: .alb, .upstreamIdle)
    if let entry = annotations?.entry("alb.ingress.kubernetes.io/load-balancer-attributes"),
      let text = entry.value.scalar
    {
      for part in text.split(separator: ",") where part.contains("idle_timeout.timeout_seconds=") {
        let number = part.split(separator: "=").last.flatMap { Int64($0.filter { $0.isNumber }) }
        idle = CheckTimer(
          number.map { .time(.seconds(min($0, 1_000_000))) } ?? .unknown, "idle_timeout.timeout_seconds",
          at: entry.value.place)
      }
    }
    var pool = CheckedPool(
      .alb, title: "ALB, \(name)", at: idle.place ?? place, idle: idle, targets: targets, owner: owner)
    pool.hasOpenTargets = true
    pool.remedy = .line("idle_timeout.timeout_seconds=$", unit: .seconds)
    reading.pools.append(pool)
    // The gateway of Istio is an Envoy with its defaults: a server towards the balancer, and a pool towards what comes next.
    guard let gateway = targets.first(where: { $0.host.contains("istio") && $0.host.contains("gateway") }) else {
      return
    }
    var server = CheckedServer(
      .istio, title: "Istio gateway", at: place, idle: CheckTimer(assumed: .istio, .clientIdle),
      owner: "\(owner)#gateway")
    server.names = [gateway.host]
    reading.servers.append(server)
    var next = CheckedPool(
      .istio, title: "Istio gateway", at: place, idle: CheckTimer(assumed: .istio, .upstreamIdle), targets: [],
      owner: "\(owner)#gateway")
    next.hasOpenTargets = true
    next.remedy = .line("trafficPolicy.connectionPool.http.idleTimeout: $ in a DestinationRule", unit: .duration)
    reading.pools.append(next)
  }

  private func targets(_ node: ConfigurationNode) -> [CheckTarget] {
    var found: [CheckTarget] = []
    func add(_ backend: ConfigurationNode?) {
      guard let backend else { return }
      if let service = backend["service"] {
        found.append(
          CheckTarget(
            host: service["name"]?.scalar ?? "", port: service["port", "number"]?.scalar.flatMap { Int($0) },
            isService: true))
      } else if let name = backend["serviceName"]?.scalar {
        found.append(CheckTarget(host: name, port: backend["servicePort"]?.scalar.flatMap { Int($0) }, isService: true))
      }
    }
    add(node["spec", "defaultBackend"])
    add(node["spec", "backend"])
    for rule in node["spec", "rules"]?.items ?? [] {
      for path in rule["http", "paths"]?.items ?? [] { add(path["backend"]) }
    }
    var seen: Set<CheckTarget> = []
    return found.filter { !$0.host.isEmpty && $0.host != "ssl-redirect" && seen.insert($0).inserted }
  }

  /// Without a DestinationRule that says so, the sidecar or gateway in front of a route's hosts is an Envoy with its defaults.
  private mutating func virtualService(_ node: ConfigurationNode) {
    reading.findings += KubernetesRules.istioRetries(node)
    let ruled = documents.filter {
      kind($0) == "DestinationRule" && $0["spec", "trafficPolicy", "connectionPool", "http"] != nil
    }.compactMap { $0["spec", "host"]?.scalar.map { CheckTarget($0).host } }
    var targets: [CheckTarget] = []
    for route in node["spec", "http"]?.items ?? [] {
      for way in route["route"]?.items ?? [] {
        guard let host = way["destination", "host"]?.scalar else { continue }
        let target = CheckTarget(
          host: host, port: way["destination", "port", "number"]?.scalar.flatMap { Int($0) }, isService: true)
        let short = target.host.prefix { $0 != "." }
        if !targets.contains(target), !ruled.contains(where: { $0.prefix { $0 != "." } == short }) {
          targets.append(target)
        }
      }
    }
    guard !targets.isEmpty else { return }
    note(node)
    let place = node["metadata"]?.entry("name")?.keyPlace ?? node.place
    var pool = CheckedPool(
      .istio, title: "Istio, VirtualService \(name(node))", at: place,
      idle: CheckTimer(assumed: .istio, .upstreamIdle), targets: targets,
      owner: "\(node.place.file)#VirtualService/\(name(node))")
    pool.remedy = .line("trafficPolicy.connectionPool.http.idleTimeout: $ in a DestinationRule", unit: .duration)
    reading.pools.append(pool)
  }

  /// Traefik's own kind of ingress.
  private mutating func ingressRoute(_ node: ConfigurationNode) {
    var targets: [CheckTarget] = []
    for route in node["spec", "routes"]?.items ?? [] {
      for service in route["services"]?.items ?? [] where service["kind"]?.scalar != "TraefikService" {
        guard let host = service["name"]?.scalar, service["scheme"]?.scalar != "h2c", !host.contains("@") else {
          continue
        }
        targets.append(
          CheckTarget(host: host, port: service["port"]?.scalar.flatMap { Int($0) }, isService: true))
      }
    }
    guard !targets.isEmpty else { return }
    note(node)
    let place = node["metadata"]?.entry("name")?.keyPlace ?? node.place
    var idle = CheckTimer(assumed: .traefik, .upstreamIdle)
    let transports = documents.filter { kind($0) == "ServersTransport" }
    if transports.count == 1,
      let entry = transports[0]["spec", "forwardingTimeouts"]?.entry("idleConnTimeout"), let text = entry.value.scalar
    {
      idle = CheckTimer(TraefikReader.value(text), "idleConnTimeout", at: entry.keyPlace)
    }
    var pool = CheckedPool(
      .traefik, title: "Traefik, IngressRoute \(name(node))", at: idle.place ?? place, idle: idle, targets: targets,
      owner: "\(node.place.file)#IngressRoute/\(name(node))")
    pool.remedy = .line("forwardingTimeouts.idleConnTimeout: $ in a ServersTransport", unit: .duration)
    reading.pools.append(pool)
  }

  private mutating func destinationRule(_ node: ConfigurationNode) {
    guard let host = node["spec", "host"]?.scalar, let http = node["spec", "trafficPolicy", "connectionPool", "http"]
    else { return }
    note(node)
    var idle = CheckTimer(assumed: .istio, .upstreamIdle)
    if let entry = http.entry("idleTimeout"), let text = entry.value.scalar {
      idle = CheckTimer(
        DurationText.parse(text, unit: .seconds(1)).map { $0 == .zero ? .never : .time($0) } ?? .unknown, "idleTimeout",
        at: entry.keyPlace)
    }
    var pool = CheckedPool(
      .istio, title: "Istio, DestinationRule \(name(node))", at: idle.place ?? node.place, idle: idle,
      targets: [CheckTarget(host: host, port: nil)], owner: "\(node.place.file)#DestinationRule/\(name(node))")
    if http["maxRequestsPerConnection"]?.scalar == "1" { pool.use = .unused }
    pool.remedy = .line("idleTimeout: $", unit: .duration)
    reading.pools.append(pool)
  }
}
