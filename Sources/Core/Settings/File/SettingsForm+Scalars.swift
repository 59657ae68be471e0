extension SettingsForm {
  /// A form of one scalar.
  ///
  /// - Parameter parse: the value, or what is wrong and what would be right.
  static func scalar(
    _ description: String, kind: String,
    parse: @escaping (String) throws(QuantityError) -> Value, show: @escaping (Value) -> String?
  ) -> SettingsForm {
    SettingsForm(
      description: description, kind: kind,
      read: { node, _, reader in
        guard let scalar = reader.scalar(node, description) else { return nil }
        do throws(QuantityError) {
          return try parse(scalar.text)
        } catch {
          reader.report(scalar, error)
          return nil
        }
      },
      show: { show($0).map { .text($0) } })
  }

  /// One of a few words.
  static func choice(_ choices: [(String, Value)]) -> SettingsForm where Value: Equatable {
    let names = choices.map(\.0)
    let list = names.dropLast().joined(separator: ", ") + " or " + names[names.count - 1]
    return .scalar(
      list, kind: names.joined(separator: ", "),
      parse: { text throws(QuantityError) in
        if let choice = choices.first(where: { $0.0 == text }) { return choice.1 }
        throw QuantityError(
          text: text, fact: "is not one of the values here",
          fix: NearestName.find(text, among: names).map { "did you mean '\($0)'?" } ?? "write \(list)")
      },
      show: { value in choices.first { $0.1 == value }?.0 })
  }

  /// A value, or one word that stands for its absence.
  func orNone(_ word: String) -> SettingsForm<Value?> {
    SettingsForm<Value?>(
      description: "\(description), or \(word)", kind: "\(kind), or \(word)",
      read: { node, current, reader in
        if case .scalar(let scalar) = node.content, scalar.text == word { return .some(nil) }
        return read(node, current ?? nil, &reader).map { .some($0) }
      },
      show: { value in
        guard let value else { return .text(word) }
        return show(value)
      },
      keys: keys)
  }

  /// A value that has no word for its absence: the key is left out.
  func optional() -> SettingsForm<Value?> {
    SettingsForm<Value?>(
      description: description, kind: kind,
      read: { node, current, reader in read(node, current ?? nil, &reader).map { .some($0) } },
      show: { $0.flatMap(show) }, keys: keys)
  }

  /// A list of values; one alone needs no brackets.
  func list() -> SettingsForm<[Value]> {
    SettingsForm<[Value]>(
      description: "\(description), or a list of them", kind: "list: \(kind)",
      read: { node, _, reader in
        guard case .list(let items) = node.content else {
          return read(node, nil, &reader).map { [$0] }
        }
        var values: [Value] = []
        for (index, item) in items.enumerated() {
          if let value = reader.within(item: index + 1, item, { read(item, nil, &$0) }) { values.append(value) }
        }
        return values
      },
      show: { values in values.isEmpty ? nil : .list(values.compactMap(show)) }, keys: keys)
  }

  /// The same form with a condition on the value.
  func checked(_ check: @escaping (Value) -> (fact: String, fix: String)?) -> SettingsForm {
    var form = self
    form.read = { node, current, reader in
      guard let value = read(node, current, &reader) else { return nil }
      guard let problem = check(value) else { return value }
      let shown = if case .scalar(let scalar) = node.content { SettingsReader.shown(scalar) + " " } else { "" }
      reader.report(shown + problem.fact, fix: problem.fix)
      return nil
    }
    return form
  }
}

extension SettingsForm<Bool> {
  static var onOff: SettingsForm {
    .scalar(
      "on or off", kind: "on, off",
      parse: { text throws(QuantityError) in
        switch text.lowercased() {
        case "on", "true", "yes": return true
        case "off", "false", "no": return false
        default: throw QuantityError(text: text, fact: "is neither on nor off", fix: "write on or off")
        }
      },
      show: { $0 ? "on" : "off" })
  }
}

