internal import Core

/// HAProxy's configuration: sections, and what they inherit from the `defaults` above them.
struct HAProxyReader {
  struct Section {
    var kind: String
    var name: String
    var place: CheckPlace
    var lines: [[CheckWord]] = []
    /// The lines of its `defaults`.
    var inherited: [[CheckWord]] = []

    var isHTTP: Bool { value("mode")?.text == "http" }
    var takesClients: Bool { kind == "frontend" || kind == "listen" }
    var hasServers: Bool { kind == "backend" || kind == "listen" }

    func all(_ words: String...) -> [[CheckWord]] {
      lines.filter { line in line.count > words.count - 1 && zip(line, words).allSatisfy { $0.text == $1 } }
    }

    private func last(_ words: [String]) -> [CheckWord]? {
      for source in [lines, inherited] {
        if let line = source.last(where: { line in
          line.count > words.count && zip(line, words).allSatisfy { $0.text == $1 }
        }) {
          return line
        }
      }
      return nil
    }

    /// Parameters that all its servers have; the last of several lines counts.
    var defaultServers: [[CheckWord]] { (inherited + lines).filter { $0[0].text == "default-server" } }

    func value(_ words: String...) -> CheckWord? { last(words).map { $0[words.count] } }

    func option(_ name: String) -> CheckWord? {
      for source in [lines, inherited] {
        for line in source.reversed() {
          if line.count >= 2, line[0].text == "option", line[1].text == name { return line[1] }
          if line.count >= 3, line[0].text == "no", line[1].text == "option", line[2].text == name { return nil }
        }
      }
      return nil
    }
  }

  private static let kinds: Set<String> = [
    "global", "defaults", "frontend", "backend", "listen", "userlist", "peers", "resolvers", "mailers", "program",
    "cache", "http-errors",
    "ring", "log-forward", "fcgi-app", "crt-store", "traces",
  ]

  private let file: CheckedFile
  private let context: CheckContext
  private var sections: [Section] = []

  init(_ file: CheckedFile, _ context: CheckContext) {
    self.file = file
    self.context = context
    var defaults: [[CheckWord]] = []
    var named: [String: [[CheckWord]]] = [:]
    var current: Section?
    func close() -> Section? {
      guard let done = current else { return nil }
      if done.kind == "defaults" {
        // What a section takes over stands in front of its own lines: the last one counts.
        defaults = done.inherited + done.lines
        if !done.name.isEmpty { named[done.name] = defaults }
      }
      return done
    }
    for line in LineReader.lines(file) {
      if Self.kinds.contains(line[0].text), line[0].place.column == 1 || line.count <= 3 {
        if let done = close() { sections.append(done) }
        let from = line.firstIndex { $0.text == "from" }.flatMap { $0 + 1 < line.count ? line[$0 + 1].text : nil }
        let fallback = line[0].text == "defaults" ? [] : defaults
        current = Section(
          kind: line[0].text, name: line.count > 1 && line[1].text != "from" ? line[1].text : "", place: line[0].place,
          inherited: from.flatMap { named[$0] } ?? fallback)
      } else {
        current?.lines.append(line)
      }
    }
    if let done = close() { sections.append(done) }
  }

  func read(into reading: inout CheckReading) {
    guard sections.contains(where: { $0.takesClients || $0.hasServers }) else { return }
    reading.understood.insert(file.path)
    let version = context.version(of: .haproxy, near: file.path)
    for section in sections where section.isHTTP {
      if section.takesClients { reading.servers.append(server(section, version)) }
      if section.hasServers { pools(section, version, &reading) }
      reading.findings += HAProxyRules.retries(section)
    }
    reading.findings += HAProxyRules.tunnels(
      sections.filter {
        $0.isHTTP && $0.hasServers && !($0.all("server").isEmpty && $0.all("server-template").isEmpty)
      }, self)
    reading.findings += HAProxyRules.clients(sections.filter { $0.isHTTP && $0.takesClients }, self)
  }

  /// Something in the file, a comment too, speaks of upgraded connections.
  var mentionsTunnels: Bool {
    let text = file.text.lowercased()
    return ["websocket", "upgrade", "socket.io", "wss", "_ws", "ws_", "-ws", "/ws", "tunnel", "heartbeat"].contains {
      text.contains($0)
    }
  }

  func time(_ word: CheckWord?) -> Nanoseconds? {
    word.flatMap { context.environment.expand($0.text) }.flatMap { DurationText.parse($0, unit: .milliseconds(1)) }
  }

  func timer(_ word: CheckWord, _ setting: String) -> CheckTimer {
    let time = time(word)
    return CheckTimer(time.map { $0 == .zero ? .never : .time($0) } ?? .unknown, setting, at: word.place)
  }

  private func server(_ section: Section, _ version: VersionRange) -> CheckedServer {
    var idle = CheckTimer(assumed: .haproxy, .clientIdle, when: "no timeout client")
    for name in ["client", "http-request", "http-keep-alive"] {
      if let word = section.value("timeout", name) { idle = timer(word, "timeout \(name)") }
    }
    var server = CheckedServer(
      .haproxy, version: version, title: "HAProxy, \(section.kind) \(section.name)", at: section.place, idle: idle,
      owner: file.path)
    server.ports = Set(section.all("bind").compactMap { CheckTarget($0[1].text).port })
    server.remedy = .line("timeout http-keep-alive $", unit: .duration)
    return server
  }

  private func pools(_ section: Section, _ version: VersionRange, _ reading: inout CheckReading) {
    // `server-template app 3 app:3000` has a number in front of the address.
    let servers =
      section.all("server").filter { $0.count >= 3 }.map { ($0, $0[2]) }
      + section.all("server-template").filter { $0.count >= 4 }.map { ($0, $0[3]) }
    guard let first = servers.first?.0 else { return }
    let targets = servers.map { CheckTarget(context.environment.expand($0.1.text) ?? $0.1.text) }
    var use = PoolUse.used
    if section.value("http-reuse")?.text == "never" { use = .unused }
    for name in ["httpclose", "forceclose", "http-server-close"] where section.option(name) != nil { use = .unused }
    let delay =
      parameter("pool-purge-delay", first)
      ?? section.defaultServers.reversed().lazy.compactMap { parameter("pool-purge-delay", $0) }.first
    let size =
      parameter("pool-max-conn", first)
      ?? section.defaultServers.reversed().lazy.compactMap { parameter("pool-max-conn", $0) }.first
    if size?.text == "0" { use = .unused }
    var idle = delay.map { timer($0, "pool-purge-delay") } ?? CheckTimer(assumed: .haproxy, .upstreamIdle)
    if case .time(let step) = idle.value {
      // Half goes each time: one in sixteen is left after four rounds.
      idle.value = .time(step * 4)
      idle.note = "half of them are closed every \(step.spoken)"
    }
    var pool = CheckedPool(
      .haproxy, version: version, title: "HAProxy, \(section.kind) \(section.name)", at: first[0].place, idle: idle,
      use: use, targets: targets,
      owner: file.path)
    pool.remedy = .line("pool-purge-delay $ on the server line, or http-reuse never", unit: .duration)
    reading.pools.append(pool)
  }

  private func parameter(_ name: String, _ line: [CheckWord]) -> CheckWord? {
    line.firstIndex { $0.text == name }.flatMap { $0 + 1 < line.count ? line[$0 + 1] : nil }
  }
}
