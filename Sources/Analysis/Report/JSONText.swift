/// Writes JSON (RFC 8259) with keys in the order in which they were given.
package indirect enum JSONText {
  case string(String)
  case number(Int64)
  case decimal(Double, digits: Int)
  case bool(Bool)
  case null
  case array([JSONText])
  case object([(String, JSONText)])

  package func write(to text: inout String) {
    switch self {
    case .string(let value): JSONText.quote(value, to: &text)
    case .number(let value): text += String(value)
    case .decimal(let value, let digits): text += value.isFinite ? Display.decimal(value, digits: digits) : "null"
    case .bool(let value): text += value ? "true" : "false"
    case .null: text += "null"
    case .array(let values):
      text += "["
      for (index, value) in values.enumerated() {
        if index > 0 { text += "," }
        value.write(to: &text)
      }
      text += "]"
    case .object(let members):
      text += "{"
      for (index, (key, value)) in members.enumerated() {
        if index > 0 { text += "," }
        JSONText.quote(key, to: &text)
        text += ":"
        value.write(to: &text)
      }
      text += "}"
    }
  }

  package var text: String {
    var text = ""
    write(to: &text)
    return text
  }

  private static func quote(_ value: String, to text: inout String) {
    text += "\""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\t": text += "\\t"
      case "\r": text += "\\r"
      case _ where scalar.value < 0x20 || scalar.value == 0x2028 || scalar.value == 0x2029:
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}
