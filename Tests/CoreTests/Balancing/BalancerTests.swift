import Testing

@testable import Core

@Suite struct BalancerTests {
  private static let hash = StableHash(upstream: "upstream")

  private static func identities(_ count: Int) -> [UInt64] {
    (0..<count).map { hash.hash(Array("10.0.0.\($0):80".utf8)) }
  }

  private static let methods: [Balance] = [.roundRobin, .leastRequests, .powerOfTwo, .hash(.target)]

  /// The choices for a fixed state of the servers.
  private func choices(
    _ balancer: inout Balancer, _ servers: [Candidate], _ count: Int, tried: TriedServers = TriedServers(),
    seed: UInt64 = 1
  ) -> [Int?] {
    var random = SeededNumbers(seed: seed)
    return (0..<count).map { number in
      balancer.choose(tried: tried, key: UInt64(number), using: &random) { servers[$0] }
    }
  }

  // MARK: - Who takes part

  @Test(arguments: methods) func theFirstGroupThatIsNotEmptyTakesPart(method: Balance) {
    for seed in 0..<300 as Range<UInt64> {
      var random = SeededNumbers(seed: seed)
      let servers = (0..<Int.random(in: 1...6, using: &random)).map { _ in
        Candidate(
          isAvailable: Bool.random(using: &random), isBackup: Bool.random(using: &random),
          weight: UInt32.random(in: 0...3, using: &random), share: [1, 500, 1_024].randomElement(using: &random)!,
          requestsUnderWay: UInt32.random(in: 0...3, using: &random))
      }
      var tried = TriedServers()
      var triedList: Set<Int> = []
      for index in servers.indices where Int.random(in: 0...3, using: &random) == 0 {
        tried.insert(index)
        triedList.insert(index)
      }
      let open = servers.indices.filter { servers[$0].weight > 0 && !triedList.contains($0) }
      let groups = [(true, false), (true, true), (false, false), (false, true)].map { available, backup in
        open.filter { servers[$0].isAvailable == available && servers[$0].isBackup == backup }
      }
      let expected = groups.first { !$0.isEmpty }
      var balancer = Balancer(method, servers: Self.identities(servers.count), thread: Int(seed % 5))
      for chosen in choices(&balancer, servers, 8, tried: tried, seed: seed) {
        if let chosen {
          #expect(expected?.contains(chosen) == true, "seed \(seed): \(servers), tried \(triedList), got \(chosen)")
        } else {
          #expect(expected == nil, "seed \(seed)")
        }
      }
    }
  }

  @Test func noServersNoChoice() {
    var balancer = Balancer(.roundRobin, servers: [])
    #expect(choices(&balancer, [], 1) == [nil])
  }

  // MARK: - Turns

  @Test func turnsAreSmooth() {
    var balancer = Balancer(.roundRobin, servers: Self.identities(3))
    let servers = [Candidate(weight: 5), Candidate(weight: 1), Candidate(weight: 1)]
    #expect(choices(&balancer, servers, 14) == [0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0])
  }

  @Test func turnsAreExactOverARound() {
    for seed in 0..<50 as Range<UInt64> {
      var random = SeededNumbers(seed: seed)
      let servers = (0..<4).map { _ in Candidate(weight: UInt32.random(in: 1...9, using: &random)) }
      let round = servers.reduce(0) { $0 + Int($1.weight) }
      var balancer = Balancer(.roundRobin, servers: Self.identities(4))
      for _ in 0..<3 {
        let counts = Dictionary(grouping: choices(&balancer, servers, round).compactMap { $0 }) { $0 }
        for (index, server) in servers.enumerated() {
          #expect(counts[index]?.count == Int(server.weight), "seed \(seed)")
        }
      }
    }
  }

  @Test func threadsBeginWithDifferentServers() {
    let servers = Array(repeating: Candidate(), count: 3)
    let first = (0..<3).map { thread in
      var balancer = Balancer(.roundRobin, servers: Self.identities(3), thread: thread)
      return choices(&balancer, servers, 1)[0]
    }
    #expect(first == [0, 1, 2])
  }

  @Test func aServerThatStartsSlowlyGetsItsShare() {
    var balancer = Balancer(.roundRobin, servers: Self.identities(2))
    let servers = [Candidate(share: 256), Candidate()]
    let counts = choices(&balancer, servers, 500).filter { $0 == 0 }.count
    #expect(counts == 100)
  }

  @Test func serversThatStayKeepTheirTurns() {
    let all = Self.identities(3)
    var balancer = Balancer(.roundRobin, servers: all)
    let servers = Array(repeating: Candidate(), count: 3)
    #expect(choices(&balancer, servers, 2) == [0, 1])
    balancer.serversChanged([all[2], all[0]])
    #expect(choices(&balancer, servers, 1) == [0], "the third server was owed the next turn")
  }

  // MARK: - Load

