package import Core

/// The only source of chance in a simulation: SplitMix64, so that a seed replays the same world on every machine.
package struct RandomSource: RandomNumberGenerator {
  private var state: UInt64

  package init(seed: UInt64) {
    // Neighbouring seeds must not start neighbouring sequences.
    state = seed &* 0xD134_2543_DE82_EF95 &+ 0x2545_F491_4F6C_DD1D
    _ = next()
  }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// A number of `0..<bound`; 0 when `bound` is not positive.
  package mutating func below(_ bound: Int64) -> Int64 {
    guard bound > 0 else { return 0 }
    return Int64(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// A number between both bounds, either included.
  package mutating func between(_ low: Int64, _ high: Int64) -> Int64 {
    low + below(high - low + 1)
  }

  /// True in `perMille` of 1,000 cases.
  package mutating func chance(perMille: Int64) -> Bool {
    guard perMille > 0 else { return false }
    return below(1_000) < perMille
  }

  /// A span between both bounds, either included.
  package mutating func span(_ low: Nanoseconds, _ high: Nanoseconds) -> Nanoseconds {
    Nanoseconds(between(low.count, high.count))
  }

  /// One of the choices, each as likely as its weight.
  package mutating func pick<Choice>(_ choices: [(weight: Int64, choice: Choice)]) -> Choice {
    var total: Int64 = 0
    for entry in choices { total += entry.weight }
    precondition(total > 0, "a choice needs a weight")
    var left = below(total)
    for entry in choices {
      left -= entry.weight
      if left < 0 { return entry.choice }
    }
    return choices[choices.count - 1].choice
  }
}
