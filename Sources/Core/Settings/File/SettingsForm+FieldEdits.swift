extension SettingsForm<[FieldEdit]> {
  /// - Parameter isRequest: whether the head of a request is edited.
  static func fieldEdits(isRequest: Bool) -> SettingsForm {
    SettingsForm(
      description: "a map with set, add and remove", kind: "map",
      read: { node, _, reader in
        var edits: [FieldEdit] = []
        section(isRequest: isRequest).read(node, into: &edits, &reader)
        checkNames(edits, &reader)
        return edits.enumerated().sorted { left, right in
          (left.element.order, left.offset) < (right.element.order, right.offset)
        }.map(\.element)
      },
      show: { section(isRequest: isRequest).show($0) },
      keys: section(isRequest: isRequest).describe([]))
  }

  private static func section(isRequest: Bool) -> SettingsSection<[FieldEdit]> {
    SettingsSection(
      title: "edits of fields",
      keys: [
        SettingsKey(
          "remove", \.removed, SettingsForm<String>.editedName(isRequest: isRequest).list(),
          "Fields that are taken away, all lines of them."),
        SettingsKey(
          "set", \.set, .fieldValues(isRequest: isRequest), "Fields that are written in place of what is there."),
        SettingsKey(
          "add", \.added, .fieldValues(isRequest: isRequest), "Fields that are written behind what is there."),
      ],
      foreignKeys: [
        "append": "did you mean 'add'?", "delete": "did you mean 'remove'?", "replace": "did you mean 'set'?",
      ])
  }

  /// A field that is set and also removed or set twice is a mistake.
  private static func checkNames(_ edits: [FieldEdit], _ reader: inout SettingsReader) {
    var kinds: [String: FieldEdit] = [:]
    for edit in edits where edit.order < 2 {
      let name = edit.name.lowercased()
      if let other = kinds[name] {
        reader.report(
          of: "\(reader.subject).\(edit.kind)",
          other.order == edit.order ? "'\(edit.name)' stands here twice" : "'\(edit.name)' is both set and removed",
          fix: "keep one; 'set' also takes away what is there")
      }
      kinds[name] = edit
    }
  }
}

extension [FieldEdit] {
  fileprivate var removed: [String] {
    get { compactMap { if case .remove(let name) = $0 { name } else { nil } } }
    set { self = filter { $0.order != 0 } + newValue.map { .remove(name: $0) } }
  }

  fileprivate var set: [FieldValue] {
    get { compactMap { if case .set(let name, let value) = $0 { FieldValue(name: name, parts: value) } else { nil } } }
    set { self = filter { $0.order != 1 } + newValue.map { .set(name: $0.name, value: $0.parts) } }
  }

  fileprivate var added: [FieldValue] {
    get { compactMap { if case .add(let name, let value) = $0 { FieldValue(name: name, parts: value) } else { nil } } }
    set { self = filter { $0.order != 2 } + newValue.map { .add(name: $0.name, value: $0.parts) } }
  }
}

extension FieldEdit {
  /// The order in which edits are applied, whatever that in the file is.
  fileprivate var order: Int {
    switch self {
    case .remove: 0
    case .set: 1
    case .add: 2
    }
  }

  fileprivate var kind: String {
    switch self {
    case .remove: "remove"
    case .set: "set"
    case .add: "add"
    }
  }

  /// Fields that frame the message or belong to one hop (RFC 9110 section 7.6.1): the proxy writes them itself.
  static let hopFields: Set<String> = [
    "connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade", "keep-alive", "proxy-connection",
    "http2-settings", "expect",
  ]
}

/// A field with a value that is filled in for each request.
struct FieldValue: Equatable {
  var name: String
  var parts: [FieldEdit.ValuePart]
}

extension SettingsForm<String> {
  /// The name of a field that may be edited.
  fileprivate static func editedName(isRequest: Bool) -> SettingsForm {
    fieldName.checked { editProblem($0, isRequest: isRequest, isRemoval: true) }
  }

  /// Why a field may not be edited so; nil when it may.
  fileprivate static func editProblem(
    _ name: String, isRequest: Bool, isRemoval: Bool
  ) -> (fact: String, fix: String)? {
    let lower = name.lowercased()
    if FieldEdit.hopFields.contains(lower) {
      return ("belongs to the connection or frames the message; the proxy writes it itself", "leave it out")
    }
    if isRequest, lower == "host" {
      return ("cannot be edited here", "name it by 'host' of the upstream")
    }
    if isRequest, lower == "cdn-loop" {
      return ("is what ends a loop of proxies that lead to each other", "leave it out")
    }
    if lower == "proxy-status", isRequest || !isRemoval {
      return (
        "says what this proxy, or one behind it, did with a request; it cannot be written here",
        isRequest ? "leave it out" : "leave it out, or take it away by 'remove'"
      )
    }
    return nil
  }
}