  @Test func leastRequestsTakesTheLeastForItsWeight() {
    for seed in 0..<300 as Range<UInt64> {
      var random = SeededNumbers(seed: seed)
      let servers = (0..<5).map { _ in
        Candidate(
          weight: UInt32.random(in: 1...4, using: &random), requestsUnderWay: UInt32.random(in: 0...5, using: &random))
      }
      let loads = servers.map { Double($0.requestsUnderWay + 1) / Double($0.weight) }
      var balancer = Balancer(.leastRequests, servers: Self.identities(5), thread: Int(seed))
      let chosen = choices(&balancer, servers, 1)[0]!
      #expect(abs(loads[chosen] - loads.min()!) < 1e-9, "seed \(seed)")
    }
  }

  @Test func equalsTakeTurns() {
    var balancer = Balancer(.leastRequests, servers: Self.identities(3))
    #expect(choices(&balancer, Array(repeating: Candidate(), count: 3), 6) == [0, 1, 2, 0, 1, 2])
  }

  @Test func ofTwoTheLighterIsTaken() {
    var balancer = Balancer(.powerOfTwo, servers: Self.identities(2))
    let servers = [Candidate(requestsUnderWay: 3), Candidate(requestsUnderWay: 2)]
    #expect(choices(&balancer, servers, 20).allSatisfy { $0 == 1 })
    var three = Balancer(.powerOfTwo, servers: Self.identities(3))
    let loaded = [Candidate(requestsUnderWay: 9), Candidate(), Candidate()]
    let counts = choices(&three, loaded, 3_000).map { $0! }
    #expect(counts.filter { $0 == 0 }.count == 0, "two different ones are drawn")
    #expect((1_300...1_700).contains(counts.filter { $0 == 1 }.count))
  }

  @Test func idleServersAreDrawnByWeight() {
    var balancer = Balancer(.powerOfTwo, servers: Self.identities(2))
    let servers = [Candidate(weight: 3), Candidate(weight: 1)]
    let counts = choices(&balancer, servers, 4_000).filter { $0 == 0 }.count
    #expect((2_850...3_150).contains(counts), "\(counts)")
  }

  // MARK: - Keys

  private func owners(_ servers: [Candidate], identities: [UInt64], keys: Int = 20_000) -> [UInt64] {
    var balancer = Balancer(.hash(.target), servers: identities, thread: 3)
    var random = SeededNumbers(seed: 1)
    return (0..<keys).map { number in
      let key = Self.hash.hash(Array("/page/\(number)".utf8))
      return identities[balancer.choose(tried: TriedServers(), key: key, using: &random) { servers[$0] }!]
    }
  }

  @Test func keysFallAsTheWeightsHaveIt() {
    let identities = Self.identities(4)
    let servers = [1, 2, 3, 4].map { Candidate(weight: $0) }
    let owned = owners(servers, identities: identities)
    for index in 0..<4 {
      let share = Double(owned.filter { $0 == identities[index] }.count) / 20_000
      #expect(abs(share - Double(index + 1) / 10) < 0.015, "\(index): \(share)")
    }
  }

  @Test func onlyTheKeysOfAServerThatGoesMove() {
    let identities = Self.identities(5)
    var servers = [1, 2, 1, 3, 1].map { Candidate(weight: $0) }
    let before = owners(servers, identities: identities)
    servers[3].isAvailable = false
    let unhealthy = owners(servers, identities: identities)
    let gone = owners(
      servers.enumerated().filter { $0.offset != 3 }.map(\.element),
      identities: identities.enumerated().filter { $0.offset != 3 }.map(\.element))
    for (old, new) in zip(before, gone) { #expect(old == new || old == identities[3]) }
    #expect(unhealthy == gone)
    #expect(zip(before, gone).contains { $0 != $1 })
  }

  @Test func aServerThatGrowsTakesFromAllAndGivesNothing() {
    let identities = Self.identities(3)
    let before = owners([1, 1, 1].map { Candidate(weight: $0) }, identities: identities)
    let after = owners([1, 2, 1].map { Candidate(weight: $0) }, identities: identities)
    var moved = 0
    for (old, new) in zip(before, after) where old != new {
      moved += 1
      #expect(new == identities[1])
    }
    // From a third to a half.
    #expect(abs(Double(moved) / 20_000 - 1.0 / 6) < 0.015)
  }

  @Test func theOrderOfServersDoesNotMatter() {
    let identities = Self.identities(4)
    let servers = [1, 2, 3, 4].map { Candidate(weight: $0) }
    #expect(
      owners(servers, identities: identities)
        == owners(servers.reversed(), identities: identities.reversed()))
  }

  @Test func logarithmIsOne() {
    // Values from a table, to ten digits.
    for (value, expected) in [
      (0.5, -0.693_147_180_6), (1.0, 0.0), (2.718_281_828_459_045, 1.0), (1e-9, -20.723_265_836_9),
      (0.999_999, -0.000_001_000_000_5), (0.7, -0.356_674_943_9), (0x1p-53, -36.736_800_569_7),
    ] {
      #expect(abs(RendezvousDraw.logarithm(value) - expected) < 1e-9 * max(1, abs(expected)), "\(value)")
    }
  }
}
