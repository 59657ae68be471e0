/// A map from byte strings to numbers that is built once and then only read: open addressing, nothing allocated by a look-up.
///
/// All keys come from the settings, so whoever sends requests can make no collisions but those that the settings hold.
struct PatternTable: Sendable {
  private struct Entry: Sendable {
    var hash: UInt64
    var start: Int
    var count: Int
    var value: Int
  }

  /// Index of an entry plus one; 0 is empty. At most half full, so that a miss ends soon.
  private var slots: [UInt32] = []
  private var entries: [Entry] = []
  private var keys: [UInt8] = []
  private(set) var longestKey = 0

  /// - Parameters:
  ///   - pairs: keys, each once, with their values.
  ///   - isReversed: whether look-ups hash from the last byte to the first.
  init(_ pairs: [(key: [UInt8], value: Int)], isReversed: Bool = false) {
    guard !pairs.isEmpty else { return }
    var size = 4
    while size < pairs.count * 2 { size *= 2 }
    slots = Array(repeating: 0, count: size)
    for (key, value) in pairs {
      var hash = PatternHash()
      if isReversed {
        for byte in key.reversed() { hash.add(byte) }
      } else {
        for byte in key { hash.add(byte) }
      }
      var slot = Int(truncatingIfNeeded: hash.value) & (size - 1)
      while slots[slot] != 0 { slot = (slot + 1) & (size - 1) }
      entries.append(Entry(hash: hash.value, start: keys.count, count: key.count, value: value))
      slots[slot] = UInt32(entries.count)
      keys += key
      longestKey = max(longestKey, key.count)
    }
  }

  @inline(__always)
  var isEmpty: Bool { entries.isEmpty }

  /// The value of the key that the bytes of `range` spell.
  ///
  /// - Parameters:
  ///   - hash: of those bytes, letters in lower case when `foldsCase`.
  ///   - foldsCase: whether the letters of the bytes are taken in lower case, as those of the keys are.
  @inline(__always)
  func value(_ hash: PatternHash, _ bytes: RawSpan, _ range: ByteRange, foldsCase: Bool) -> Int? {
    if isEmpty || range.count > longestKey { return nil }
    return probe(hash.value, bytes, range, foldsCase)
  }

  private func probe(_ hash: UInt64, _ bytes: RawSpan, _ range: ByteRange, _ foldsCase: Bool) -> Int? {
    let mask = slots.count &- 1
    var slot = Int(truncatingIfNeeded: hash) & mask
    while slots[slot] != 0 {
      let entry = entries[Int(slots[slot]) &- 1]
      if entry.hash == hash, entry.count == range.count, isSame(entry, bytes, range, foldsCase) { return entry.value }
      slot = (slot &+ 1) & mask
    }
    return nil
  }

  private func isSame(_ entry: Entry, _ bytes: RawSpan, _ range: ByteRange, _ foldsCase: Bool) -> Bool {
    for index in 0..<entry.count {
      let byte = bytes.byte(at: range.start &+ index)
      if keys[entry.start &+ index] != (foldsCase ? ByteClass.lowercased(byte) : byte) { return false }
    }
    return true
  }
}

/// A running hash (FNV-1a, mixed at the end), so that every prefix of a path is hashed in one pass.
struct PatternHash: BitwiseCopyable {
  private var state: UInt64 = 0xcbf2_9ce4_8422_2325

  @inline(__always)
  mutating func add(_ byte: UInt8) {
    state = (state ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
  }

  @inline(__always)
  var value: UInt64 { state ^ (state &>> 29) }
}

extension RawSpan {
  /// Whether the bytes of `range` are exactly `wanted`.
  @inline(__always)
  func equals(_ wanted: [UInt8], at range: ByteRange) -> Bool {
    guard wanted.count == range.count else { return false }
    for index in 0..<wanted.count where byte(at: range.start &+ index) != wanted[index] { return false }
    return true
  }

  /// Whether the bytes of `range`, letters in lower case, are `wanted`, which has no upper case.
  @inline(__always)
  func equalsFolded(_ wanted: [UInt8], at range: ByteRange) -> Bool {
    guard wanted.count == range.count else { return false }
    for index in 0..<wanted.count where ByteClass.lowercased(byte(at: range.start &+ index)) != wanted[index] {
      return false
    }
    return true
  }

  /// Whether the bytes of `range` hold `wanted` somewhere.
  func contains(_ wanted: [UInt8], in range: ByteRange) -> Bool {
    guard wanted.count <= range.count else { return false }
    for offset in 0...(range.count - wanted.count)
    where equals(wanted, at: ByteRange(offset: range.start + offset, count: wanted.count)) {
      return true
    }
    return false
  }
}
