import Core
import Testing

/// Which server is asked for which name, and what the answers come to.
@Suite struct DNSLookupTests {
  private typealias Step = DNSLookup.Step

  private static func names(_ names: String...) -> [DNSName] { names.map { DNSName($0)! } }
  private static let one = DNSReply.addresses([.ipv4(1)], seconds: 9)
  private static let six = DNSReply.addresses([.ipv6(0, 1)], seconds: 7)

  /// Answers each ask by what `server` says, until the lookup ends.
  private func run(
    _ lookup: DNSLookup, asked: inout [DNSLookup.Ask], _ server: (DNSLookup.Ask) -> DNSLookup.Event
  ) -> LookupOutcome? {
    var lookup = lookup
    var waiting: [DNSLookup.Ask] = []
    var step = lookup.began()
    while asked.count < 1_000 {
      switch step {
      case .ask(let asks): waiting += asks
      case .wait: break
      case .finished(let outcome): return outcome
      }
      guard !waiting.isEmpty else { return nil }
      let ask = waiting.removeFirst()
      asked.append(ask)
      step = lookup.ended(ask.number, server(ask))
    }
    return nil
  }

  private func run(_ lookup: DNSLookup, _ server: (DNSLookup.Ask) -> DNSLookup.Event) -> LookupOutcome? {
    var asked: [DNSLookup.Ask] = []
    return run(lookup, asked: &asked, server)
  }

