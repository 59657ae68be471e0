import Core

/// Writes messages as a name server does, and wrong ones.
struct DNSMessage {
  var bytes: [UInt8]

  /// A response with the question of `query` and nothing behind it.
  init(answering query: DNSQuery, code: UInt8 = 0, flags: UInt16 = 0x8180, answers: Int = 0) {
    let word = flags | UInt16(code)
    bytes = Array(query.bytes[0..<2]) + [UInt8(word >> 8), UInt8(truncatingIfNeeded: word)]
    bytes += [0, 1, UInt8(answers >> 8), UInt8(answers & 0xff), 0, 0, 0, 0] + query.bytes[12...]
  }

  /// - Parameter owner: a name in wire form with its end; a pointer to the question without one.
  mutating func add(
    owner: [UInt8] = [0xc0, 12], type: UInt16, recordClass: UInt16 = 1, ttl: UInt32 = 60, _ data: [UInt8]
  ) {
    bytes += owner + [UInt8(type >> 8), UInt8(type & 0xff), UInt8(recordClass >> 8), UInt8(recordClass & 0xff)]
    for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: ttl >> UInt32(shift))) }
    bytes += [UInt8(data.count >> 8), UInt8(data.count & 0xff)] + data
    let count = (Int(bytes[6]) << 8 | Int(bytes[7])) + 1
    bytes[6] = UInt8(count >> 8)
    bytes[7] = UInt8(count & 0xff)
  }

  mutating func addAddress(owner: [UInt8] = [0xc0, 12], ttl: UInt32 = 60, _ value: UInt32) {
    add(owner: owner, type: 1, ttl: ttl, [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> UInt32($0)) })
  }

  mutating func addAlias(owner: [UInt8] = [0xc0, 12], ttl: UInt32 = 60, to name: String) {
    add(owner: owner, type: 5, ttl: ttl, Self.wire(name))
  }

  static func wire(_ name: String) -> [UInt8] { DNSName(name)!.wire + [0] }

  func read(as query: DNSQuery) -> DNSReply { DNSReply(bytes.rawSpan, to: query) }
}
