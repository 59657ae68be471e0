/// A value of YAML, JSON or TOML with its place. Aliases were followed, merged maps merged.
package struct ConfigurationNode: Sendable {
  package enum Content: Sendable {
    case nothing
    case scalar(String)
    case list([ConfigurationNode])
    /// In the order of the file.
    case map([Entry])
  }

  package struct Entry: Sendable {
    package var key: String
    package var keyPlace: CheckPlace
    package var value: ConfigurationNode

    package init(_ key: String, at keyPlace: CheckPlace, _ value: ConfigurationNode) {
      self.key = key
      self.keyPlace = keyPlace
      self.value = value
    }
  }

  package var content: Content
  package var place: CheckPlace
  /// A text that keeps its lines (`|`): it begins on the line behind its place.
  package var isBlock: Bool

  package init(_ content: Content, at place: CheckPlace, isBlock: Bool = false) {
    self.content = content
    self.place = place
    self.isBlock = isBlock
  }

  package var scalar: String? { if case .scalar(let text) = content { text } else { nil } }
  package var items: [ConfigurationNode] { if case .list(let items) = content { items } else { [] } }
  package var entries: [Entry] { if case .map(let entries) = content { entries } else { [] } }
  package var isMap: Bool { if case .map = content { true } else { false } }

  package func entry(_ key: String) -> Entry? { entries.first { $0.key == key } }

  package subscript(_ path: String...) -> ConfigurationNode? {
    var node = self
    for key in path {
      guard let next = node.entry(key)?.value else { return nil }
      node = next
    }
    return node
  }

  /// As ``subscript(_:)``, without regard to capitals, dashes and underscores.
  package func loose(_ path: [String]) -> Entry? {
    var node = self
    var found: Entry?
    for key in path {
      let wanted = Self.plain(key)
      guard let next = node.entries.first(where: { Self.plain($0.key) == wanted }) else { return nil }
      found = next
      node = next.value
    }
    return found
  }

  package static func plain(_ key: String) -> String { key.lowercased().filter { $0 != "-" && $0 != "_" } }

  /// All scalars below it with the path of keys that leads there; `visit` may be called for many.
  package func walk(_ path: [String] = [], _ visit: ([String], ConfigurationNode) -> Void) {
    guard path.count < CheckLimits.depth else { return }
    visit(path, self)
    switch content {
    case .nothing, .scalar: break
    case .list(let items): for item in items { item.walk(path + ["[]"], visit) }
    case .map(let entries): for entry in entries { entry.value.walk(path + [entry.key], visit) }
    }
  }

  /// The words of a command: a list of texts, or one text that a shell splits.
  package var command: [CheckWord] {
    if let scalar { return ShellWords.words(scalar, at: place) }
    return items.compactMap { item in item.scalar.map { CheckWord($0, at: item.place) } }
  }
}

/// What came of parsing a file into trees.
package struct ConfigurationTree: Sendable {
  package var documents: [ConfigurationNode]
  package var problems: [CheckEvidence]

  package init(documents: [ConfigurationNode] = [], problems: [CheckEvidence] = []) {
    self.documents = documents
    self.problems = problems
  }
}
