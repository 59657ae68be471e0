/// How often the requests of one pool take a connection whose idle age lies within given windows.
///
/// Requests come as a Poisson stream of `rate` a second and are under way for `responseTime` seconds on average. docs/manual/prediction.md
/// derives what is computed here.
struct PoolModel {
  /// An idle time that the server may draw: a connection's life ends at `end`, and a request that takes it from `riskFrom` on is lost.
  struct Window: Equatable {
    var riskFrom: Double
    var end: Double
  }

  /// What one rank of the pool, or one size of it, adds.
  struct Term: Equatable {
    /// Newest first: the rank, 1 for the connection on top. Otherwise: how many connections the pool has.
    var connections: Int
    /// Requests a second that take it.
    var takenPerSecond: Double
    var lostPerSecond: Double
  }

  var rate: Double
  var responseTime: Double
  var poolSize: Int
  /// Equally likely.
  var windows: [Window]

  /// Requests that run at once, on average.
  private var load: Double { rate * responseTime }
  private var completionRate: Double { 1 / responseTime }

  /// What happens more rarely than this a second is left out: once in three thousand years.
  private static let negligible = 1e-11
  private static let negligibleShare = 1e-9
  /// Pools that the traffic of a day makes with less than this probability are left out.
  private static let negligibleGrowth = 1e-3
  private static let secondsOfADay = 86_400.0

  // MARK: The newest first

  /// The connection at rank k is taken when the requests under way become k, and has been idle since they became fewer than k:
  /// a stack is nested like brackets. So its idle age is the time that a birth-death chain takes from k - 1 to k.
  func newestFirst() -> [Term] {
    var terms: [Term] = []
    var sum = 0.0
    let earliest = windows.map(\.riskFrom).min() ?? 0
    var rank = 1
    while true {
      let taken = rate * RealFunctions.poisson(rank - 1, mean: load)
      if Double(rank) > load + 1, taken < Self.negligible { return terms }
      // What the ranks add rises and falls once.
      if let last = terms.last, last.lostPerSecond < sum * Self.negligibleShare { return terms }
      if mayIdle(rank, for: earliest) {
        let spectrum = passage(to: rank)
        let lost = average { window in
          spectrum.values.indices.reduce(0) {
            $0 + rate * spectrum.product($1)
              * Spectrum.integral(spectrum.values[$1], from: window.riskFrom, to: window.end)
          }
        }
        terms.append(Term(connections: rank, takenPerSecond: taken, lostPerSecond: taken * max(lost, 0)))
        sum += taken * max(lost, 0)
      }
      rank += 1
    }
  }

  /// The chain of requests under way below `rank`, which ends when they become that many, or when the pool is full of younger
  /// connections and lets go of this one.
  private func passage(to rank: Int) -> Spectrum {
    let lowest = max(0, rank - poolSize)
    let states = lowest..<rank
    let diagonal = states.map { rate + Double($0) * completionRate }
    let beside = states.dropFirst().map { -(rate * Double($0) * completionRate).squareRoot() }
    var start = [Double](repeating: 0, count: states.count)
    start[start.count - 1] = 1
    return Spectrum(diagonal: diagonal, beside: beside, left: start, right: start)
  }

  /// Whether the chain has an eigenvalue so small that something of exp(-value t) is left after `time`. Counts the eigenvalues
  /// below a bound by the signs of Sturm's sequence, which is much cheaper than finding them.
  private func mayIdle(_ rank: Int, for time: Double) -> Bool {
    guard time > 0 else { return true }
    let bound = 40 / time
    var pivot = 1.0
    for state in max(0, rank - poolSize)..<rank {
      let isFirst = state == max(0, rank - poolSize)
      let square = isFirst ? 0 : rate * Double(state) * completionRate
      pivot = rate + Double(state) * completionRate - bound - (isFirst ? 0 : square / pivot)
      if pivot < 0 { return true }
      if pivot == 0 { pivot = 1e-300 }
    }
    return false
  }

  // MARK: The oldest first, and any

  enum Order {
    case oldest
    case any
  }

  /// The number of connections, idle or not, rises when a request finds none idle and falls when one reaches its end; it changes
  /// slowly, so that all else is in balance for each number.
  func others(_ order: Order) -> [Term] {
    // Far fewer connections than requests that run at once do not occur.
    var count = max(0, Int(load - 8 * load.squareRoot()))
    var weights = [0.0]
    var terms = [term(order, count)]
    while true {
      let growth = rate * requestsUnderWay(atMost: count)[count]
      if Double(count) > load, growth * Self.secondsOfADay < Self.negligibleGrowth { break }
      count += 1
      let next = term(order, count)
      let shrinkage = max(next.shrinkage, 1e-300)
      weights.append(weights[weights.count - 1] + RealFunctions.logarithm(growth) - RealFunctions.logarithm(shrinkage))
      terms.append(next)
    }
    let largest = weights.max() ?? 0
    let shares = weights.map { RealFunctions.exponential($0 - largest) }
    let sum = shares.reduce(0, +)
    return zip(terms, shares).map { term, share in
      Term(
        connections: term.connections, takenPerSecond: rate * share / sum, lostPerSecond: term.lost * share / sum)
    }
  }

