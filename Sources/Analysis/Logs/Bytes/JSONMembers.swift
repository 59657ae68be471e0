import Core

/// The members of a JSON object in one line (RFC 8259), nested ones with the name of the object that holds them. Values are
/// ranges of the line: no text is made. What is deeper or more than the limits is passed over.
struct JSONMembers {
  struct Member {
    var name: ByteRange
    /// The name of the object around it; empty at the top.
    var parent: ByteRange
    var value: ByteRange
    var isText: Bool
  }

  private static let maximumMembers = 400
  private static let deepest = 12

  private(set) var members: [Member] = []

  /// Whether the line is an object from end to end.
  mutating func scan(_ bytes: RawSpan, _ line: ByteRange) -> Bool {
    members.removeAll(keepingCapacity: true)
    var at = line.start
    guard object(bytes, &at, line.end, parent: .empty, depth: 0) else { return false }
    skipBlanks(bytes, &at, line.end)
    return at == line.end
  }

  /// Names and values: `status=502 urt=0.001 uri="/orders"`. Lists as nginx writes them are one value; words without a sign are
  /// passed over. Whether there were at least three pairs.
  mutating func scanPairs(_ bytes: RawSpan, _ line: ByteRange) -> Bool {
    members.removeAll(keepingCapacity: true)
    var scanner = LineScanner(line)
    while !scanner.isAtEnd {
      let begin = scanner.at
      guard let sign = bytes.nearby(UInt8(ascii: "="), from: begin, to: Swift.min(scanner.end, begin + 40)),
        sign > begin,
        isName(bytes, from: begin, to: sign)
      else {
        _ = scanner.field(bytes)
        continue
      }
      scanner.at = sign + 1
      let isText = scanner.at < scanner.end && bytes.byte(at: scanner.at) == UInt8(ascii: "\"")
      let value = isText ? scanner.quoted(bytes) ?? scanner.word(bytes) : scanner.list(bytes)
      add(ByteRange(from: begin, to: sign), .empty, value, isText: true)
    }
    return members.count >= 3
  }

  private func isName(_ bytes: RawSpan, from start: Int, to end: Int) -> Bool {
    for offset in start..<end {
      switch bytes.byte(at: offset) {
      case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."),
        UInt8(ascii: "@"):
        continue
      default: return false
      }
    }
    return true
  }

  /// The value at the top, without quotes.
  func value(_ bytes: RawSpan, _ name: String) -> ByteRange? {
    for member in members where member.parent.isEmpty && bytes.equals(name, member.name) { return member.value }
    return nil
  }

  /// The value in the object `parent`, wherever that stands.
  func value(_ bytes: RawSpan, _ parent: String, _ name: String) -> ByteRange? {
    for member in members where bytes.equals(name, member.name) && bytes.equals(parent, member.parent) {
      return member.value
    }
    return nil
  }

  /// The first of these names that is there, at the top.
  func first(_ bytes: RawSpan, _ names: [String]) -> ByteRange? {
    for name in names { if let value = value(bytes, name) { return value } }
    return nil
  }

  // MARK: - Reading

  private func skipBlanks(_ bytes: RawSpan, _ at: inout Int, _ end: Int) {
    while at < end, RawSpan.isBlank(bytes.byte(at: at)) || bytes.byte(at: at) == 0x0a { at += 1 }
  }

  private mutating func object(
    _ bytes: RawSpan, _ at: inout Int, _ end: Int, parent: ByteRange, depth: Int
  ) -> Bool {
    guard at < end, bytes.byte(at: at) == UInt8(ascii: "{"), depth < JSONMembers.deepest else { return false }
    at += 1
    skipBlanks(bytes, &at, end)
    if at < end, bytes.byte(at: at) == UInt8(ascii: "}") {
      at += 1
      return true
    }
    while true {
      skipBlanks(bytes, &at, end)
      guard let name = text(bytes, &at, end) else { return false }
      skipBlanks(bytes, &at, end)
      guard at < end, bytes.byte(at: at) == UInt8(ascii: ":") else { return false }
      at += 1
      skipBlanks(bytes, &at, end)
      guard value(bytes, &at, end, name: name, parent: parent, depth: depth) else { return false }
      skipBlanks(bytes, &at, end)
      guard at < end else { return false }
      let next = bytes.byte(at: at)
      at += 1
      if next == UInt8(ascii: "}") { return true }
      guard next == UInt8(ascii: ",") else { return false }
    }
  }

  private mutating func value(
    _ bytes: RawSpan, _ at: inout Int, _ end: Int, name: ByteRange, parent: ByteRange, depth: Int
  ) -> Bool {
    guard at < end else { return false }
    switch bytes.byte(at: at) {
    case UInt8(ascii: "\""):
      guard let value = text(bytes, &at, end) else { return false }
      add(name, parent, value, isText: true)
      return true
    case UInt8(ascii: "{"):
      let start = at
      let position = members.count
      guard object(bytes, &at, end, parent: name, depth: depth + 1) else { return false }
      if members.count < JSONMembers.maximumMembers {
        members.insert(
          Member(name: name, parent: parent, value: ByteRange(from: start, to: at), isText: false), at: position)
      }
      return true
    case UInt8(ascii: "["):
      let start = at
      guard list(bytes, &at, end) else { return false }
      add(name, parent, ByteRange(from: start, to: at), isText: false)
      return true
    default:
      let start = at
      while at < end, !JSONMembers.endsValue(bytes.byte(at: at)) { at += 1 }
      guard at > start else { return false }
      add(name, parent, ByteRange(from: start, to: at), isText: false)
      return true
    }
  }

  private mutating func add(_ name: ByteRange, _ parent: ByteRange, _ value: ByteRange, isText: Bool) {
    guard members.count < JSONMembers.maximumMembers else { return }
    members.append(Member(name: name, parent: parent, value: value, isText: isText))
  }

  private static func endsValue(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: ",") || byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]") || byte <= 0x20
  }

  /// Passes over a list and all that is in it.
  private func list(_ bytes: RawSpan, _ at: inout Int, _ end: Int) -> Bool {
    var depth = 0
    while at < end {
      switch bytes.byte(at: at) {
      case UInt8(ascii: "["), UInt8(ascii: "{"):
        depth += 1
        at += 1
      case UInt8(ascii: "]"), UInt8(ascii: "}"):
        depth -= 1
        at += 1
        if depth == 0 { return true }
      case UInt8(ascii: "\""):
        guard text(bytes, &at, end) != nil else { return false }
      default: at += 1
      }
    }
    return false
  }

  private func text(_ bytes: RawSpan, _ at: inout Int, _ end: Int) -> ByteRange? {
    guard at < end, bytes.byte(at: at) == UInt8(ascii: "\"") else { return nil }
    let start = at + 1
    var place = start
    while place < end {
      switch bytes.byte(at: place) {
      case UInt8(ascii: "\\"): place += 2
      case UInt8(ascii: "\""):
        at = place + 1
        return ByteRange(from: start, to: place)
      default: place += 1
      }
    }
    return nil
  }
}
