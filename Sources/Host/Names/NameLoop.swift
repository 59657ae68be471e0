internal import Core
internal import Glibc
internal import Logging

/// The thread that asks name servers: many lookups at once over non-blocking sockets.
///
/// Which server is asked for what is decided by ``DNSLookup``, when to ask by ``WatchedName``.
final class NameLoop {
  /// A name with its lookup, when one is under way.
  final class Entry {
    let host: String
    var watched: WatchedName
    var lookup: DNSLookup?
    var servers: [SocketAddress] = []
    var timeout = Nanoseconds.seconds(5)
    /// Whether the C library is being asked.
    var asksSystem = false
    /// The problem that the log was told of.
    var toldProblem: String?

    init(_ host: String, _ watched: WatchedName) {
      self.host = host
      self.watched = watched
    }

    var isBusy: Bool { lookup != nil || asksSystem }
  }

  /// Lookups under way at once; further ones wait for their turn.
  private static let maximumLookups = 64
  /// Threads that wait in the C library at once.
  private static let maximumSystemLookups = 4
  /// The longest wait of the loop, in case a wakeup should be missed.
  private static let longestWait = Nanoseconds.seconds(60)

  enum Kind {
    static let wakeup: UInt8 = 0
    static let ask: UInt8 = 1
  }

  private let names: Names
  private var entries: [Entry] = []
  private var edition: UInt64 = 0
  private var settings = ResolverSettings()
  private var system = SystemNames(ResolverSettings())
  private var poller: Poller
  private var asks = Slab<PendingAsk>(kind: Kind.ask)
  private var now = MonotonicClock.now
  private var generator = SystemRandomNumberGenerator()

  init(names: Names) throws(SystemError) {
    self.names = names
    poller = try Poller(batch: 64)
    try poller.register(names.wakeup.number, for: .readable, trigger: .level, token: UInt64(Kind.wakeup) << 56)
  }

  func run() {
    while takeMessages() {
      now = MonotonicClock.now
      for ask in asks.all where ask.deadline <= now { ended(ask, .timedOut) }
      beginDueLookups()
      let count = poller.wait(atMost: patience)
      now = MonotonicClock.now
      for event in 0..<count {
        let token = poller.token(at: event)
        if UInt8(token >> 56) == Kind.wakeup {
          names.wakeup.clear()
        } else if let ask = asks.element(token) {
          if let event = ask.progressed() { ended(ask, event) }
        }
      }
    }
    for ask in asks.all { close(ask) }
  }

  private var patience: Nanoseconds {
    var soonest = now.advanced(by: Self.longestWait)
    for ask in asks.all { soonest = min(soonest, ask.deadline) }
    // While all places are taken, the end of an ask frees one.
    if lookupCount < Self.maximumLookups {
      for entry in entries where !entry.isBusy { soonest = min(soonest, entry.watched.due) }
    }
    return max(soonest.since(MonotonicClock.now), .zero)
  }

  private var lookupCount: Int { entries.count { $0.lookup != nil } }

  // MARK: - Messages

  /// - Returns: whether to go on.
  private func takeMessages() -> Bool {
    let (isStopped, wanted, answers) = names.shared.withLock { shared in
      let answers = shared.systemAnswers
      shared.systemAnswers = []
      let wanted = shared.edition == edition ? nil : (shared.edition, shared.wishes, shared.settings)
      return (shared.isStopped, wanted, answers)
    }
    guard !isStopped else { return false }
    now = MonotonicClock.now
    if let (edition, wishes, settings) = wanted {
      self.edition = edition
      adopt(wishes, settings)
    }
    for (host, outcome) in answers {
      guard let entry = entries.first(where: { $0.host == host && $0.asksSystem }) else { continue }
      entry.asksSystem = false
      settle(entry, outcome)
    }
    return true
  }

  private func adopt(_ wishes: [Names.Wish], _ settings: ResolverSettings) {
    let isOther = settings != self.settings
    self.settings = settings
    if isOther { system = SystemNames(settings) }
    let known = Dictionary(uniqueKeysWithValues: entries.map { ($0.host, $0) })
    let hosts = Set(wishes.map(\.host))
    for entry in entries where !hosts.contains(entry.host) { endLookup(entry) }
    entries = wishes.map { wish in
      let bounds = WatchedName.Bounds(
        minimum: min(settings.minimumTTL, wish.period), maximum: min(settings.maximumTTL, wish.period))
      guard let entry = known[wish.host] else { return Entry(wish.host, WatchedName(bounds: bounds, now: now)) }
      entry.watched.bounds = bounds
      if isOther { entry.watched.lookupWanted(now: now) }
      // One that went and came back has to tell again what it knows.
      publish(entry)
      return entry
    }
  }

