internal import Core

/// Caddyfiles: `reverse_proxy` with its transport and its retries.
struct CaddyReader {
  private let file: CheckedFile
  private let context: CheckContext

  init(_ file: CheckedFile, _ context: CheckContext) {
    self.file = file
    self.context = context
  }

  func read(into reading: inout CheckReading) {
    let lines = LineReader.lines(file)
    var clientIdle = CheckTimer(assumed: .caddy, .clientIdle)
    var stack: [String] = []
    var pool: CheckedPool?
    var poolDepth = 0
    for line in lines {
      let opens = line.last?.text == "{"
      let words = opens ? Array(line.dropLast()) : line
      let name = words.first?.text ?? ""
      if name == "}" {
        if let done = pool, stack.count == poolDepth {
          reading.pools.append(done)
          pool = nil
        }
        _ = stack.popLast()
        continue
      }
      if name == "idle", stack.last == "timeouts", words.count > 1 {
        clientIdle = CheckTimer(TraefikReader.value(words[1].text), "timeouts.idle", at: words[0].place)
      }
      if name == "reverse_proxy" {
        let made = self.pool(words)
        if opens {
          pool = made
          poolDepth = stack.count + 1
        } else if !made.targets.isEmpty {
          reading.pools.append(made)
        }
      } else if pool != nil {
        inner(words, stack, &pool, &reading)
      }
      if opens, stack.count < CheckLimits.depth { stack.append(name) }
    }
    if let pool { reading.pools.append(pool) }
    guard !lines.isEmpty else { return }
    reading.understood.insert(file.path)
    var server = CheckedServer(.caddy, at: file.place(at: 0), idle: clientIdle, owner: file.path)
    server.ports = [80, 443]
    server.remedy = .line("servers { timeouts { idle $ } }", unit: .duration)
    reading.servers.append(server)
  }

  private func pool(_ words: [CheckWord]) -> CheckedPool {
    let targets = words.dropFirst().filter { !$0.text.hasPrefix("@") && !$0.text.hasPrefix("/") && $0.text != "*" }.map
    { target($0) }
    var pool = CheckedPool(
      .caddy, title: "Caddy, reverse_proxy \(targets.first?.text ?? "")", at: words[0].place,
      idle: CheckTimer(assumed: .caddy, .upstreamIdle), targets: targets,
      owner: file.path)
    pool.remedy = .line("transport http { keepalive $ }", unit: .duration)
    return pool
  }

  /// `{$NAME:default}` is Caddy's way to write a variable.
  private func target(_ word: CheckWord) -> CheckTarget {
    guard word.text.contains("{$") else { return CheckTarget(word.text) }
    return CheckTarget(context.environment.expand(word.text.replacing("{$", with: "${")) ?? word.text)
  }

  private func inner(_ words: [CheckWord], _ stack: [String], _ pool: inout CheckedPool?, _ reading: inout CheckReading)
  {
    guard let name = words.first?.text else { return }
    switch name {
    case "to": for word in words.dropFirst() { pool?.targets.append(target(word)) }
    case "keepalive" where words.count > 1:
      if words[1].text == "off" {
        pool?.use = .unused
      } else {
        pool?.idle = CheckTimer(TraefikReader.value(words[1].text), "keepalive", at: words[0].place)
        pool?.place = words[0].place
      }
    case "keepalive_idle_conns" where words.count > 1 && words[1].text == "0": pool?.use = .unused
    case "method":
      guard stack.last == "lb_retry_match",
        let word = words.dropFirst().first(where: { ["POST", "PATCH"].contains($0.text.uppercased()) })
      else { return }
      reading.findings.append(KubernetesRules.retry("lb_retry_match", at: word.place))
    case "lb_retry_match":
      guard let word = words.dropFirst().first(where: { $0.text.contains("POST") || $0.text.contains("PATCH") }) else {
        return
      }
      reading.findings.append(KubernetesRules.retry("lb_retry_match", at: word.place))
    default: break
    }
  }
}
