import Analysis
import Foundation

/// A pool, request by request, as an independent check of the model: it knows no formula of it.
struct PoolSimulation {
  private struct Idle {
    var since: Double
    /// When the server's FIN leaves.
    var closes: Double
  }

  var rate: Double
  var responseTime: Double
  /// Whether each response takes as long; otherwise it is drawn from an exponential distribution.
  var isSteady = false
  var order = PoolOrder.newest
  var poolSize = 1_000
  var serverIdle: Double
  var jitter = 0.0
  var proxyIdle = Double.infinity
  var risk: Double

  /// Numerical Recipes' 64-bit generator after L'Ecuyer: another one than the program's.
  private struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return state &* 2_685_821_657_736_338_717
    }

    mutating func exponential() -> Double { -log(1 - Double.random(in: 0..<1, using: &self)) }
  }

  /// Requests lost, and the seconds in which `count` requests came.
  func run(count: Int, seed: UInt64) -> (lost: Int, seconds: Double) {
    var generator = Generator(state: seed &* 0x9e37_79b9_7f4a_7c15 | 1)
    var now = 0.0
    // Ends of the requests under way, soonest last; idle connections, oldest first.
    var busy: [Double] = []
    var idle: [Idle] = []
    var lost = 0
    for _ in 0..<count {
      now += generator.exponential() / rate
      while let end = busy.last, end <= now {
        busy.removeLast()
        idle.removeAll { $0.closes <= end || end - $0.since >= proxyIdle }
        let drawn = jitter > 0 ? Double.random(in: -jitter...jitter, using: &generator) : 0
        idle.append(Idle(since: end, closes: end + serverIdle + drawn))
        if idle.count > poolSize { idle.removeFirst() }
      }
      idle.removeAll { $0.closes <= now || now - $0.since >= proxyIdle }
      if let index = choice(idle.count, &generator), idle.remove(at: index).closes - risk <= now {
        lost += 1
        continue
      }
      let end = now + responseTime * (isSteady ? 1 : generator.exponential())
      busy.insert(end, at: busy.firstIndex { $0 < end } ?? busy.count)
    }
    return (lost, now)
  }

  private func choice(_ count: Int, _ generator: inout Generator) -> Int? {
    guard count > 0 else { return nil }
    return switch order {
    case .newest: count - 1
    case .oldest: 0
    case .random: Int.random(in: 0..<count, using: &generator)
    }
  }
}
