import Core
import Logging
import TLS

/// Names and servers: who stands behind an upstream at the moment, and how they are.
extension Proxy {
  // MARK: - Names

  /// How long a start or a reload waits for names that nobody knows yet: longer than a name server has to answer, so that one
  /// that is dead is no reason to begin without servers.
  private static let namePatience = Nanoseconds.seconds(6)

  static func makeNames(_ settings: ProxySettings, log: Logger) throws(StartError) -> Names {
    do throws(SystemError) {
      let names = try Names(log: log)
      try names.want(settings.names, under: settings.resolver)
      warn(of: names.waitUntilSettled(atMost: namePatience), log: log)
      return names
    } catch {
      throw StartError(description: "names cannot be resolved: \(error)")
    }
  }

  func prepareNames(of settings: [ProxySettings], under resolver: ResolverSettings) throws(StartError) {
    do throws(SystemError) {
      try names.want(settings.flatMap(\.names), under: resolver)
      Self.warn(of: names.waitUntilSettled(atMost: Self.namePatience), log: log)
    } catch {
      throw StartError(description: "names cannot be resolved: \(error)")
    }
  }

  private static func warn(of unsettled: [String], log: Logger) {
    for host in unsettled {
      log.warning(
        "'\(host)' is not resolved yet: no name server has answered within \(namePatience.text); requests for it are answered with 502 until one does"
      )
    }
  }

  /// Called on the thread of the names.
  func namesChanged() {
    changing.withLock { _ in
      let before = state.withLock { $0 }
      var members = before.members
      var changed = false
      for (index, upstream) in before.settings.upstreams.enumerated() where !upstream.names.isEmpty {
        let fresh = Self.members(
          of: upstream, keeping: members[index], names: names, context: before.upstreamContexts[index])
        guard !fresh.elementsEqual(members[index], by: { $0.record === $1.record }) else { continue }
        members[index] = fresh
        changed = true
        let servers = fresh.isEmpty ? "none" : fresh.map { $0.record.name }.joined(separator: ", ")
        log.info("upstream \(upstream.name): the servers are now \(servers)")
      }
      guard changed else { return }
      state.withLock { $0.members = members }
      checkHealth(of: members, under: before.settings)
      for mailbox in mailboxes { mailbox.post(.members(members, generation: before.generation)) }
    }
  }

  /// A record for each address of each server; those that are known stay the same.
  static func members(
    of upstream: UpstreamSettings, keeping known: [UpstreamMember], names: Names, context: UpstreamContext?
  ) -> [UpstreamMember] {
    let window = IdleWindow.Settings(configuredLimit: upstream.pool.idleAge, isOn: upstream.idleWindow)
    let group = known.first?.group ?? ServerGroup()
    var members: [UpstreamMember] = []
    func add(_ address: SocketAddress, _ server: ServerSettings) {
      guard !members.contains(where: { $0.record.address == address }) else { return }
      let record: ServerRecord
      if let kept = known.first(where: { $0.record.address == address && $0.record.origin == server.origin })?.record
        ?? group.formerRecord(of: address, server.origin)
      {
        record = kept
        _ = record.learn { $0.settingsChanged(window, now: MonotonicClock.now) }
      } else {
        record = ServerRecord(address: address, name: address.description, origin: server.origin, window: window)
      }
      let tls = server.isTLS ? context.map { ServerTLS(context: $0, name: upstream.certificateName(of: server)) } : nil
      members.append(
        UpstreamMember(
          record: record, weight: server.weight, isBackup: server.isBackup, group: group, tls: tls,
          isHTTP2: server.isHTTP2))
    }
    for server in upstream.servers {
      switch server.origin {
      case .unix(let path): add(SocketAddress(.unix(path: path)), server)
      case .tcp(let host, let port):
        for address in names.addresses(of: host, port: port) { add(address, server) }
      }
    }
    group.adopt(members, under: upstream, now: MonotonicClock.now)
    return members
  }

  // MARK: - TLS

  static func makeContexts(log: Logger) throws(StartError) -> TLSContexts {
    do throws(SystemError) { return try TLSContexts(log: log) } catch {
      throw StartError(description: "certificates cannot be watched: \(error)")
    }
  }

  /// For each listener, in order; nil for those without TLS.
  static func listenerContexts(
    of settings: ProxySettings, from contexts: TLSContexts
  ) throws(StartError) -> [ListenerContext?] {
    var found: [ListenerContext?] = []
    for listener in settings.listeners {
      do throws(TLSFaults) {
        found.append(try listener.tls.map { tls throws(TLSFaults) in try contexts.context(for: tls) })
      } catch {
        throw StartError(description: error.text)
      }
    }
    return found
  }

  /// For each upstream, in order; nil for those of which no server speaks TLS.
  static func upstreamContexts(
    of settings: ProxySettings, from contexts: TLSContexts
  ) throws(StartError) -> [UpstreamContext?] {
    var found: [UpstreamContext?] = []
    for upstream in settings.upstreams {
      guard upstream.servers.contains(where: \.isTLS) else {
        found.append(nil)
        continue
      }
      do throws(TLSFaults) { found.append(try contexts.context(for: upstream.tls)) } catch {
        throw StartError(description: error.text)
      }
    }
    return found
  }

  func checkHealth(of members: [[UpstreamMember]], under settings: ProxySettings) {
    var targets: [HealthChecks.Target] = []
    for (upstream, members) in zip(settings.upstreams, members) {
      guard let health = upstream.health else { continue }
      targets += members.map {
        HealthChecks.Target(record: $0.record, upstream: upstream, settings: health, tls: $0.tls)
      }
    }
    do throws(SystemError) {
      try checks.check(targets)
    } catch {
      log.error("servers cannot be checked and count as well: \(error)")
    }
  }

  static func randomSeed() -> (UInt64, UInt64) {
    var generator = SystemRandomNumberGenerator()
    return (generator.next(), generator.next())
  }
}

extension ProxySettings {
  fileprivate var names: [Names.Wish] { upstreams.flatMap(\.names) }
}

extension UpstreamSettings {
  /// What the certificate of a server must be for.
  fileprivate func certificateName(of server: ServerSettings) -> String {
    if let name = tls.serverName { return name }
    switch server.origin {
    case .tcp(let host, _): return host
    case .unix: return "localhost"
    }
  }

  /// The hosts that are no literals.
  fileprivate var names: [Names.Wish] {
    origins.compactMap { origin in
      guard case .tcp(let host, let port) = origin, SocketAddress(literal: host, port: port) == nil else { return nil }
      return Names.Wish(host: host, period: resolvePeriod)
    }
  }
}
