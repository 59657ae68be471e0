/// Walks through a settings file: knows where it is, and gathers what is wrong.
package struct SettingsReader {
  private(set) var problems: [SettingsProblem] = []
  private var path: [String] = []
  /// Where each key that the file has stands, by its path.
  private var places: [String: SettingsPlace] = [:]
  /// Places of values that are known to be missing, of which nothing more is said.
  private var missing: Set<SettingsPlace> = []
  /// Keys with errors, and all keys around them.
  private var faulty: Set<String> = []
  /// Where the value stands that is being read.
  private(set) var place = SettingsPlace.start

  package init() {}

  private(set) var errorCount = 0

  /// Whether a further error may still be told. Beyond that no effort is made to say what was meant.
  var isTellingAll: Bool { errorCount < 10 * SettingsProblem.limit }

  /// Whether there are errors about this key, or about keys within it.
  func hasErrors(in subject: String) -> Bool { faulty.contains(subject) }

  /// The path of the value that is being read, such as `upstreams.app.pool`.
  var subject: String { path.joined(separator: ".") }

  // MARK: - Walking

  /// Reads what stands behind `key`.
  mutating func within<Result>(
    _ key: String, at keyPlace: SettingsPlace, _ node: SettingsNode, _ body: (inout SettingsReader) -> Result
  ) -> Result {
    path.append(key)
    places[subject] = keyPlace
    defer { path.removeLast() }
    return at(node, body)
  }

  /// Reads the item of this number, counted from 1, of a list.
  mutating func within<Result>(
    item number: Int, _ node: SettingsNode, _ body: (inout SettingsReader) -> Result
  ) -> Result {
    let name = path.isEmpty ? "" : path.removeLast()
    path.append("\(name)[\(number)]")
    places[subject] = node.place
    defer { path[path.count - 1] = name }
    return at(node, body)
  }

  private mutating func at<Result>(_ node: SettingsNode, _ body: (inout SettingsReader) -> Result) -> Result {
    let outer = place
    place = node.place
    defer { place = outer }
    return body(&self)
  }

  // MARK: - Looking back

  /// Whether the file has this key. `key` may name keys within it: `pool.idle-age`.
  func has(_ subject: String) -> Bool { places[subject] != nil }

  /// Where the key stands, or the nearest one around it that the file has.
  func place(of subject: String) -> SettingsPlace {
    var subject = subject
    while true {
      if let place = places[subject] { return place }
      guard let dot = subject.lastIndex(where: { $0 == "." || $0 == "[" }) else { return .start }
      subject = String(subject[..<dot])
    }
  }

  // MARK: - Reporting

  /// Tells what is wrong with the value that is being read.
  mutating func report(_ fact: String, fix: String, at other: SettingsPlace? = nil) {
    append(SettingsProblem(.error, at: other ?? place, subject: subject, fact: fact, fix: fix))
  }

  /// Tells what is wrong with something that was read before.
  mutating func report(of subject: String, _ fact: String, fix: String) {
    append(SettingsProblem(.error, at: place(of: subject), subject: subject, fact: fact, fix: fix))
  }

  /// Tells what is harmful, though legal, about something that was read before.
  mutating func warn(of subject: String, _ fact: String, fix: String) {
    append(SettingsProblem(.warning, at: place(of: subject), subject: subject, fact: fact, fix: fix))
  }

  /// Tells that there is no value at `place`; what is said of it later is a consequence.
  mutating func reportMissing(_ fact: String, fix: String, at place: SettingsPlace) {
    report(fact, fix: fix, at: place)
    missing.insert(place)
  }

  private mutating func append(_ problem: SettingsProblem) {
    if problem.severity == .error {
      errorCount += 1
      noteFault(problem.subject)
    }
    guard !missing.contains(problem.place) else { return }
    problems.append(problem)
  }

  private mutating func noteFault(_ subject: String) {
    var subject = subject[...]
    while faulty.insert(String(subject)).inserted, let end = subject.lastIndex(where: { $0 == "." || $0 == "[" }) {
      subject = subject[..<end]
    }
  }

  // MARK: - Scalars

  /// The scalar that `node` is; nil, and a report, when it is something else.
  ///
  /// - Parameter wanted: what should stand there, as "write ..." continues.
  mutating func scalar(_ node: SettingsNode, _ wanted: String) -> SettingsNode.Scalar? {
    switch node.content {
    case .scalar(let scalar): return scalar
    case .nothing: report("has no value", fix: "write \(wanted), or leave the key out")
    case .list: report("is a list", fix: "write \(wanted)")
    case .map(let entries):
      // `{name}` without quotes is a map of one key with no value.
      let isPlaceholder = entries.contains { $0.value.content == .nothing }
      report("is a map", fix: isPlaceholder ? "put a text with braces into quotes" : "write \(wanted)")
    }
    return nil
  }

  /// A value as messages show it: as it stands in the file, cut and without control characters.
  static func shown(_ scalar: SettingsNode.Scalar) -> String { shown(scalar.written) }

  static func shown(_ text: String) -> String {
    var result = "'"
    var count = 0
    for scalar in text.unicodeScalars {
      count += 1
      if count > longestShownText {
        result += "..."
        break
      }
      if scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) || (0x2028...0x202e).contains(scalar.value)
        || (0x2066...0x2069).contains(scalar.value)
      {
        result += "\\u{" + String(scalar.value, radix: 16) + "}"
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    return result + "'"
  }

  /// Tells what is wrong with a scalar. What the error says of the text is left out where the environment is in it.
  mutating func report(_ scalar: SettingsNode.Scalar, _ error: QuantityError) {
    let quotesText = scalar.text != scalar.written && error.fact.contains("'")
    report(
      "\(Self.shown(scalar)) \(quotesText ? "is not valid with what the environment has for it" : error.fact)",
      fix: error.fix)
  }

  /// Scalars of a value that a message shows.
  static let longestShownText = 60
}