  // MARK: - Lookups

  private func beginDueLookups() {
    var free = Self.maximumLookups - lookupCount
    for entry in entries where !entry.isBusy && entry.watched.due <= now {
      guard free > 0 else { return }
      begin(entry)
      if entry.lookup != nil { free -= 1 }
    }
  }

  private func begin(_ entry: Entry) {
    if let outcome = localOutcome(entry.host) { return settle(entry, outcome) }
    let file = system.resolverFile()
    let candidates = file.candidates(for: entry.host)
    guard !candidates.isEmpty else { return settle(entry, .failed(.notAName)) }
    entry.servers = servers(file)
    entry.timeout = settings.timeout ?? .seconds(Int64(file.timeoutSeconds))
    var lookup = DNSLookup(
      candidates: candidates, serverCount: entry.servers.count, attempts: settings.attempts ?? file.attempts,
      streamsOnly: file.streamsOnly, preferred: entry.watched.answeredAs)
    let step = lookup.began()
    entry.lookup = lookup
    follow(step, of: entry)
  }

  /// What needs no server: the hosts file, and `localhost` (RFC 6761 section 6.3).
  private func localOutcome(_ host: String) -> LookupOutcome? {
    guard let name = DNSName(host) else { return nil }
    if let listed = system.hostsFile().addresses(of: host) {
      let addresses = listed.compactMap { DNSAddress(literal: $0) }.filter { !$0.isUnspecified }
      if !addresses.isEmpty { return .lasting(addresses, name) }
    }
    let text = "." + name.description
    guard text.hasSuffix(".localhost") else { return nil }
    return .lasting([.ipv4(0x7f00_0001), .ipv6(0, 1)], name)
  }

  private func servers(_ file: ResolverFile) -> [SocketAddress] {
    let configured = settings.servers.prefix(ResolverSettings.maximumServers)
      .compactMap { SocketAddress(literal: $0.address, port: $0.port) }
    if !configured.isEmpty { return configured }
    let found = file.servers.compactMap { SocketAddress(literal: $0, port: 53) }
    return found.isEmpty ? [SocketAddress(.ipv4(0x7f00_0001, port: 53))] : found
  }

  private func follow(_ step: DNSLookup.Step, of entry: Entry) {
    var steps = [step]
    while let step = steps.popLast() {
      switch step {
      case .wait: break
      case .ask(let wanted):
        for ask in wanted {
          guard let event = send(ask, for: entry), var lookup = entry.lookup else { continue }
          steps.append(lookup.ended(ask.number, event))
          entry.lookup = lookup
        }
      case .finished(let outcome):
        endLookup(entry)
        finished(entry, outcome)
      }
    }
  }

  /// - Returns: the end of the ask when it cannot even begin.
  private func send(_ ask: DNSLookup.Ask, for entry: Entry) -> DNSLookup.Event? {
    let query = DNSQuery(id: generator.next(), name: ask.name, family: ask.family)
    let server = entry.servers[ask.server]
    do throws(SystemError) {
      var opened: PendingAsk.Channel? = try PendingAsk.Channel(to: server, isStream: ask.isStream)
      let deadline = now.advanced(by: entry.timeout)
      let pending = asks.insert { token in
        // The slab calls this once; a channel has one holder.
        PendingAsk(token: token, entry: entry, ask: ask, query: query, channel: opened.take()!, deadline: deadline)
      }
      do throws(SystemError) {
        try poller.register(pending.number, for: [.readable, .writable], trigger: .edge, token: pending.token)
      } catch {
        close(pending)
        throw error
      }
      guard let event = pending.begin() else { return nil }
      close(pending)
      return event
    } catch {
      return .unreachable(error.code)
    }
  }

  private func ended(_ ask: PendingAsk, _ event: DNSLookup.Event) {
    guard ask.isOpen else { return }
    let entry = ask.entry
    close(ask)
    guard var lookup = entry.lookup else { return }
    let step = lookup.ended(ask.ask.number, event)
    entry.lookup = lookup
    follow(step, of: entry)
  }

  private func close(_ ask: PendingAsk) {
    guard ask.isOpen else { return }
    asks.remove(ask.token)
    ask.close()
  }

  private func endLookup(_ entry: Entry) {
    for ask in asks.all where ask.entry === entry { close(ask) }
    entry.lookup = nil
  }

  // MARK: - Outcomes

