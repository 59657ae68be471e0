internal import Core

/// Load balancers in Terraform: AWS, Google Cloud, Azure; and commands that containers are given.
struct TerraformReader {
  private var roots: [(source: CodeSource, root: HCLBlock)] = []
  private let context: CheckContext
  /// Defaults of variables and locals, by folder and name.
  private var values: [String: [CodeToken]] = [:]
  /// Folders of modules, by the folder of the call and the name.
  private var modules: [String: String] = [:]
  private(set) var reading = CheckReading()

  init(_ files: [CheckedFile], _ context: CheckContext) {
    self.context = context
    for file in files {
      let source = CodeSource(file, .terraform)
      roots.append((source, HCLBlock.parse(source)))
    }
    for (source, root) in roots {
      let folder = String(source.file.folder)
      for block in root.blocks where block.type == "variable" {
        if let name = block.labels.first, let attribute = block.attribute("default"),
          values["\(folder)/var.\(name)"] == nil
        {
          values["\(folder)/var.\(name)"] = Array(attribute.value)
        }
      }
      for block in root.blocks where block.type == "locals" {
        for attribute in block.attributes { values["\(folder)/local.\(attribute.name)"] = Array(attribute.value) }
      }
      for block in root.blocks where block.type == "output" {
        if let name = block.labels.first, let attribute = block.attribute("value") {
          values["\(folder)/output.\(name)"] = Array(attribute.value)
        }
      }
      if source.file.name.contains("tfvars") {
        for attribute in root.attributes { values["\(folder)/var.\(attribute.name)"] = Array(attribute.value) }
      }
    }
    passArguments()
  }

  /// What modules of this tree are called with goes before the defaults of their variables; calls that differ leave it open.
  private mutating func passArguments() {
    var passed: [String: [[CodeToken]]] = [:]
    for (source, root) in roots {
      let folder = String(source.file.folder)
      for block in root.blocks where block.type == "module" {
        guard let inner = Self.localFolder(block, folder) else { continue }
        if let name = block.labels.first { modules["\(folder)/\(name)"] = inner }
        for attribute in block.attributes where attribute.name != "source" {
          passed["\(inner)/var.\(attribute.name)", default: []].append(Array(resolved(attribute.value, folder, 0)))
        }
      }
    }
    for (name, calls) in passed {
      guard let first = calls.first else { continue }
      let texts = calls.map { $0.map(\.text) }
      values[name] = texts.allSatisfy { $0 == texts[0] } ? first : [CodeToken(kind: .mark, text: "?", offset: 0)]
    }
  }

