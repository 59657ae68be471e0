/// Chooses the server of an upstream that gets a request. One for each upstream of each thread; it allocates nothing per choice.
///
/// ```
/// var balancer = Balancer(settings.balance, servers: identities, thread: 0)   // identities: hash.hash(address as text)
/// let key = hashKey?.key(head, bytes, fields, clientAddress: address)
/// let index = balancer.choose(tried: call.tried, key: key, using: &random) { index in
///   Candidate(isAvailable: ..., isBackup: ..., weight: ..., share: ..., requestsUnderWay: ...)
/// }
/// ```
///
/// Of the servers that this exchange has not tried, and whose weight is not 0, those of the first of these groups that is not
/// empty take part:
///
/// | group | servers |
/// |---|---|
/// | 1 | available, not backup |
/// | 2 | available, backup |
/// | 3 | not available, not backup: to ask one that is said to be unhealthy is better than to fail without asking |
/// | 4 | not available, backup |
package struct Balancer: Sendable {
  private enum Method: Sendable, BitwiseCopyable {
    case roundRobin
    case leastRequests
    case powerOfTwo
    case hash
  }

  private let method: Method
  /// Names each server on every thread and machine.
  private var identities: [UInt64]
  /// Smooth weighted round robin: what each server is owed, in parts of weights.
  private var owed: [Int64]
  /// Where the search for the least begins, so that equals take turns.
  private var turn = 0
  /// Choices that are made in vain at the start, so that not every thread begins with the same server.
  private var choicesToSkip: Int

  /// - Parameters:
  ///   - servers: what tells the servers apart, in the order of their indices: a ``StableHash`` of the address.
  ///   - thread: the number of the thread.
  package init(_ balance: Balance, servers: [UInt64], thread: Int = 0) {
    switch balance {
    case .roundRobin: method = .roundRobin
    case .leastRequests: method = .leastRequests
    case .powerOfTwo: method = .powerOfTwo
    case .hash: method = .hash
    }
    identities = servers
    owed = Array(repeating: 0, count: servers.count)
    turn = servers.isEmpty ? 0 : thread % servers.count
    choicesToSkip = thread % max(1, min(servers.count, 64))
  }

  /// The servers have changed: names resolved to other addresses, or the settings did. Those that stay keep their turns.
  package mutating func serversChanged(_ servers: [UInt64]) {
    var kept: [UInt64: Int64] = [:]
    for (index, identity) in identities.enumerated() { kept[identity] = owed[index] }
    identities = servers
    owed = servers.map { kept[$0] ?? 0 }
    turn = 0
  }

  /// The index of the server to ask; nil when there is none that was not tried and has a weight.
  ///
  /// - Parameters:
  ///   - tried: servers that this exchange has asked already.
  ///   - key: for ``Balance/hash(_:)``; nil (the request has no such field) takes turns.
  ///   - random: only drawn from for ``Balance/powerOfTwo``.
  ///   - candidate: tells of the server of an index below the number of servers.
  @inline(__always)
  package mutating func choose(
    tried: TriedServers, key: UInt64? = nil, using random: inout some RandomNumberGenerator,
    _ candidate: (Int) -> Candidate
  ) -> Int? {
    if identities.count == 1 {
      return tried.contains(0) || candidate(0).weight == 0 ? nil : 0
    }
    guard let group = group(tried, candidate) else { return nil }
    switch method {
    case .roundRobin: return chooseByTurns(group, tried, candidate)
    case .leastRequests: return chooseLeast(group, tried, candidate)
    case .powerOfTwo: return chooseOfTwo(group, tried, using: &random, candidate)
    case .hash:
      guard let key else { return chooseByTurns(group, tried, candidate) }
      return chooseByKey(group, tried, key, candidate)
    }
  }

  // MARK: - Who takes part

  private struct Group {
    var isAvailable: Bool
    var isBackup: Bool
  }

  private func group(_ tried: TriedServers, _ candidate: (Int) -> Candidate) -> Group? {
    var hasSpare = false
    var hasUnhealthy = false
    var hasUnhealthySpare = false
    for index in 0..<identities.count where !tried.contains(index) {
      let one = candidate(index)
      if one.weight == 0 { continue }
      switch (one.isAvailable, one.isBackup) {
      case (true, false): return Group(isAvailable: true, isBackup: false)
      case (true, true): hasSpare = true
      case (false, false): hasUnhealthy = true
      case (false, true): hasUnhealthySpare = true
      }
    }
    if hasSpare { return Group(isAvailable: true, isBackup: true) }
    if hasUnhealthy { return Group(isAvailable: false, isBackup: false) }
    return hasUnhealthySpare ? Group(isAvailable: false, isBackup: true) : nil
  }

  @inline(__always)
  private func takesPart(_ index: Int, _ one: Candidate, _ group: Group, _ tried: TriedServers) -> Bool {
    one.weight != 0 && one.isAvailable == group.isAvailable && one.isBackup == group.isBackup && !tried.contains(index)
  }

  // MARK: - Methods

  /// Smooth weighted round robin: each is owed its weight, the one that is owed most pays for all. Weights 5, 1, 1 give
  /// a a b a c a a.
  private mutating func chooseByTurns(_ group: Group, _ tried: TriedServers, _ candidate: (Int) -> Candidate) -> Int? {
    while choicesToSkip > 0 {
      choicesToSkip -= 1
      _ = nextByTurns(group, tried, candidate)
    }
    return nextByTurns(group, tried, candidate)
  }

  private mutating func nextByTurns(_ group: Group, _ tried: TriedServers, _ candidate: (Int) -> Candidate) -> Int? {
    var total: Int64 = 0
    var best = -1
    for index in 0..<identities.count {
      let one = candidate(index)
      guard takesPart(index, one, group, tried) else { continue }
      let weight = Int64(one.effectiveWeight)
      total &+= weight
      owed[index] &+= weight
      if best < 0 || owed[index] > owed[best] { best = index }
    }
    guard best >= 0 else { return nil }
    owed[best] &-= total
    return best
  }

  /// The fewest requests for its weight, this one included.
  private mutating func chooseLeast(_ group: Group, _ tried: TriedServers, _ candidate: (Int) -> Candidate) -> Int? {
    var best = -1
    var bestRequests: UInt64 = 0
    var bestWeight: UInt64 = 1
    let count = identities.count
    for step in 0..<count {
      let index = turn &+ step < count ? turn &+ step : turn &+ step &- count
      let one = candidate(index)
      guard takesPart(index, one, group, tried) else { continue }
      let requests = UInt64(one.requestsUnderWay) &+ 1
      if best < 0 || Self.isLess(requests, one.effectiveWeight, bestRequests, bestWeight) {
        best = index
        bestRequests = requests
        bestWeight = one.effectiveWeight
      }
    }
    guard best >= 0 else { return nil }
    turn = best &+ 1 < count ? best &+ 1 : 0
    return best
  }

  /// Two different ones, drawn as their weights have it; the one with fewer requests for its weight, else the first.
  private func chooseOfTwo(
    _ group: Group, _ tried: TriedServers, using random: inout some RandomNumberGenerator,
    _ candidate: (Int) -> Candidate
  ) -> Int? {
    var total: UInt64 = 0
    for index in 0..<identities.count {
      let one = candidate(index)
      if takesPart(index, one, group, tried) { total &+= one.effectiveWeight }
    }
    guard total > 0,
      let first = draw(below: total, group, tried, without: -1, using: &random, candidate)
    else { return nil }
    let one = candidate(first)
    guard total > one.effectiveWeight,
      let second = draw(
        below: total &- one.effectiveWeight, group, tried, without: first, using: &random, candidate)
    else { return first }
    let other = candidate(second)
    let isBetter = Self.isLess(
      UInt64(other.requestsUnderWay), other.effectiveWeight, UInt64(one.requestsUnderWay), one.effectiveWeight)
    return isBetter ? second : first
  }

  private func draw(
    below total: UInt64, _ group: Group, _ tried: TriedServers, without excluded: Int,
    using random: inout some RandomNumberGenerator, _ candidate: (Int) -> Candidate
  ) -> Int? {
    var left = random.next(upperBound: total)
    for index in 0..<identities.count where index != excluded {
      let one = candidate(index)
      guard takesPart(index, one, group, tried) else { continue }
      if left < one.effectiveWeight { return index }
      left &-= one.effectiveWeight
    }
    return nil
  }

  /// Weighted rendezvous: each server draws a number for the key, and the greatest wins. When a server goes, only its keys
  /// move; when one comes, it takes its share from all, and no key moves between others.
  private func chooseByKey(
    _ group: Group, _ tried: TriedServers, _ key: UInt64, _ candidate: (Int) -> Candidate
  ) -> Int? {
    var best = -1
    var bestDraw: UInt64 = 0
    var bestWeight: UInt64 = 0
    for index in 0..<identities.count {
      let one = candidate(index)
      guard takesPart(index, one, group, tried) else { continue }
      let draw = RendezvousDraw.number(key: key, identity: identities[index])
      let weight = one.effectiveWeight
      if best < 0 || RendezvousDraw.isGreater(draw, weight, bestDraw, bestWeight) {
        best = index
        bestDraw = draw
        bestWeight = weight
      }
    }
    return best < 0 ? nil : best
  }

  /// Whether `requests` for `weight` are fewer than `others` for `otherWeight`.
  @inline(__always)
  private static func isLess(_ requests: UInt64, _ weight: UInt64, _ others: UInt64, _ otherWeight: UInt64) -> Bool {
    let left = requests.multipliedFullWidth(by: otherWeight)
    let right = others.multipliedFullWidth(by: weight)
    return left.high == right.high ? left.low < right.low : left.high < right.high
  }
}
