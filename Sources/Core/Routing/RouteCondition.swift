/// What a route asks of a request beside its host and path, as bytes that are ready to be compared.
struct RouteCondition: Sendable {
  private enum Test: Sendable {
    case present
    case absent
    case equals([UInt8])
    case contains([UInt8])
  }

  private var methods: [[UInt8]]
  private var fields: [(name: [UInt8], test: Test)]
  /// How specific it is: fields, and one for the method, however many are named.
  let count: Int

  /// nil when nothing is asked.
  init?(_ match: RouteMatch) {
    guard !match.methods.isEmpty || !match.fields.isEmpty else { return nil }
    methods = match.methods.map { Array($0.utf8) }
    fields = match.fields.map { field in
      let test: Test =
        switch field.condition {
        case .present: .present
        case .absent: .absent
        case .equals(let text): .equals(Array(text.utf8))
        case .contains(let text): .contains(Array(text.utf8))
        }
      return (field.name.utf8.map { ByteClass.lowercased($0) }, test)
    }
    count = match.fields.count + (match.methods.isEmpty ? 0 : 1)
  }

  func holds(_ method: ByteRange, _ bytes: RawSpan, _ table: borrowing FieldTable) -> Bool {
    if !methods.isEmpty {
      var isNamed = false
      for index in 0..<methods.count where bytes.equals(methods[index], at: method) { isNamed = true }
      if !isNamed { return false }
    }
    for index in 0..<fields.count where !holds(field: index, bytes, table) { return false }
    return true
  }

  private func holds(field index: Int, _ bytes: RawSpan, _ table: borrowing FieldTable) -> Bool {
    for line in 0..<table.count where bytes.equalsFolded(fields[index].name, at: table[line].name) {
      switch fields[index].test {
      case .present: return true
      case .absent: return false
      case .equals(let wanted):
        if bytes.equals(wanted, at: table[line].value) { return true }
      case .contains(let wanted):
        if bytes.contains(wanted, in: table[line].value) { return true }
      }
    }
    if case .absent = fields[index].test { return true }
    return false
  }
}