  @Test func bothFamiliesAreAskedForAtOnce() {
    var lookup = DNSLookup(candidates: Self.names("a"), serverCount: 1, attempts: 2)
    guard case .ask(let asks) = lookup.began() else {
      Issue.record("asks nobody")
      return
    }
    #expect(asks.map(\.family) == [.ipv4, .ipv6])
    #expect(lookup.ended(asks[1].number, .reply(Self.six)) == .wait)
    #expect(lookup.ended(asks[1].number, .reply(.nameNotFound)) == .wait, "it is over")
    #expect(
      lookup.ended(asks[0].number, .reply(Self.one))
        == .finished(
          .answered(
            name: Self.names("a")[0], ipv4: .addresses([.ipv4(1)], seconds: 9),
            ipv6: .addresses([.ipv6(0, 1)], seconds: 7))))
  }

  @Test func aCandidateThatDoesNotExistLeadsToTheNext() {
    let outcome = run(DNSLookup(candidates: Self.names("a.x", "a"), serverCount: 1, attempts: 1)) { ask in
      ask.name.description == "a.x"
        ? .reply(.nameNotFound) : .reply(ask.family == .ipv4 ? Self.one : .noAddresses)
    }
    #expect(outcome == .answered(name: Self.names("a")[0], ipv4: .addresses([.ipv4(1)], seconds: 9), ipv6: .none))
    let none = run(DNSLookup(candidates: Self.names("a.x", "a"), serverCount: 1, attempts: 1)) { _ in
      .reply(.noAddresses)
    }
    #expect(none == .notFound(asked: Self.names("a.x", "a")))
  }

  @Test func serversThatDoNotAnswerAreAskedInRounds() {
    var asked: [DNSLookup.Ask] = []
    let outcome = run(DNSLookup(candidates: Self.names("a.x", "a"), serverCount: 2, attempts: 2), asked: &asked) { _ in
      .timedOut
    }
    #expect(asked.filter { $0.family == .ipv4 }.map(\.server) == [0, 1, 0, 1])
    #expect(outcome == .failed(.silent(1)), "no further candidate: nobody would answer for it either")
  }

  @Test func aServerThatSaysThatItCannotIsNotAskedAgain() {
    var asked: [DNSLookup.Ask] = []
    let outcome = run(DNSLookup(candidates: Self.names("a"), serverCount: 2, attempts: 2), asked: &asked) { ask in
      ask.server == 0 ? .reply(.failed(.refused)) : .timedOut
    }
    #expect(asked.filter { $0.family == .ipv6 }.map(\.server) == [0, 1, 1])
    #expect(outcome == .failed(.silent(1)))
  }

  @Test func theNextServerAnswersForOneThatFails() {
    let outcome = run(DNSLookup(candidates: Self.names("a"), serverCount: 2, attempts: 1)) { ask in
      ask.server == 0 ? .unreachable(111) : .reply(ask.family == .ipv4 ? Self.one : .nameNotFound)
    }
    #expect(outcome == .answered(name: Self.names("a")[0], ipv4: .addresses([.ipv4(1)], seconds: 9), ipv6: .none))
  }

  @Test func aFailedCandidateIsPassedOverUnlessItAnsweredBefore() {
    let names = Self.names("a.x", "a")
    func server(_ ask: DNSLookup.Ask) -> DNSLookup.Event {
      .reply(ask.name == names[0] ? .failed(.serverFailed) : Self.one)
    }
    let fresh = run(DNSLookup(candidates: names, serverCount: 1, attempts: 2), server)
    guard case .answered(let name, _, _) = fresh else {
      Issue.record("\(String(describing: fresh))")
      return
    }
    #expect(name == names[1])
    let known = run(DNSLookup(candidates: names, serverCount: 1, attempts: 2, preferred: names[0]), server)
    #expect(known == .failed(.server(0, .serverFailed)))
    let lost = run(DNSLookup(candidates: names, serverCount: 1, attempts: 2)) { ask in
      .reply(ask.name == names[0] ? .failed(.serverFailed) : .nameNotFound)
    }
    #expect(lost == .failed(.server(0, .serverFailed)), "it may exist: nobody has said that it does not")
  }

  @Test func oneFamilyMayFailAlone() {
    let outcome = run(DNSLookup(candidates: Self.names("a"), serverCount: 1, attempts: 1)) { ask in
      ask.family == .ipv4 ? .reply(Self.one) : .timedOut
    }
    #expect(outcome == .answered(name: Self.names("a")[0], ipv4: .addresses([.ipv4(1)], seconds: 9), ipv6: .failed))
    let missing = run(DNSLookup(candidates: Self.names("a"), serverCount: 1, attempts: 1)) { ask in
      ask.family == .ipv4 ? .reply(.nameNotFound) : .reply(.failed(.notImplemented))
    }
    #expect(missing == .notFound(asked: Self.names("a")), "NXDOMAIN is about the name")
  }

  @Test func aTruncatedAnswerIsAskedForAgainOverTCP() {
    var asked: [DNSLookup.Ask] = []
    let outcome = run(DNSLookup(candidates: Self.names("a"), serverCount: 1, attempts: 1), asked: &asked) { ask in
      guard ask.family == .ipv4 else { return .reply(.noAddresses) }
      return .reply(ask.isStream ? Self.one : .truncated)
    }
    #expect(asked.filter { $0.family == .ipv4 }.map(\.isStream) == [false, true])
    #expect(outcome == .answered(name: Self.names("a")[0], ipv4: .addresses([.ipv4(1)], seconds: 9), ipv6: .none))
    let twice = run(DNSLookup(candidates: Self.names("a"), serverCount: 1, attempts: 1)) { _ in .reply(.truncated) }
    #expect(twice == .failed(.server(0, .malformed)))
  }

  /// Whatever servers answer, a lookup ends, within the number of asks that its settings allow.
  @Test(arguments: 0..<32) func everyLookupEnds(_ seed: UInt64) {
    var random = SeededNumbers(seed: seed)
    for _ in 0..<200 {
      let candidates = (0...Int.random(in: 0...3, using: &random)).map { DNSName("n\($0)")! }
      let servers = Int.random(in: 1...4, using: &random)
      let attempts = Int.random(in: 1...3, using: &random)
      var asked: [DNSLookup.Ask] = []
      let lookup = DNSLookup(
        candidates: candidates, serverCount: servers, attempts: attempts,
        preferred: Bool.random(using: &random) ? candidates.randomElement(using: &random) : nil)
      let outcome = run(lookup, asked: &asked) { ask in
        switch Int.random(in: 0...6, using: &random) {
        case 0: .reply(ask.family == .ipv4 ? Self.one : Self.six)
        case 1: .reply(.noAddresses)
        case 2: .reply(.nameNotFound)
        case 3: .reply(.truncated)
        case 4: .reply(.failed(.serverFailed))
        case 5: .timedOut
        default: .unreachable(1)
        }
      }
      #expect(outcome != nil, "seed \(seed)")
      // Each of both families, each server in each round, over UDP and once more over TCP.
      #expect(asked.count <= candidates.count * 2 * servers * attempts * 2, "seed \(seed)")
      #expect(Set(asked.map(\.number)).count == asked.count, "seed \(seed)")
    }
  }
}
