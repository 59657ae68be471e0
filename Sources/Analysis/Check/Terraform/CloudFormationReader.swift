internal import Core

/// Load balancers in CloudFormation.
struct CloudFormationReader {
  static func isTemplate(_ node: ConfigurationNode) -> Bool {
    node["Resources"]?.entries.contains { $0.value["Type"]?.scalar?.hasPrefix("AWS::") ?? false } ?? false
  }

  static func read(
    _ node: ConfigurationNode, _ file: CheckedFile, _ context: CheckContext, into reading: inout CheckReading
  ) {
    let resources = node["Resources"]?.entries ?? []
    let ports = resources.filter { $0.value["Type"]?.scalar == "AWS::ElasticLoadBalancingV2::TargetGroup" }
      .compactMap { $0.value["Properties", "Port"]?.scalar.flatMap { Int($0) } }
    for entry in resources {
      guard let raw = entry.value["Properties"] else { continue }
      let properties = Self.resolved(raw, node, 0)
      switch entry.value["Type"]?.scalar {
      case "AWS::ElasticLoadBalancingV2::LoadBalancer": balancer(entry, properties, ports, file, &reading)
      case "AWS::ElasticLoadBalancing::LoadBalancer":
        reading.understood.insert(file.path)
        add(
          .classicELB, "Classic ELB \(entry.key)", properties["ConnectionSettings"]?.entry("IdleTimeout"), entry, ports,
          file, &reading)
      case "AWS::CloudFront::Distribution": distribution(properties, entry, file, &reading)
      case "AWS::ECS::TaskDefinition": commands(properties, file, context, &reading)
      default: break
      }
    }
  }

  /// References to parameters become their defaults.
  private static func resolved(_ node: ConfigurationNode, _ template: ConfigurationNode, _ depth: Int)
    -> ConfigurationNode
  {
    guard depth < CheckLimits.depth else { return node }
    func parameter(_ name: String) -> ConfigurationNode? { template["Parameters"]?.entry(name)?.value["Default"] }
    func filled(_ text: String) -> ConfigurationNode? {
      let value =
        parameter(text)
        ?? (text.hasPrefix("${") && text.hasSuffix("}") ? parameter(String(text.dropFirst(2).dropLast())) : nil)
      return value?.scalar.map { ConfigurationNode(.scalar($0), at: node.place) }
    }
    switch node.content {
    case .nothing: return node
    case .scalar(let text): return filled(text) ?? node
    case .list(let items):
      return ConfigurationNode(.list(items.map { resolved($0, template, depth + 1) }), at: node.place)
    case .map(let entries):
      if entries.count == 1, let name = entries[0].value.scalar, ["Ref", "Fn::Sub"].contains(entries[0].key) {
        return filled(name) ?? node
      }
      let inner = entries.map {
        // A parameter may be called as a value of these is written.
        let isName = ["Key", "Name", "Type", "Protocol"].contains($0.key)
        return ConfigurationNode.Entry(
          $0.key, at: $0.keyPlace, isName ? $0.value : resolved($0.value, template, depth + 1))
      }
      return ConfigurationNode(.map(inner), at: node.place)
    }
  }

  /// CloudFront holds connections to an origin for 5 s; somebody who says more means it.
  private static func distribution(
    _ properties: ConfigurationNode, _ entry: ConfigurationNode.Entry, _ file: CheckedFile,
    _ reading: inout CheckReading
  ) {
    for origin in properties["DistributionConfig", "Origins"]?.items ?? [] {
      guard let found = origin["CustomOriginConfig"]?.entry("OriginKeepaliveTimeout"), let text = found.value.scalar
      else { continue }
      reading.understood.insert(file.path)
      let time = DurationText.parse(text, unit: .seconds(1))
      var pool = CheckedPool(
        .cloudFront, title: "CloudFront \(entry.key)", at: found.keyPlace,
        idle: CheckTimer(time.map { .time($0) } ?? .unknown, "OriginKeepaliveTimeout", at: found.keyPlace),
        targets: [], owner: "\(file.path)#\(entry.key)")
      pool.hasOpenTargets = true
      pool.remedy = .line("OriginKeepaliveTimeout: $", unit: .seconds)
      reading.pools.append(pool)
    }
  }

  private static func balancer(
    _ entry: ConfigurationNode.Entry, _ properties: ConfigurationNode, _ ports: [Int], _ file: CheckedFile,
    _ reading: inout CheckReading
  ) {
    reading.understood.insert(file.path)
    let attribute = (properties["LoadBalancerAttributes"]?.items ?? []).first {
      $0["Key"]?.scalar == "idle_timeout.timeout_seconds"
    }
    if properties["Type"]?.scalar == "network" {
      reading.middleboxes.append(
        CheckedMiddlebox(
          .nlb, title: "NLB \(entry.key)", at: entry.keyPlace, idle: CheckTimer(assumed: .nlb, .pathIdle)))
      if let attribute {
        reading.findings.append(
          CheckFinding(
            .settingOnWrongObject, .warning, .proved, at: attribute.place,
            "`idle_timeout.timeout_seconds` is no attribute of a Network Load Balancer: it holds for application load balancers only."
          ))
      }
      return
    }
    add(.alb, "ALB \(entry.key)", attribute?.entry("Value"), entry, ports, file, &reading)
  }

  private static func add(
    _ software: Software, _ title: String, _ value: ConfigurationNode.Entry?, _ entry: ConfigurationNode.Entry,
    _ ports: [Int], _ file: CheckedFile,
    _ reading: inout CheckReading
  ) {
    var idle = CheckTimer(assumed: software, .upstreamIdle)
    if let value {
      let time = value.value.scalar.flatMap { DurationText.parse($0, unit: .seconds(1)) }
      idle = CheckTimer(time.map { .time($0) } ?? .unknown, "idle_timeout.timeout_seconds", at: value.value.place)
    }
    var pool = CheckedPool(
      software, title: title, at: idle.place ?? entry.keyPlace, idle: idle,
      targets: ports.map { CheckTarget(host: "", port: $0) }, owner: "\(file.path)#\(entry.key)")
    pool.hasOpenTargets = true
    pool.remedy = .line("idle_timeout.timeout_seconds: $", unit: .seconds)
    reading.pools.append(pool)
  }

  private static func commands(
    _ properties: ConfigurationNode, _ file: CheckedFile, _ context: CheckContext, _ reading: inout CheckReading
  ) {
    for container in properties["ContainerDefinitions"]?.items ?? [] {
      for words in ScriptReader.inner((container["EntryPoint"]?.command ?? []) + (container["Command"]?.command ?? []))
      {
        if let command = ServerCommand(words) {
          CommandServers.read(command, owner: "\(file.path)#\(command.place.line)", context, into: &reading)
        }
      }
    }
  }
}