extension SettingsForm<Nanoseconds> {
  /// A length of time within `range`.
  static func time(_ range: ClosedRange<Nanoseconds> = .milliseconds(1)...longestTime) -> SettingsForm {
    .scalar("a time, for instance 500ms, 5s or 2m", kind: "time", parse: Nanoseconds.init(parsing:), show: \.exactText)
      .checked { value in
        guard !range.contains(value) else { return nil }
        return ("is out of range", "it is \(range.lowerBound.text) to \(range.upperBound.text)")
      }
  }

  /// The longest time that settings may name: thirty days.
  static var longestTime: Nanoseconds { .seconds(30 * 86_400) }
}

extension SettingsForm where Value: FixedWidthInteger {
  static func count(_ range: ClosedRange<Value>, _ description: String = "a whole number") -> SettingsForm {
    .scalar(
      description, kind: "number",
      parse: { text throws(QuantityError) in
        let isNumber = !text.isEmpty && text.utf8.allSatisfy(ByteClass.isDigit)
        guard isNumber else {
          throw QuantityError(
            text: text, fact: "is not a number in digits", fix: "write a whole number, \(range.lowerBound) or more")
        }
        guard let value = Value(text), range.contains(value) else {
          throw QuantityError(
            text: text, fact: "is out of range", fix: "it is \(range.lowerBound) to \(range.upperBound)")
        }
        return value
      },
      show: { "\($0)" })
  }

  /// A number of bytes.
  static func size(_ range: ClosedRange<Value>) -> SettingsForm {
    .scalar(
      "a size, for instance 65536, 64k or 10m", kind: "size",
      parse: { text throws(QuantityError) in
        let bytes = try byteCount(parsing: text)
        guard let value = Value(exactly: bytes), range.contains(value) else {
          throw QuantityError(
            text: text, fact: "is out of range",
            fix: "it is \(sizeText(range.lowerBound)) to \(sizeText(range.upperBound))")
        }
        return value
      },
      show: { sizeText($0) })
  }

  private static func sizeText(_ value: Value) -> String {
    for (unit, shift) in [("g", 30), ("m", 20), ("k", 10)] {
      let scale = UInt64(1) << UInt64(shift)
      if value > 0, UInt64(value) % scale == 0 { return "\(UInt64(value) / scale)\(unit)" }
    }
    return "\(value)"
  }
}

extension Nanoseconds {
  /// What ``init(parsing:)`` reads as this length exactly, if it is made of whole microseconds.
  var exactText: String {
    guard count > 0 else { return "0s" }
    for (unit, scale) in Self.units where count % scale == 0 { return "\(count / scale)\(unit)" }
    return "\(Double(count) / 1e3)us"
  }

  private static var units: [(String, Int64)] {
    [("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)]
  }
}

extension SettingsForm<UInt32> {
  /// A time of whole seconds.
  static func wholeSeconds(_ range: ClosedRange<Int64>) -> SettingsForm {
    let time = SettingsForm<Nanoseconds>.time(.seconds(range.lowerBound)...(.seconds(range.upperBound)))
      .checked { value in
        value.count % 1_000_000_000 == 0 ? nil : ("is not whole seconds", "write for instance 65s or 2m")
      }
    return SettingsForm(
      description: "a time of whole seconds, for instance 65s", kind: "time",
      read: { node, _, reader in time.read(node, nil, &reader).map { UInt32($0.count / 1_000_000_000) } },
      show: { time.show(.seconds(Int64($0))) })
  }

  static func percent(_ range: ClosedRange<UInt32>) -> SettingsForm {
    .scalar(
      "a share, for instance 50%", kind: "percent",
      parse: { text throws(QuantityError) in
        guard text.hasSuffix("%"), let value = UInt32(text.dropLast()) else {
          throw QuantityError(text: text, fact: "is not a whole number of per cent", fix: "write for instance 50%")
        }
        guard range.contains(value) else {
          throw QuantityError(
            text: text, fact: "is out of range", fix: "it is \(range.lowerBound)% to \(range.upperBound)%")
        }
        return value
      },
      show: { "\($0)%" })
  }
}