  /// The name servers are done; what they do not know, the system may know otherwise.
  private func finished(_ entry: Entry, _ outcome: LookupOutcome) {
    if case .answered = outcome { return settle(entry, outcome) }
    let mayAsk = settings.servers.isEmpty && system.hostSources().hasOthers
    guard mayAsk, entries.count(where: \.asksSystem) < Self.maximumSystemLookups else { return settle(entry, outcome) }
    let host = entry.host
    do throws(SystemError) {
      try Thread.start(named: "names-system") { [names] in
        names.answer(host, Self.systemOutcome(of: host, otherwise: outcome))
      }
      entry.asksSystem = true
    } catch {
      settle(entry, outcome)
    }
  }

  private static func systemOutcome(of host: String, otherwise: LookupOutcome) -> LookupOutcome {
    do throws(Resolver.Failure) {
      let addresses = try Resolver.addresses(of: host, port: 0).compactMap(\.dnsAddress).filter { !$0.isUnspecified }
      guard !addresses.isEmpty, let name = DNSName(host) else { return otherwise }
      return .lasting(addresses, name)
    } catch {
      return otherwise
    }
  }

  private func settle(_ entry: Entry, _ outcome: LookupOutcome) {
    let change = entry.watched.lookedUp(outcome, now: now)
    let problem = entry.problem(outcome)
    tell(entry, change, problem)
    publish(entry, problem: problem)
  }

  private func publish(_ entry: Entry, problem: String? = nil) {
    let addresses = entry.watched.addresses.usable.map { SocketAddress($0, port: 0) }
    let isSettled = entry.watched.isSettled
    let changed = names.shared.withLock { shared -> (@Sendable () -> Void)? in
      guard let before = shared.known[entry.host] else { return nil }
      shared.known[entry.host] = Names.Known(addresses: addresses, isSettled: isSettled, problem: problem)
      return before.addresses == addresses ? nil : shared.changed
    }
    changed?()
  }

  private func tell(_ entry: Entry, _ change: WatchedName.Change, _ problem: String?) {
    let host = entry.host
    switch change {
    case .none, .addresses: entry.toldProblem = nil
    case .recovered:
      if entry.toldProblem != nil { names.log.info("'\(host)' can be resolved again") }
      entry.toldProblem = nil
    case .emptied:
      names.log.warning(
        "'\(host)' has had no address for \(WatchedName.absenceHold.text): its servers are let go; requests for it are answered with 502 until it has one"
      )
    case .failed:
      // Once for each problem, not for each repetition.
      guard let problem, problem != entry.toldProblem else { return }
      entry.toldProblem = problem
      let count = entry.watched.addresses.count
      let consequence =
        count == 0
        ? "requests for it are answered with 502 until it can be"
        : "its \(count) address(es) stay in use"
      names.log.warning("'\(host)' cannot be resolved: \(problem); \(consequence)")
    }
  }
}

extension Names {
  /// The C library's answer, from its thread.
  fileprivate func answer(_ host: String, _ outcome: LookupOutcome) {
    shared.withLock { $0.systemAnswers.append((host, outcome)) }
    wakeup.signal()
  }
}

extension LookupOutcome {
  /// Addresses from a source that says nothing of their age.
  fileprivate static func lasting(_ addresses: [DNSAddress], _ name: DNSName) -> LookupOutcome {
    func result(_ family: DNSAddress.Family) -> FamilyResult {
      let found = addresses.filter { $0.family == family }
      return found.isEmpty ? .none : .addresses(found, seconds: .max)
    }
    return .answered(name: name, ipv4: result(.ipv4), ipv6: result(.ipv6))
  }
}

extension NameLoop.Entry {
  /// Why there are no addresses, in words; nil when there are.
  fileprivate func problem(_ outcome: LookupOutcome) -> String? {
    func name(_ server: Int) -> String { server < servers.count ? "name server \(servers[server])" : "the name server" }
    switch outcome {
    case .answered: return nil
    case .notFound(let asked):
      let text = asked.map(\.description).joined(separator: ", ")
      return "the name servers know no address of \(text); look for a misspelling in the settings"
    case .failed(.server(let server, let reason)): return "\(name(server)) \(reason)"
    case .failed(.silent(let server)): return "\(name(server)) does not answer within \(timeout.text)"
    case .failed(.unreachable(let server, let code)):
      return "\(name(server)) cannot be reached: \(SystemError.text(of: code))"
    case .failed(.notAName): return "it is not the name of a host"
    case .failed(.system(let reason)): return reason
    }
  }
}
