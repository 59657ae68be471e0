/// SplitMix64 (Steele, Lea, Flood, 2014): a seed gives always the same numbers.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  package init(seed: UInt64) { state = seed }

  package mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
  }

  /// True in `share` of all draws, 0 to 1. Draws nothing for 0.
  package mutating func chance(_ share: Double) -> Bool {
    share > 0 && Double.random(in: 0..<1, using: &self) < share
  }
}
