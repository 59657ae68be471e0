internal import Core

/// Joins pools with the servers they go to: by names, by ports, by what is left over, or by hand.
package struct ChainJoiner {
  private let reading: CheckReading
  private let chain: [String]
  /// Servers to which some pool was joined, by their index.
  private(set) var reached: Set<Int> = []
  /// Pools that were joined with nothing.
  private(set) var lonelyPools: [CheckedPool] = []

  package init(_ reading: CheckReading, chain: [String] = []) {
    self.reading = reading
    self.chain = chain
  }

  /// Servers that no pool of these files goes to.
  package var lonelyServers: [CheckedServer] {
    reading.servers.indices.filter { !reached.contains($0) }.map { reading.servers[$0] }
  }

  package mutating func hops() -> [CheckHop] {
    guard chain.isEmpty else { return byHand() }
    var hops: [CheckHop] = []
    var later: [CheckedPool] = []
    for pool in reading.pools {
      if goesToOthers(pool) {
        lonelyPools.append(pool)
        continue
      }
      let found = direct(pool)
      if found.isEmpty { later.append(pool) } else { hops += found }
    }
    // Those that say something about their servers go first; a balancer that says nothing gets what is left.
    for pool in later.filter({ !$0.hasOpenTargets }) { take(leftOver(pool), pool, &hops) }
    for pool in later.filter({ $0.hasOpenTargets }) { take(outermost(pool), pool, &hops) }
    return hops
  }

  private mutating func take(_ found: [CheckHop], _ pool: CheckedPool, _ hops: inout [CheckHop]) {
    if found.isEmpty { lonelyPools.append(pool) }
    hops += found
  }

  // MARK: - By names and ports

  private mutating func direct(_ pool: CheckedPool) -> [CheckHop] {
    var hops: [CheckHop] = []
    var taken: Set<Int> = []
    for target in pool.targets.map(inner) {
      for index in servers(at: target, for: pool) where taken.insert(index).inserted {
        reached.insert(index)
        let server = reading.servers[index]
        let isNamed = isNamed(target, index)
        let reason = isNamed ? "\(target.text) is \(server.title)" : "\(target.text) is the port of \(server.title)"
        hops.append(CheckHop(pool: pool, server: server, link: isNamed ? .proved : .likely, reason: reason))
      }
    }
    return hops
  }

  /// Indices of the servers that a target means.
  private func servers(at target: CheckTarget, for pool: CheckedPool) -> [Int] {
    let others = reading.servers.indices.filter { reading.servers[$0].owner != pool.owner }
    let named = others.filter { isNamed(target, $0) }
    if !named.isEmpty { return named }
    guard let port = target.port, target.isLocal || target.isService || !isService(target.host) else { return [] }
    let withPort = others.filter { reading.servers[$0].ports.contains(port) && !reading.servers[$0].isProxy }
    guard withPort.count > 1 else { return withPort }
    // The same port in several places of a tree: what stands nearest is meant, if only one does.
    let near = withPort.map { CheckContext.common(reading.servers[$0].place.file, pool.place.file) }
    let most = near.max() ?? 0
    let nearest = zip(withPort, near).filter { $0.1 == most }.map(\.0)
    return Set(nearest.map { reading.servers[$0].idle.value }).count == 1 ? Array(nearest.prefix(1)) : []
  }

  /// The target with the port at which the server itself listens, as far as its service tells.
  private func inner(_ target: CheckTarget) -> CheckTarget {
    guard target.isService else { return target }
    var inner = target
    let service = reading.services.first {
      $0.names.contains(target.host) || $0.names.contains(Self.short(target.host))
    }
    inner.port = target.port.flatMap { service?.forwards[$0] }
    return inner
  }

  /// All its servers are software of others: Grafana, Keycloak and their like, whatever port an application of these files has.
  private func goesToOthers(_ pool: CheckedPool) -> Bool {
    !pool.targets.isEmpty
      && pool.targets.allSatisfy { target in
        reading.services.contains {
          $0.isForeign && ($0.names.contains(target.host) || $0.names.contains(Self.short(target.host)))
        }
      }
  }

  private func isService(_ host: String) -> Bool { reading.services.contains { $0.names.contains(host) } }

  private func isNamed(_ target: CheckTarget, _ index: Int) -> Bool {
    let server = reading.servers[index]
    if server.names.contains(target.host), !target.host.isEmpty { return fits(server.ports, target.port) }
    return reading.services.contains { service in
      guard service.names.contains(target.host) || service.names.contains(Self.short(target.host)) else { return false }
      guard
        service.owner == server.owner || service.files.contains(server.place.file)
          || service.folders.contains(where: { isIn($0, server.place.file) })
      else {
        return false
      }
      let port = target.port.flatMap { service.forwards[$0] ?? $0 }
      return fits(server.ports, port) || service.owner == server.owner
        || fits(service.ports, port) && !service.ports.isEmpty
    }
  }

  /// `web.prod.svc.cluster.local` is `web`.
  private static func short(_ host: String) -> String { String(host.prefix { $0 != "." }) }

  private func isIn(_ folder: String, _ file: String) -> Bool { folder.isEmpty || file.hasPrefix(folder + "/") }

  private func fits(_ ports: Set<Int>, _ port: Int?) -> Bool {
    ports.isEmpty || port.map { ports.contains($0) } ?? true
  }

  // MARK: - By what is left

  /// Applications that nothing goes to yet, where no port speaks against it. Several with different timers are no answer.
  private mutating func leftOver(_ pool: CheckedPool) -> [CheckHop] {
    var candidates = reading.servers.indices.filter { index in
      let server = reading.servers[index]
      guard server.owner != pool.owner, !server.isProxy, !reached.contains(index) else { return false }
      return pool.targets.map(inner).contains { target in
        target.port == nil || server.ports.isEmpty || server.ports.contains(target.port ?? 0)
      }
    }
    candidates = nearest(candidates, pool)
    return join(pool, candidates, "nothing else in these files takes its requests")
  }

  /// What a load balancer without a known target stands in front of: servers that nothing else goes to, proxies first.
  private mutating func outermost(_ pool: CheckedPool) -> [CheckHop] {
    let free = reading.servers.indices.filter { reading.servers[$0].owner != pool.owner && !reached.contains($0) }
    let ported = free.filter { index in
      pool.targets.contains { $0.port.map { reading.servers[index].ports.contains($0) } ?? false }
    }
    let proxies = free.filter { reading.servers[$0].isProxy }
    let candidates = !ported.isEmpty ? ported : !proxies.isEmpty ? proxies : free
    return join(pool, nearest(candidates, pool), "nothing else in these files is in front of it")
  }

  /// Of several, those that stand nearest in the tree.
  private func nearest(_ candidates: [Int], _ pool: CheckedPool) -> [Int] {
    guard Set(candidates.map { reading.servers[$0].idle.value }).count > 1 else { return candidates }
    let near = candidates.map { CheckContext.common(reading.servers[$0].place.file, pool.place.file) }
    let most = near.max() ?? 0
    return zip(candidates, near).filter { $0.1 == most }.map(\.0)
  }

  private mutating func join(_ pool: CheckedPool, _ candidates: [Int], _ reason: String) -> [CheckHop] {
    guard let first = candidates.first, Set(candidates.map { reading.servers[$0].idle.value }).count == 1 else {
      return []
    }
    for index in candidates { reached.insert(index) }
    let server = reading.servers[first]
    let isAlone = candidates.count == 1 && reading.pools.count { $0.use != .unused } <= 1
    return [CheckHop(pool: pool, server: server, link: isAlone ? .likely : .open, reason: reason)]
  }

  // MARK: - By hand

  /// `--chain 'alb.tf > nginx.conf > gunicorn.conf.py'`: pools of each file go to servers of the next.
  private mutating func byHand() -> [CheckHop] {
    var hops: [CheckHop] = []
    for (front, back) in zip(chain, chain.dropFirst()) {
      let pools = reading.pools.filter { Self.matches($0.place.file, $0.software, front) }
      let servers = reading.servers.indices.filter {
        Self.matches(reading.servers[$0].place.file, reading.servers[$0].software, back)
      }
      let heads = pools.isEmpty ? [Self.known(front)].compactMap(\.self) : pools
      for pool in heads {
        for index in servers {
          reached.insert(index)
          hops.append(CheckHop(pool: pool, server: reading.servers[index], link: .proved, reason: "--chain says so"))
        }
        if servers.isEmpty, let server = Self.knownServer(back) {
          hops.append(CheckHop(pool: pool, server: server, link: .proved, reason: "--chain says so"))
        }
      }
    }
    return hops
  }

  private static func matches(_ file: String, _ software: Software, _ name: String) -> Bool {
    file == name || file.hasSuffix("/" + name) || software.rawValue == name
  }

  /// A link of the chain that is no file: the name of software, with its defaults.
  static func known(_ name: String) -> CheckedPool? {
    guard let software = Software(rawValue: name), !FactTable.rows(software, .upstreamIdle).isEmpty else { return nil }
    let condition = software == .nginx ? "keepalive" : ""
    return CheckedPool(
      software, at: CheckPlace(file: name, line: 1, column: 1),
      idle: CheckTimer(assumed: software, .upstreamIdle, when: condition),
      targets: [], owner: "--chain \(name)")
  }

  static func knownServer(_ name: String) -> CheckedServer? {
    guard let software = Software(rawValue: name), !FactTable.rows(software, .clientIdle).isEmpty else { return nil }
    return CheckedServer(
      software, at: CheckPlace(file: name, line: 1, column: 1), idle: CheckTimer(assumed: software, .clientIdle),
      owner: "--chain \(name)")
  }

  /// Whether `name` in a chain means something: a file that was read, or known software.
  package static func understands(_ name: String, _ reading: CheckReading) -> Bool {
    known(name) != nil || knownServer(name) != nil
      || (reading.pools.map(\.place.file) + reading.servers.map(\.place.file)).contains {
        $0 == name || $0.hasSuffix("/" + name)
      }
  }
}