extension SettingsForm<[FieldValue]> {
  fileprivate static func fieldValues(isRequest: Bool) -> SettingsForm {
    SettingsForm(
      description: "a map of names and values", kind: "map: field name, value",
      read: { node, _, reader in
        guard case .map(let entries) = node.content else {
          if node.content == .nothing { return [] }
          reader.report("is not a map", fix: "write names and values, for instance X-Proxy: photofinish")
          return nil
        }
        return entries.compactMap { entry in
          reader.within(entry.key, at: entry.keyPlace, entry.value) { read(entry, isRequest: isRequest, &$0) }
        }
      },
      show: { values in values.isEmpty ? nil : .map(values.map { ($0.name, .text(FieldEdit.text(of: $0.parts))) }) })
  }

  private static func read(
    _ entry: SettingsNode.Entry, isRequest: Bool, _ reader: inout SettingsReader
  ) -> FieldValue? {
    do throws(QuantityError) {
      _ = try checkedFieldName(entry.key)
    } catch {
      reader.report("\(SettingsReader.shown(entry.key)) \(error.fact)", fix: error.fix, at: entry.keyPlace)
      return nil
    }
    if let problem = SettingsForm<String>.editProblem(entry.key, isRequest: isRequest, isRemoval: false) {
      reader.report("'\(entry.key)' \(problem.fact)", fix: problem.fix, at: entry.keyPlace)
      return nil
    }
    guard let scalar = reader.scalar(entry.value, "a text") else { return nil }
    do throws(QuantityError) {
      return FieldValue(name: entry.key, parts: try FieldEdit.parts(parsing: scalar.text, isRequest: isRequest))
    } catch {
      reader.report(scalar, error)
      return nil
    }
  }
}

extension FieldEdit {
  private static let placeholders: [(String, ValuePart)] = [
    ("client-address", .clientAddress), ("client-port", .clientPort), ("host", .host), ("request-id", .requestID),
    ("scheme", .scheme), ("server", .server), ("upstream", .upstream), ("route", .route),
  ]

  package static var placeholderNames: [String] { placeholders.map(\.0) }

  /// Parses a value with `{name}` for what is known of the request; `{{` stands for a brace.
  ///
  /// - Parameter isRequest: whether the value is one of a request.
  static func parts(parsing text: String, isRequest: Bool) throws(QuantityError) -> [ValuePart] {
    let pieces = try BracedText.parse(try checkedFieldValue(text))
    var parts: [ValuePart] = []
    for piece in pieces {
      switch piece {
      case .text(let text): parts.append(.text(text))
      case .name(let name):
        guard let placeholder = placeholders.first(where: { $0.0 == name }) else {
          throw QuantityError(
            text: text, fact: "names '{\(name)}', which is not known of a request",
            fix: NearestName.fix(name, among: placeholderNames, called: "known are"))
        }
        // A request is written before its server is chosen, and stays as it is when another one gets it in a replay.
        guard !isRequest || placeholder.1 != .server else {
          throw QuantityError(
            text: text, fact: "names '{server}', which is not chosen yet when the request is written",
            fix: "leave it out, write {upstream}, or have the response tell it by 'response-fields'")
        }
        parts.append(placeholder.1)
      }
    }
    return parts
  }

  /// As ``parts(parsing:isRequest:)`` reads it.
  static func text(of parts: [ValuePart]) -> String {
    parts.map { part in
      if case .text(let text) = part { return BracedText.escape(text) }
      // Every part but text is among the placeholders.
      return "{" + (placeholders.first { $0.1 == part }?.0 ?? "") + "}"
    }.joined()
  }
}

/// Text with names in braces; `{{` and `}}` stand for braces.
enum BracedText {
  enum Piece: Equatable {
    case text(String)
    case name(String)
  }

  static func parse(_ text: String) throws(QuantityError) -> [Piece] {
    var pieces: [Piece] = []
    var literal = ""
    var rest = text[...]
    while let character = rest.first {
      if rest.hasPrefix("{{") || rest.hasPrefix("}}") {
        literal.append(character)
        rest = rest.dropFirst(2)
      } else if character == "{" {
        guard let end = rest.firstIndex(of: "}") else {
          throw QuantityError(text: text, fact: "has a '{' that no '}' closes", fix: "write {name}, or {{ for a brace")
        }
        if !literal.isEmpty { pieces.append(.text(literal)) }
        literal = ""
        pieces.append(.name(String(rest[rest.index(after: rest.startIndex)..<end])))
        rest = rest[rest.index(after: end)...]
      } else if character == "}" {
        throw QuantityError(text: text, fact: "has a '}' that closes nothing", fix: "write }} for a brace")
      } else {
        literal.append(character)
        rest = rest.dropFirst()
      }
    }
    if !literal.isEmpty { pieces.append(.text(literal)) }
    return pieces
  }

  static func escape(_ text: String) -> String {
    text.reduce(into: "") { result, character in
      result.append(character)
      if character == "{" || character == "}" { result.append(character) }
    }
  }
}