  private struct Balance {
    var connections: Int
    var lost = 0.0
    var shrinkage = 0.0
  }

  private func term(_ order: Order, _ count: Int) -> Balance {
    guard count > 0 else { return Balance(connections: 0) }
    var balance = Balance(connections: count)
    // What a pool has beyond its size, it has only until one more request ends: no connection grows old there.
    if count > poolSize {
      let underWay = requestsUnderWay(atMost: count)
      balance.shrinkage = Double(count - poolSize) * completionRate * underWay[count - poolSize]
      return balance
    }
    let (lost, expired) = order == .oldest ? oldestFirst(count) : anyOfThem(count)
    balance.lost = lost
    balance.shrinkage = lost + expired
    return balance
  }

  /// With m idle connections the oldest has been idle since the m-th last completion, and completions are a Poisson stream that
  /// does not depend on how many requests are under way now.
  private func oldestFirst(_ count: Int) -> (lost: Double, expired: Double) {
    let underWay = requestsUnderWay(atMost: count - 1)
    func mean(_ value: (_ idle: Int) -> Double) -> Double {
      underWay.indices.reduce(0) { $0 + underWay[$1] * value(count - $1) }
    }
    // That the m-th last completion is longer ago than a time: less than m completions since.
    func older(_ time: Double) -> Double { mean { RealFunctions.poisson(atMost: $0 - 1, mean: rate * time) } }
    let lost = average { window in
      let alive = max(1 - older(window.end), 1e-300)
      return rate * max(0, older(window.riskFrom) - older(window.end)) / alive
    }
    let expired = average { window in
      let alive = max(1 - older(window.end), 1e-300)
      return rate * mean { RealFunctions.poisson($0 - 1, mean: rate * window.end) } / alive
    }
    return (lost, expired)
  }

  /// Each idle connection is as likely to be taken. One that is watched from its completion on stays as long as the chain of the
  /// requests under way runs without taking it.
  private func anyOfThem(_ count: Int) -> (lost: Double, expired: Double) {
    let underWay = requestsUnderWay(atMost: count)
    let mean = underWay.indices.reduce(0) { $0 + underWay[$1] * Double($1) }
    let chain = survival(count, underWay)
    func alive(_ time: Double) -> Double {
      chain.values.indices.reduce(0) {
        $0 + chain.product($1) * RealFunctions.exponential(-chain.values[$1] * time)
      }
    }
    func between(_ window: Window) -> Double {
      chain.values.indices.reduce(0) {
        $0 + chain.product($1) * chain.values[$1]
          * Spectrum.integral(chain.values[$1], from: window.riskFrom, to: window.end)
      }
    }
    let idle = average { window in
      chain.values.indices.reduce(0) {
        $0 + chain.product($1)
          * Spectrum.integral(chain.values[$1], from: 0, to: window.end)
      }
    }
    // Connections that become idle in a second, such that those of all ages together are as many as are idle.
    let becomeIdle = (Double(count) - mean) / max(idle, 1e-300)
    return (becomeIdle * max(0, average(between)), becomeIdle * max(0, average { alive($0.end) }))
  }

  private func survival(_ count: Int, _ underWay: [Double]) -> Spectrum {
    let states = 0..<count
    func takes(_ state: Int) -> Double { rate / Double(count - state) }
    let diagonal = states.map { rate + Double($0) * completionRate }
    var logarithms = [0.0]
    var beside: [Double] = []
    for state in states.dropLast() {
      let up = rate - takes(state)
      let down = Double(state + 1) * completionRate
      beside.append(-(up * down).squareRoot())
      logarithms.append(logarithms[state] + RealFunctions.logarithm(up) - RealFunctions.logarithm(down))
    }
    // A completion leaves one request less under way.
    let starts = states.map { underWay[$0 + 1] * Double($0 + 1) }
    let sum = starts.reduce(0, +)
    let largest = logarithms.max() ?? 0
    let roots = logarithms.map { RealFunctions.exponential(($0 - largest) / 2) }
    let begin = zip(starts, roots).map { $1 > 0 ? $0 / sum / $1 : 0 }
    return Spectrum(diagonal: diagonal, beside: beside, left: begin, right: roots)
  }

  // MARK: -

  /// The distribution of the requests under way, given that they are at most so many.
  private func requestsUnderWay(atMost limit: Int) -> [Double] {
    let logarithm = RealFunctions.logarithm(load)
    let weights = (0...limit).map { Double($0) * logarithm - RealFunctions.logarithmOfFactorial($0) }
    let largest = weights.max() ?? 0
    let shares = weights.map { RealFunctions.exponential($0 - largest) }
    let sum = shares.reduce(0, +)
    return shares.map { $0 / sum }
  }

  private func average(_ value: (Window) -> Double) -> Double {
    windows.isEmpty ? 0 : windows.reduce(0) { $0 + value($1) } / Double(windows.count)
  }
}
