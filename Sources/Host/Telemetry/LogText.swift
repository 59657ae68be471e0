import Core

/// How values are written into a line of the access log, so that nothing that a peer sent can end the value or the line.
enum LogEscaping: Sendable {
  /// As JSON strings have it (RFC 8259). What is no UTF-8 is taken for Latin-1, which fields of HTTP once were.
  case json
  /// As nginx has it: quotes, backslashes, controls and everything beyond ASCII become `\xHH`.
  case hexadecimal
}

extension [UInt8] {
  mutating func appendLog(_ text: String) { append(contentsOf: text.utf8) }

  mutating func appendLog(decimal value: Int64) { appendLog("\(value)") }

  /// Milliseconds with three places.
  mutating func appendLog(milliseconds span: Nanoseconds) {
    let microseconds = Swift.max(span.count, 0) / 1_000
    appendLog(decimal: microseconds / 1_000)
    appendLog(thousandths: microseconds % 1_000)
  }

  /// Seconds with three places.
  mutating func appendLog(seconds span: Nanoseconds) {
    let milliseconds = Swift.max(span.count, 0) / 1_000_000
    appendLog(decimal: milliseconds / 1_000)
    appendLog(thousandths: milliseconds % 1_000)
  }

  private mutating func appendLog(thousandths rest: Int64) {
    append(UInt8(ascii: "."))
    append(0x30 + UInt8(rest / 100))
    append(0x30 + UInt8(rest / 10 % 10))
    append(0x30 + UInt8(rest % 10))
  }

  mutating func appendLog(hexadecimal value: UInt64) { appendLog(String(value, radix: 16)) }

  mutating func appendLog(paddedHexadecimal value: UInt64) {
    for shift in stride(from: 60, through: 0, by: -4) {
      let digit = UInt8(truncatingIfNeeded: value >> UInt64(shift)) & 0xf
      append(digit < 10 ? 0x30 + digit : 0x57 + digit)
    }
  }

  /// A JSON string with its quotes.
  mutating func appendLog(quoted text: some Collection<UInt8>) {
    append(UInt8(ascii: "\""))
    appendLog(text, escaping: .json)
    append(UInt8(ascii: "\""))
  }

  mutating func appendLog(_ text: some Collection<UInt8>, escaping: LogEscaping) {
    switch escaping {
    case .json: appendJSON(text)
    case .hexadecimal: appendHexadecimal(text)
    }
  }

  private mutating func appendHexadecimal(_ text: some Collection<UInt8>) {
    for byte in text {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"), 0..<0x20, 0x7f...:
        append(UInt8(ascii: "\\"))
        append(UInt8(ascii: "x"))
        append(Self.digits[Int(byte >> 4)])
        append(Self.digits[Int(byte & 0xf)])
      default: append(byte)
      }
    }
  }

  private static let digits = Array("0123456789ABCDEF".utf8)

  private mutating func appendJSON(_ text: some Collection<UInt8>) {
    guard text.contains(where: { $0 >= 0x80 }) else {
      for byte in text { appendJSON(ascii: byte) }
      return
    }
    if let whole = String(validating: text, as: UTF8.self) {
      for scalar in whole.unicodeScalars {
        if scalar.value < 0x80 {
          appendJSON(ascii: UInt8(scalar.value))
        } else if scalar.value < 0xa0 || scalar.value == 0x2028 || scalar.value == 0x2029 {
          // Controls to a terminal, and line ends to some readers.
          appendJSON(escaped: scalar.value)
        } else {
          appendLog(String(scalar))
        }
      }
    } else {
      for byte in text {
        if byte < 0x80 { appendJSON(ascii: byte) } else { appendJSON(escaped: UInt32(byte)) }
      }
    }
  }

  private mutating func appendJSON(ascii byte: UInt8) {
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"):
      append(UInt8(ascii: "\\"))
      append(byte)
    case 0..<0x20, 0x7f: appendJSON(escaped: UInt32(byte))
    default: append(byte)
    }
  }

  private mutating func appendJSON(escaped value: UInt32) {
    appendLog("\\u")
    let digits = String(value, radix: 16)
    for _ in digits.utf8.count..<4 { append(0x30) }
    appendLog(digits)
  }
}