  /// Where a module of the same tree lies: `./modules/alb`, from the folder of the call.
  private static func localFolder(_ block: HCLBlock, _ folder: String) -> String? {
    guard let value = block.attribute("source")?.value, value.count == 1, let path = value.first?.text,
      path.hasPrefix(".")
    else { return nil }
    var parts = folder.split(separator: "/").map(String.init)
    for part in path.split(separator: "/") where part != "." {
      if part == ".." { _ = parts.popLast() } else { parts.append(String(part)) }
    }
    return (folder.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/")
  }

  mutating func run() {
    for (source, root) in roots {
      commands(source)
      for block in root.blocks {
        if block.type == "resource", let type = block.labels.first { resource(type, block, source) }
        if block.type == "module" { module(block, source) }
      }
    }
  }

  private mutating func resource(_ type: String, _ block: HCLBlock, _ source: CodeSource) {
    switch type {
    case "aws_lb", "aws_alb":
      reading.understood.insert(source.file.path)
      reading.findings += TerraformRules.unknownArguments(type, block)
      balancer(block, source)
    case "aws_elb":
      reading.understood.insert(source.file.path)
      reading.findings += TerraformRules.unknownArguments(type, block)
      pool(.classicELB, "Classic ELB \(block.labels.last ?? "")", block, block.attribute("idle_timeout"), source)
    case "google_compute_backend_service", "google_compute_region_backend_service":
      reading.understood.insert(source.file.path)
      let protocolName = block.attribute("protocol").flatMap { text($0, source) } ?? "HTTP"
      if protocolName.hasPrefix("HTTP") {
        pool(.googleLoadBalancer, "Google Cloud backend service \(block.labels.last ?? "")", block, nil, source)
      }
    case "google_compute_target_https_proxy", "google_compute_target_http_proxy",
      "google_compute_region_target_https_proxy",
      "google_compute_region_target_http_proxy":
      reading.understood.insert(source.file.path)
      reading.findings += TerraformRules.clientSide(block)
      reading.findings += TerraformRules.earlyData(
        block, block.attribute("tls_early_data").flatMap { text($0, source) })
    case "aws_cloudfront_distribution":
      for origin in block.blocks where origin.type == "origin" {
        for custom in origin.blocks where custom.type == "custom_origin_config" {
          // The default of 5 s is below what nearly every server keeps; somebody who says more means it.
          guard let attribute = custom.attribute("origin_keepalive_timeout") else { continue }
          reading.understood.insert(source.file.path)
          pool(.cloudFront, "CloudFront \(block.labels.last ?? "")", block, attribute, source)
        }
      }
    case "azurerm_application_gateway":
      reading.understood.insert(source.file.path)
      pool(.azureGateway, "Azure Application Gateway \(block.labels.last ?? "")", block, nil, source)
    case "azurerm_lb_rule":
      reading.understood.insert(source.file.path)
      var idle = CheckTimer(assumed: .azureLoadBalancer, .pathIdle)
      if let attribute = block.attribute("idle_timeout_in_minutes") {
        idle = CheckTimer(
          number(attribute, source).map { .time(.seconds(Int64(min($0, 1e6) * 60))) } ?? .unknown, attribute.name,
          at: attribute.place)
      }
      reading.middleboxes.append(CheckedMiddlebox(.azureLoadBalancer, at: block.place, idle: idle))
    default: break
    }
  }

  /// Modules that make a load balancer take the same arguments.
  private mutating func module(_ block: HCLBlock, _ source: CodeSource) {
    guard let name = block.attribute("source").flatMap({ text($0, source) }), !name.hasPrefix("."),
      name.hasSuffix("alb/aws")
        || name.contains("/alb") && (block.attribute("idle_timeout") ?? block.attribute("load_balancer_type")) != nil
    else { return }
    reading.understood.insert(source.file.path)
    balancer(block, source)
  }

  private mutating func balancer(_ block: HCLBlock, _ source: CodeSource) {
    let kind = block.attribute("load_balancer_type").flatMap { text($0, source) } ?? "application"
    let idle = block.attribute("idle_timeout")
    switch kind {
    case "network":
      reading.findings += TerraformRules.idleOnNetwork(block, idle)
      reading.middleboxes.append(
        CheckedMiddlebox(
          .nlb, title: "NLB \(block.labels.last ?? "")", at: block.place, idle: CheckTimer(assumed: .nlb, .pathIdle)))
    case "gateway": break
    default: pool(.alb, "ALB \(block.labels.last ?? "")", block, idle, source)
    }
  }

  private mutating func pool(
    _ software: Software, _ title: String, _ block: HCLBlock, _ attribute: HCLBlock.Attribute?, _ source: CodeSource
  ) {
    var idle = CheckTimer(assumed: software, .upstreamIdle)
    if let attribute {
      idle = CheckTimer(
        number(attribute, source).map { .time(.seconds(Int64(max(0, min($0, 1e6))))) } ?? .unknown, attribute.name,
        at: attribute.place)
    }
    var pool = CheckedPool(
      software, title: title, at: attribute?.place ?? block.place, idle: idle, targets: targets(near: source),
      owner: "\(source.file.path)#\(block.labels.joined(separator: "."))")
    pool.hasOpenTargets = true
    if software == .alb || software == .classicELB { pool.remedy = .line("idle_timeout = $", unit: .seconds) }
    reading.pools.append(pool)
  }

  /// Ports of the target groups beside it.
  private func targets(near source: CodeSource) -> [CheckTarget] {
    var ports: Set<Int> = []
    for (other, root) in roots where other.file.folder == source.file.folder {
      for block in root.blocks
      where block.type == "resource"
        && ["aws_lb_target_group", "aws_alb_target_group"].contains(block.labels.first ?? "")
      {
        if let port = block.attribute("port").flatMap({ number($0, other) }), (1...65_535).contains(port) {
          ports.insert(Int(port))
        }
      }
    }
    return ports.sorted().map { CheckTarget(host: "", port: $0) }
  }

  // MARK: - Values

  private func value(_ attribute: HCLBlock.Attribute, _ source: CodeSource) -> CodeValue {
    CodeValue(resolved(attribute.value, String(source.file.folder), 0), in: source, context)
  }

  private func number(_ attribute: HCLBlock.Attribute, _ source: CodeSource) -> Double? {
    value(attribute, source).number
  }
  private func text(_ attribute: HCLBlock.Attribute, _ source: CodeSource) -> String? { value(attribute, source).text }

  /// `var.x` and `local.x` become what they stand for, where that is an expression without further ones.
  private func resolved(_ tokens: ArraySlice<CodeToken>, _ folder: String, _ depth: Int) -> ArraySlice<CodeToken> {
    guard depth < CheckLimits.expansions, let first = tokens.first, let last = tokens.last else { return tokens }
    if tokens.count == 5, first.text == "module",
      let inner = modules["\(folder)/\(tokens[tokens.startIndex + 2].text)"],
      let value = values["\(inner)/output.\(last.text)"]
    {
      return resolved(value[...], inner, depth + 1)
    }
    guard tokens.count == 3, first.text == "var" || first.text == "local",
      let value = values["\(folder)/\(first.text).\(last.text)"]
    else { return tokens }
    return resolved(value[...], folder, depth + 1)
  }

  /// Lists of texts that are commands: `["gunicorn", "--keep-alive", "61"]`.
  private mutating func commands(_ source: CodeSource) {
    for index in source.tokens.indices where source.isMark(index, "[") {
      var words: [CheckWord] = []
      var at = index + 1
      while at < source.tokens.count, source.tokens[at].kind == .string {
        words.append(CheckWord(source.tokens[at].text, at: source.place(at)))
        at += source.isMark(at + 1, ",") ? 2 : 1
      }
      guard source.isMark(at, "]"), words.count > 1 else { continue }
      for command in ScriptReader.inner(words) {
        if let command = ServerCommand(command) {
          CommandServers.read(command, owner: "\(source.file.path)#\(command.place.line)", context, into: &reading)
        }
      }
    }
  }
}
