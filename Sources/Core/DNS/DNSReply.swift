/// What a message from a name server says about a query. Nothing in it is trusted: see ``init(_:to:)``.
package enum DNSReply: Equatable, Sendable {
  /// The addresses of one family, and for how long they may be believed. At least one.
  case addresses([DNSAddress], seconds: UInt32)
  /// The name exists and has no address of the family.
  case noAddresses
  /// The name does not exist (NXDOMAIN).
  case nameNotFound
  /// The answer did not fit: it is to be asked for again over TCP.
  case truncated
  /// The server does not answer the question; another one may.
  case failed(Reason)
  /// No answer to this query, whoever sent it: the answer may still come.
  case stray

  package enum Reason: Equatable, Sendable, CustomStringConvertible {
    case formatError, serverFailed, notImplemented, refused, code(UInt8)
    /// It is the answer, and it breaks off or contradicts itself.
    case malformed

    package var description: String {
      switch self {
      case .formatError: "says that the query is malformed (FORMERR)"
      case .serverFailed: "failed (SERVFAIL)"
      case .notImplemented: "does not implement the query (NOTIMP)"
      case .refused: "refuses the query (REFUSED)"
      case .code(let code): "answered with the code \(code)"
      case .malformed: "sent an answer that is malformed"
      }
    }
  }

  /// Records of one message that are looked at; further ones are left aside.
  package static let maximumRecords = 4_096
  /// Addresses of one name that are used.
  package static let maximumAddresses = 1_024
  /// Aliases (CNAME) from the name that was asked for to the one that has addresses.
  package static let maximumAliases = 16

  /// Reads a message as the answer to `query`.
  package init(_ message: RawSpan, to query: DNSQuery) {
    guard message.byteCount >= 12 else {
      self = .stray
      return
    }
    func word(_ offset: Int) -> UInt16 { UInt16(message.byte(at: offset)) << 8 | UInt16(message.byte(at: offset + 1)) }
    let flags = word(2)
    let isResponse = flags & 0x8000 != 0
    let operation = flags >> 11 & 0xf
    let code = UInt8(flags & 0xf)
    guard word(0) == query.id, isResponse, operation == 0 else {
      self = .stray
      return
    }
    var offset = 12
    switch word(4) {
    case 0 where code != 0 && code != 3:
      // Some that fail repeat no question.
      break
    case 1:
      guard let name = DNSName(reading: message, at: &offset), name == query.name, offset + 4 <= message.byteCount,
        word(offset) == query.family.recordType, word(offset + 2) == Self.internet
      else {
        self = .stray
        return
      }
      offset += 4
    default:
      self = .stray
      return
    }
    let isTruncated = flags & 0x0200 != 0
    switch code {
    case 0 where isTruncated: self = .truncated
    case 0: self = Self.answer(in: message, from: offset, count: Int(word(6)), to: query)
    case 1: self = .failed(.formatError)
    case 2: self = .failed(.serverFailed)
    case 3: self = .nameNotFound
    case 4: self = .failed(.notImplemented)
    case 5: self = .failed(.refused)
    default: self = .failed(.code(code))
    }
  }

  private static let internet: UInt16 = 1
  private static let alias: UInt16 = 5

  private struct Record<Value> {
    var owner: DNSName
    var value: Value
    var seconds: UInt32
  }

  private static func answer(in message: RawSpan, from start: Int, count: Int, to query: DNSQuery) -> DNSReply {
    var aliases: [Record<DNSName>] = []
    var addresses: [Record<DNSAddress>] = []
    var offset = start
    for _ in 0..<min(count, maximumRecords) {
      guard let head = RecordHead(reading: message, at: &offset) else { return .failed(.malformed) }
      if head.recordClass == internet {
        if head.type == alias {
          var position = offset
          guard let target = DNSName(reading: message, at: &position), position == offset + head.length else {
            return .failed(.malformed)
          }
          aliases.append(Record(owner: head.owner, value: target, seconds: head.seconds))
        } else if head.type == query.family.recordType {
          guard let address = address(in: message, at: offset, head.length, query.family) else {
            return .failed(.malformed)
          }
          addresses.append(Record(owner: head.owner, value: address, seconds: head.seconds))
        }
      }
      offset += head.length
    }
    return follow(aliases, to: addresses, from: query.name)
  }

  /// From the name that was asked for over its aliases, in whatever order they stand, to the addresses.
  ///
  /// A server that was asked to find out follows them itself (RFC 1034 section 5.3.3): an alias to a name without addresses in
  /// the same message has none.
  private static func follow(
    _ aliases: [Record<DNSName>], to addresses: [Record<DNSAddress>], from name: DNSName
  ) -> DNSReply {
    var owner = name
    var seconds = UInt32.max
    for _ in 0...maximumAliases {
      let found = addresses.filter { $0.owner == owner && !$0.value.isUnspecified }
      if !found.isEmpty {
        for record in found { seconds = min(seconds, record.seconds) }
        let sorted = Set(found.map(\.value)).sorted()
        return .addresses(Array(sorted.prefix(maximumAddresses)), seconds: seconds)
      }
      guard let alias = aliases.first(where: { $0.owner == owner }) else { return .noAddresses }
      seconds = min(seconds, alias.seconds)
      owner = alias.value
    }
    return .failed(.malformed)
  }

  private static func address(
    in message: RawSpan, at offset: Int, _ length: Int, _ family: DNSAddress.Family
  ) -> DNSAddress? {
    func number(_ range: Range<Int>) -> UInt64 {
      range.reduce(0) { $0 << 8 | UInt64(message.byte(at: offset + $1)) }
    }
    switch family {
    case .ipv4: return length == 4 ? .ipv4(UInt32(number(0..<4))) : nil
    case .ipv6: return length == 16 ? .ipv6(number(0..<8), number(8..<16)) : nil
    }
  }

  /// What stands before the data of a record (RFC 1035 section 4.1.3).
  private struct RecordHead {
    var owner: DNSName
    var type: UInt16
    var recordClass: UInt16
    var seconds: UInt32
    /// Of the data, which lies within the message.
    var length: Int

    init?(reading message: RawSpan, at offset: inout Int) {
      guard let owner = DNSName(reading: message, at: &offset), offset + 10 <= message.byteCount else { return nil }
      var fields: UInt64 = 0
      for index in 0..<8 { fields = fields << 8 | UInt64(message.byte(at: offset + index)) }
      self.owner = owner
      type = UInt16(truncatingIfNeeded: fields >> 48)
      recordClass = UInt16(truncatingIfNeeded: fields >> 32)
      let seconds = UInt32(truncatingIfNeeded: fields)
      // One with its highest bit set is as good as none (RFC 2181 section 8).
      self.seconds = seconds > UInt32(Int32.max) ? 0 : seconds
      length = Int(message.byte(at: offset + 8)) << 8 | Int(message.byte(at: offset + 9))
      offset += 10
      guard offset + length <= message.byteCount else { return nil }
    }
  }
}
