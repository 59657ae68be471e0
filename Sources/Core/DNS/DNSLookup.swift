/// Finding out what addresses a host has: which names are asked for, of which servers, and what the answers come to.
///
/// IPv4 and IPv6 are asked for at once. A candidate name that does not exist leads to the next one; so does one that every
/// server fails at, as in the C library, unless it is the one that answered last time: its servers would be exchanged for
/// those of another name. Servers that do not answer end the lookup.
package struct DNSLookup: Sendable {
  /// One sending of one query. The number tells it from all others of the lookup.
  package struct Ask: Equatable, Sendable {
    package var number: Int
    package var name: DNSName
    package var family: DNSAddress.Family
    /// Index of the server.
    package var server: Int
    package var isStream: Bool
  }

  /// What became of an ask.
  package enum Event: Equatable, Sendable {
    case reply(DNSReply)
    case timedOut
    /// The server cannot be reached: an errno.
    case unreachable(Int32)
  }

  package enum Step: Equatable, Sendable {
    /// Nothing now; other asks are under way.
    case wait
    case ask([Ask])
    case finished(LookupOutcome)
  }

  /// What is known of one family of the candidate.
  private enum Progress: Sendable {
    /// An ask is under way.
    case asking(Ask, round: Int)
    case addresses([DNSAddress], seconds: UInt32)
    case noAddresses, nameNotFound
    /// No server gave an answer. Whether one said so, or none said anything.
    case failed(isAnswered: Bool)
  }

  private let candidates: [DNSName]
  private let serverCount: Int
  private let attempts: Int
  private let streamsOnly: Bool
  /// The candidate that answered last time.
  private let preferred: DNSName?
  private var position = 0
  private var families: [Progress] = []
  /// Servers that answered without an answer, a bit each, for each family: asking again would not change it.
  private var refusers: [UInt64] = [0, 0]
  private var nextNumber = 0
  private var problem: LookupProblem?
  private var hasFailedCandidate = false

  /// - Parameters:
  ///   - candidates: at least one.
  ///   - serverCount: 1 to 64.
  ///   - attempts: how often all servers are asked, at least 1.
  package init(
    candidates: [DNSName], serverCount: Int, attempts: Int, streamsOnly: Bool = false, preferred: DNSName? = nil
  ) {
    precondition(!candidates.isEmpty && (1...64).contains(serverCount) && attempts >= 1, "a lookup asks somebody")
    self.candidates = candidates
    self.serverCount = serverCount
    self.attempts = attempts
    self.streamsOnly = streamsOnly
    self.preferred = preferred
  }

  // MARK: - Events

  package mutating func began() -> Step { askForCandidate() }

  /// - Parameter number: of an ask that is under way; anything else changes nothing.
  package mutating func ended(_ number: Int, _ event: Event) -> Step {
    guard let index = families.indices.first(where: { under(way: families[$0])?.number == number }),
      case .asking(let ask, let round) = families[index]
    else { return .wait }
    switch event {
    case .reply(.addresses(let addresses, let seconds)):
      families[index] = .addresses(addresses, seconds: seconds)
    case .reply(.noAddresses):
      families[index] = .noAddresses
    case .reply(.nameNotFound):
      families[index] = .nameNotFound
    case .reply(.stray):
      return .wait
    case .reply(.truncated) where !ask.isStream:
      return .ask([repeated(ask, at: ask.server, isStream: true, round: round, family: index)])
    case .reply(.truncated):
      return failed(ask, round, index, .server(ask.server, .malformed), isAnswered: true)
    case .reply(.failed(let reason)):
      return failed(ask, round, index, .server(ask.server, reason), isAnswered: true)
    case .timedOut:
      return failed(ask, round, index, .silent(ask.server), isAnswered: false)
    case .unreachable(let code):
      return failed(ask, round, index, .unreachable(ask.server, errorNumber: code), isAnswered: false)
    }
    return candidateProgressed()
  }

  // MARK: - One family

  private func under(way progress: Progress) -> Ask? {
    if case .asking(let ask, _) = progress { ask } else { nil }
  }

  private mutating func repeated(_ ask: Ask, at server: Int, isStream: Bool, round: Int, family: Int) -> Ask {
    var next = ask
    next.number = nextNumber
    next.server = server
    next.isStream = isStream
    nextNumber += 1
    families[family] = .asking(next, round: round)
    return next
  }

  /// On to the next server, and round again, past those that have said that they cannot.
  private mutating func failed(
    _ ask: Ask, _ round: Int, _ family: Int, _ problem: LookupProblem, isAnswered: Bool
  ) -> Step {
    self.problem = problem
    if isAnswered { refusers[family] |= 1 << UInt64(ask.server) }
    var server = ask.server
    var round = round
    for _ in 0..<serverCount {
      server += 1
      if server == serverCount {
        server = 0
        round += 1
      }
      guard round < attempts else { break }
      if refusers[family] & 1 << UInt64(server) == 0 {
        return .ask([repeated(ask, at: server, isStream: streamsOnly, round: round, family: family)])
      }
    }
    families[family] = .failed(isAnswered: refusers[family] != 0)
    return candidateProgressed()
  }

  // MARK: - One candidate

  private mutating func askForCandidate() -> Step {
    refusers = [0, 0]
    var asks: [Ask] = []
    families = DNSAddress.Family.allCases.map { family in
      let ask = Ask(
        number: nextNumber, name: candidates[position], family: family, server: 0, isStream: streamsOnly)
      nextNumber += 1
      asks.append(ask)
      return .asking(ask, round: 0)
    }
    return .ask(asks)
  }

  private mutating func candidateProgressed() -> Step {
    guard !families.contains(where: { under(way: $0) != nil }) else { return .wait }
    let results = families.map(result)
    if results.contains(where: { if case .addresses = $0 { true } else { false } }) {
      return .finished(.answered(name: candidates[position], ipv4: results[0], ipv6: results[1]))
    }
    // NXDOMAIN is about the name, whichever family was asked for.
    let isMissing = families.contains { if case .nameNotFound = $0 { true } else { false } }
    let failures = families.compactMap { if case .failed(let isAnswered) = $0 { isAnswered } else { nil } }
    if !isMissing, !failures.isEmpty {
      hasFailedCandidate = true
      let isSilent = failures.contains(false)
      if isSilent || candidates[position] == preferred { return finishedWithFailure() }
    }
    position += 1
    guard position < candidates.count else {
      return hasFailedCandidate ? finishedWithFailure() : .finished(.notFound(asked: candidates))
    }
    return askForCandidate()
  }

  private func finishedWithFailure() -> Step {
    guard let problem else { preconditionFailure("a family fails only by a problem") }
    return .finished(.failed(problem))
  }

  private func result(_ progress: Progress) -> LookupOutcome.FamilyResult {
    switch progress {
    case .addresses(let addresses, let seconds): .addresses(addresses, seconds: seconds)
    case .noAddresses, .nameNotFound: .none
    case .failed: .failed
    case .asking: preconditionFailure("the candidate is looked at when nothing is under way")
    }
  }
}

/// What a lookup came to.
package enum LookupOutcome: Equatable, Sendable {
  package enum FamilyResult: Equatable, Sendable {
    case addresses([DNSAddress], seconds: UInt32)
    /// There are none.
    case none
    /// Nobody said.
    case failed
  }

  /// At least one family has addresses.
  case answered(name: DNSName, ipv4: FamilyResult, ipv6: FamilyResult)
  /// Every candidate was answered, and none has an address.
  case notFound(asked: [DNSName])
  case failed(LookupProblem)
}

/// Why nobody gave an answer: the last thing that went wrong.
package enum LookupProblem: Equatable, Sendable {
  /// What the server with this index said instead.
  case server(Int, DNSReply.Reason)
  case silent(Int)
  case unreachable(Int, errorNumber: Int32)
  /// The text is no name at all.
  case notAName
  /// Another source of names (NSS) was asked last.
  case system(String)
}
