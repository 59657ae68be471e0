extension SettingsForm<String> {
  /// Any text without control characters that is not empty.
  static func text(_ description: String = "a text") -> SettingsForm {
    .scalar(
      description, kind: "text",
      parse: { text throws(QuantityError) in
        guard !text.isEmpty else { throw QuantityError(text: text, fact: "is empty", fix: "write \(description)") }
        guard text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else {
          throw QuantityError(text: text, fact: "holds control characters", fix: "leave them out")
        }
        return text
      },
      show: { $0 })
  }

  /// A token (RFC 9110 section 5.6.2).
  static func token(_ description: String, kind: String = "token") -> SettingsForm {
    .scalar(
      description, kind: kind,
      parse: { text throws(QuantityError) in
        guard isToken(text) else {
          throw QuantityError(
            text: text, fact: "is not a token (RFC 9110 section 5.6.2)",
            fix: "use letters, digits, '-', '_' and '.'")
        }
        return text
      },
      show: { $0 })
  }

  static var fieldName: SettingsForm {
    .scalar(
      "the name of a field, for instance X-User", kind: "field name",
      parse: { text throws(QuantityError) in try checkedFieldName(text) }, show: { $0 })
  }

  /// A path as requests have it: begins with "/", no query, no fragment.
  static func path(allowsQuery: Bool = false) -> SettingsForm {
    .scalar(
      "a path, for instance /api", kind: "path",
      parse: { text throws(QuantityError) in
        guard text.hasPrefix("/") else {
          throw QuantityError(text: text, fact: "does not begin with '/'", fix: "write a path, for instance /api")
        }
        guard !text.contains("#"), allowsQuery || !text.contains("?") else {
          throw QuantityError(
            text: text, fact: "holds more than a path",
            fix: "leave out '#'\(allowsQuery ? "" : ", '?'") and what follows")
        }
        guard text.utf8.allSatisfy(ByteClass.isTarget) else {
          throw QuantityError(
            text: text, fact: "holds characters that no request target has",
            fix: "percent-encode them: paths are compared as they are sent")
        }
        return text
      },
      show: { $0 })
  }

  /// A host with an optional port, as the field Host has it.
  static var authority: SettingsForm {
    .scalar(
      "a host, for instance www.example.com or www.example.com:8443", kind: "host",
      parse: { text throws(QuantityError) in
        guard isAuthority(text) else {
          throw QuantityError(text: text, fact: "is no host", fix: "write for instance www.example.com or [::1]:8080")
        }
        return text
      },
      show: { $0 })
  }
}

extension SettingsForm<UInt16> {
  static func status(_ range: ClosedRange<UInt16> = 200...599) -> SettingsForm {
    .count(range, "a status code, \(range.lowerBound) to \(range.upperBound)")
  }
}

extension SettingsForm<ClosedRange<UInt16>> {
  /// `200-399` or `204`.
  static var statuses: SettingsForm {
    .scalar(
      "a range of status codes, for instance 200-399", kind: "statuses",
      parse: { text throws(QuantityError) in
        let parts = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        let numbers = parts.compactMap { UInt16($0) }.filter { (100...599).contains($0) }
        guard numbers.count == parts.count, let first = numbers.first, let last = numbers.last, first <= last else {
          throw QuantityError(
            text: text, fact: "is no range of status codes", fix: "write for instance 200-399 or 204, within 100 to 599"
          )
        }
        return first...last
      },
      show: { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" })
  }
}

package func isToken(_ text: String) -> Bool { !text.isEmpty && text.utf8.allSatisfy(ByteClass.isToken) }

func isAuthority(_ text: String) -> Bool {
  let bytes = Array(text.utf8)
  return Authority.isValid(bytes.rawSpan, ByteRange(offset: 0, count: bytes.count))
}

/// The name of a field.
func checkedFieldName(_ text: String) throws(QuantityError) -> String {
  guard isToken(text) else {
    throw QuantityError(
      text: text, fact: "is not the name of a field", fix: "use letters, digits and '-', and no colon")
  }
  return text
}

/// The value of a field: no control characters, which would end the line and begin another (RFC 9110 section 5.5).
func checkedFieldValue(_ text: String) throws(QuantityError) -> String {
  guard text.utf8.allSatisfy({ ($0 >= 0x20 || $0 == 0x09) && $0 != 0x7f }) else {
    throw QuantityError(
      text: text, fact: "holds a line break or another control character, which no field may",
      fix: "write it on one line")
  }
  guard text.utf8.first.map(ByteClass.isWhitespace) != true, text.utf8.last.map(ByteClass.isWhitespace) != true else {
    throw QuantityError(text: text, fact: "begins or ends with a space", fix: "leave it out")
  }
  return text
}
