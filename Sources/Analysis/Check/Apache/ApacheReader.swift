internal import Core

/// Apache httpd: its keep-alive towards clients, and the workers of mod_proxy.
struct ApacheReader {
  private let file: CheckedFile
  private let context: CheckContext

  init(_ file: CheckedFile, _ context: CheckContext) {
    self.file = file
    self.context = context
  }

  func read(into reading: inout CheckReading) {
    let lines = LineReader.lines(file)
    guard !lines.isEmpty else { return }
    reading.understood.insert(file.path)
    let version = context.version(of: .apache, near: file.path)
    var idle = CheckTimer(assumed: .apache, .clientIdle, version: version)
    var isOff: CheckWord?
    var ports: Set<Int> = []
    var isNotPooled = false
    for line in lines {
      let name = line[0].text.lowercased()
      guard line.count > 1 else { continue }
      switch name {
      case "keepalivetimeout":
        idle = CheckTimer(
          DurationText.parse(line[1].text, unit: .seconds(1)).map { .time($0) } ?? .unknown, "KeepAliveTimeout",
          at: line[0].place)
      case "keepalive" where line[1].text.lowercased() == "off": isOff = line[0]
      case "listen": if let port = CheckTarget(line[1].text).port ?? Int(line[1].text) { ports.insert(port) }
      case "<virtualhost": if let port = CheckTarget(line[1].text.filter { $0 != ">" }).port { ports.insert(port) }
      case "maxkeepaliverequests":
        if let count = Int(line[1].text), count > 0, count < 50 {
          reading.findings.append(
            CheckFinding(
              .secondTimer, .warning, .proved, at: line[0].place,
              "`MaxKeepAliveRequests \(count)` closes each client connection after \(count) requests; a balancer in front meets the closes.",
              changes: [
                CheckChange(
                  "MaxKeepAliveRequests 1000", at: line[1].place, edit: .replace(old: line[1].text, new: "1000"))
              ]))
        }
      case "setenv":
        if line[1].text == "proxy-nokeepalive" || line[1].text == "force-proxy-request-1.0" { isNotPooled = true }
      default: break
      }
    }
    if let isOff { idle = CheckTimer(.none, "KeepAlive Off", at: isOff.place) }
    var server = CheckedServer(
      .apache, version: version, at: idle.place ?? file.place(at: 0), idle: idle, owner: file.path)
    server.ports = ports.isEmpty ? [80, 443] : ports
    server.remedy = .line("KeepAliveTimeout $", unit: .seconds)
    reading.servers.append(server)
    for line in lines { pool(line, version, isNotPooled, &reading) }
  }

  private func pool(_ line: [CheckWord], _ version: VersionRange, _ isNotPooled: Bool, _ reading: inout CheckReading) {
    let name = line[0].text.lowercased()
    guard ["proxypass", "proxypassmatch", "balancermember"].contains(name),
      let url = line.dropFirst().first(where: { $0.text.hasPrefix("http://") || $0.text.hasPrefix("https://") })
    else { return }
    var idle = CheckTimer(assumed: .apache, .upstreamIdle, version: version)
    var use = isNotPooled ? PoolUse.unused : .used
    for word in line {
      let parts = word.text.split(separator: "=", maxSplits: 1)
      guard parts.count == 2 else { continue }
      if parts[0].lowercased() == "ttl" {
        idle = CheckTimer(
          DurationText.parse(String(parts[1]), unit: .seconds(1)).map { .time($0) } ?? .unknown, "ttl", at: word.place)
      }
      if parts[0].lowercased() == "disablereuse", parts[1].lowercased() == "on" { use = .unused }
      if parts[0].lowercased() == "upgrade", parts[1].lowercased() == "websocket" { return }
    }
    let target = CheckTarget(url.text)
    var pool = CheckedPool(
      .apache, version: version, title: "Apache httpd, \(line[0].text) \(target.text)", at: line[0].place, idle: idle,
      use: use, targets: [target], owner: file.path)
    pool.remedy = .line("ttl=$", unit: .seconds)
    reading.pools.append(pool)
  }
}
