/// Fields of heads that the access log shows, as they are looked for: made once for each reload.
package struct AccessFields: Sendable {
  /// Bytes of a value that are kept; longer ones are cut.
  package static let longestValue = 1_024
  private static let hidden = Array("...".utf8)

  private struct Wanted: Sendable {
    /// In lower case.
    var name: [UInt8]
    var isHidden: Bool
    /// What becomes of a query in the value.
    var query: LogSettings.QueryPolicy
  }

  /// In lower case, as they stand in the log.
  package let names: [String]
  private let wanted: [Wanted]

  /// - Parameter names: in lower case.
  package init(_ names: [String], _ settings: LogSettings) {
    self.names = names
    wanted = names.map { name in
      Wanted(
        name: Array(name.utf8), isHidden: SecretFields.contains(name) && !settings.reveal.contains(name),
        query: SecretFields.isLink(name) ? settings.query : .keep)
    }
  }

  package var isEmpty: Bool { wanted.isEmpty }

  /// What the head has of them, in their order. Lines of the same name are joined by commas.
  package func captured(_ bytes: RawSpan, _ fields: borrowing FieldTable) -> CapturedFields {
    var captured = CapturedFields()
    captured.lengths.reserveCapacity(wanted.count)
    for wanted in wanted {
      var value: [UInt8]?
      for index in 0..<fields.count where bytes.spells(wanted.name, at: fields[index].name) {
        guard !wanted.isHidden else {
          value = Self.hidden
          break
        }
        if value != nil { value! += [UInt8(ascii: ","), UInt8(ascii: " ")] }  // Looked at in the same line.
        Self.append(fields[index].value, of: bytes, to: &value)
        if value?.count ?? 0 >= Self.longestValue { break }
      }
      captured.add(value.map { wanted.query.shown($0) })
    }
    return captured
  }

  private static func append(_ range: ByteRange, of bytes: RawSpan, to value: inout [UInt8]?) {
    var longer = value ?? []
    let count = min(range.count, longestValue - longer.count)
    if count > 0 { for offset in range.start..<(range.start + count) { longer.append(bytes.byte(at: offset)) } }
    value = longer
  }
}

/// Values of the fields that an ``AccessFields`` asks for, in its order.
package struct CapturedFields: Sendable {
  private var bytes: [UInt8] = []
  /// -1: there is no such field.
  fileprivate(set) var lengths: [Int32] = []

  package init() {}

  package mutating func add(_ value: [UInt8]?) {
    lengths.append(Int32(value?.count ?? -1))
    if let value { bytes += value }
  }

  package subscript(index: Int) -> ArraySlice<UInt8>? {
    guard index < lengths.count, lengths[index] >= 0 else { return nil }
    var start = 0
    for before in lengths[..<index] where before > 0 { start += Int(before) }
    return bytes[start..<(start + Int(lengths[index]))]
  }
}

/// What an exchange keeps for its line in the access log, where the settings ask for it.
package struct LoggedFields: Sendable {
  /// Of the settings that asked.
  package var generation: UInt64
  package var request = CapturedFields()
  package var response = CapturedFields()

  package init(generation: UInt64) { self.generation = generation }
}

extension RawSpan {
  /// Whether the bytes of `range` are `name`, which is in lower case, letters of either case.
  fileprivate func spells(_ name: [UInt8], at range: ByteRange) -> Bool {
    guard name.count == range.count else { return false }
    for index in 0..<name.count where ByteClass.lowercased(byte(at: range.start &+ index)) != name[index] {
      return false
    }
    return true
  }
}
