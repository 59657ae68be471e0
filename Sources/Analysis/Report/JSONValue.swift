/// JSON that was read (RFC 8259). What ``JSONText`` writes and more.
package indirect enum JSONValue: Equatable, Sendable {
  case string(String)
  case number(Double)
  case bool(Bool)
  case null
  case array([JSONValue])
  /// In the order of the text; of members with the same name the first counts.
  case object([Member])

  package struct Member: Equatable, Sendable {
    package var name: String
    package var value: JSONValue
  }

  package struct SyntaxError: Error, Equatable, CustomStringConvertible {
    /// In bytes, from 0.
    package var offset: Int
    package var fact: String
    package var description: String { "no JSON: \(fact) at byte \(offset)" }
  }

  /// How deep arrays and objects may stand in each other.
  package static let deepest = 64

  package init(parsing text: String) throws(SyntaxError) {
    var reader = JSONReader(bytes: Array(text.utf8))
    self = try reader.whole()
  }

  /// As it is written again.
  package var text: String {
    switch self {
    case .string(let value): JSONText.string(value).text
    case .number(let value): Int64(exactly: value).map { String($0) } ?? "\(value)"
    case .bool(let value): value ? "true" : "false"
    case .null: "null"
    case .array(let values): "[" + values.map(\.text).joined(separator: ",") + "]"
    case .object(let members):
      "{" + members.map { JSONText.string($0.name).text + ":" + $0.value.text }.joined(separator: ",") + "}"
    }
  }

  // MARK: - Asking

  package subscript(_ name: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.name == name }?.value
  }

  package var string: String? { if case .string(let value) = self { value } else { nil } }
  package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
  package var number: Double? { if case .number(let value) = self { value } else { nil } }
  package var array: [JSONValue]? { if case .array(let values) = self { values } else { nil } }
  package var members: [Member]? { if case .object(let members) = self { members } else { nil } }

  /// nil also when it is no whole number.
  package var integer: Int? { number.flatMap { Int(exactly: $0) } }
}

private struct JSONReader {
  typealias SyntaxError = JSONValue.SyntaxError

  let bytes: [UInt8]
  var offset = 0
  var depth = 0

  init(bytes: [UInt8]) { self.bytes = bytes }

  private func wrong(_ fact: String) -> SyntaxError { SyntaxError(offset: offset, fact: fact) }
  private var next: UInt8? { offset < bytes.count ? bytes[offset] : nil }

  mutating func whole() throws(SyntaxError) -> JSONValue {
    let value = try value()
    skipBlanks()
    guard offset == bytes.count else { throw wrong("more behind the value") }
    return value
  }

  private mutating func skipBlanks() {
    while let byte = next, byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d { offset += 1 }
  }

  private mutating func value() throws(SyntaxError) -> JSONValue {
    skipBlanks()
    switch next {
    case UInt8(ascii: "{"): return try nested { reader throws(SyntaxError) in try reader.object() }
    case UInt8(ascii: "["): return try nested { reader throws(SyntaxError) in try reader.list() }
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case nil: throw wrong("the end")
    default: return try number()
    }
  }

  private mutating func nested(
    _ read: (inout JSONReader) throws(SyntaxError) -> JSONValue
  ) throws(SyntaxError) -> JSONValue {
    guard depth < JSONValue.deepest else { throw wrong("too deep a value") }
    depth += 1
    offset += 1
    let value = try read(&self)
    depth -= 1
    return value
  }

  private mutating func word(_ text: String, _ value: JSONValue) throws(SyntaxError) -> JSONValue {
    guard bytes[offset...].starts(with: text.utf8) else { throw wrong("an unknown word") }
    offset += text.utf8.count
    return value
  }

  private mutating func number() throws(SyntaxError) -> JSONValue {
    let start = offset
    while let byte = next, (0x30...0x39).contains(byte) || "+-.eE".utf8.contains(byte) { offset += 1 }
    let text = String(decoding: bytes[start..<offset], as: UTF8.self)
    guard let first = text.utf8.first, first == UInt8(ascii: "-") || (0x30...0x39).contains(first),
      let value = Double(text), value.isFinite
    else { throw SyntaxError(offset: start, fact: "no value") }
    return .number(value)
  }

  /// Whether a list goes on behind a value.
  private mutating func goesOn(until end: UInt8) throws(SyntaxError) -> Bool {
    skipBlanks()
    guard let byte = next, byte == UInt8(ascii: ",") || byte == end else { throw wrong("no comma and no end") }
    offset += 1
    return byte != end
  }

  private mutating func isEmpty(until end: UInt8) -> Bool {
    skipBlanks()
    guard next == end else { return false }
    offset += 1
    return true
  }

  private mutating func list() throws(SyntaxError) -> JSONValue {
    let end = UInt8(ascii: "]")
    var values: [JSONValue] = []
    if isEmpty(until: end) { return .array([]) }
    repeat { values.append(try value()) } while try goesOn(until: end)
    return .array(values)
  }

  private mutating func object() throws(SyntaxError) -> JSONValue {
    let end = UInt8(ascii: "}")
    var members: [JSONValue.Member] = []
    if isEmpty(until: end) { return .object([]) }
    repeat {
      skipBlanks()
      guard next == UInt8(ascii: "\"") else { throw wrong("no name of a member") }
      let name = try string()
      skipBlanks()
      guard next == UInt8(ascii: ":") else { throw wrong("no colon") }
      offset += 1
      members.append(JSONValue.Member(name: name, value: try value()))
    } while try goesOn(until: end)
    return .object(members)
  }

  private mutating func string() throws(SyntaxError) -> String {
    offset += 1
    var text: [UInt8] = []
    while let byte = next {
      offset += 1
      switch byte {
      case UInt8(ascii: "\""): return String(decoding: text, as: UTF8.self)
      case UInt8(ascii: "\\"): text += try escape()
      case 0..<0x20: throw wrong("a control character within a text")
      default: text.append(byte)
      }
    }
    throw wrong("the end within a text")
  }

  private mutating func escape() throws(SyntaxError) -> [UInt8] {
    guard let byte = next else { throw wrong("the end within a text") }
    offset += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
    case UInt8(ascii: "b"): return [8]
    case UInt8(ascii: "f"): return [12]
    case UInt8(ascii: "n"): return [10]
    case UInt8(ascii: "r"): return [13]
    case UInt8(ascii: "t"): return [9]
    case UInt8(ascii: "u"): break
    default: throw wrong("an unknown escape")
    }
    let first = try hexadecimal()
    guard (0xd800..<0xdc00).contains(first) else {
      guard let scalar = Unicode.Scalar(first) else { throw wrong("half a pair") }
      return Array(String(Character(scalar)).utf8)
    }
    guard bytes[offset...].starts(with: "\\u".utf8) else { throw wrong("half a pair") }
    offset += 2
    let second = try hexadecimal()
    guard (0xdc00..<0xe000).contains(second),
      let scalar = Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
    else { throw wrong("half a pair") }
    return Array(String(Character(scalar)).utf8)
  }

  private mutating func hexadecimal() throws(SyntaxError) -> UInt32 {
    guard offset + 4 <= bytes.count,
      let value = UInt32(String(decoding: bytes[offset..<offset + 4], as: UTF8.self), radix: 16)
    else { throw wrong("no four hexadecimal digits") }
    offset += 4
    return value
  }
}
