/// A place in a settings file. Lines and columns count from 1, columns in Unicode scalars.
package struct SettingsPlace: Sendable, Hashable, Comparable {
  package var line: Int
  package var column: Int

  package init(line: Int, column: Int) {
    self.line = line
    self.column = column
  }

  package static let start = SettingsPlace(line: 1, column: 1)
  /// No place: the file as a whole.
  package static let whole = SettingsPlace(line: 0, column: 0)

  package static func < (left: SettingsPlace, right: SettingsPlace) -> Bool {
    (left.line, left.column) < (right.line, right.column)
  }
}

/// What a settings file says, whatever notation it is written in: scalars, lists and maps, each with its place.
package struct SettingsNode: Sendable, Hashable {
  package var place: SettingsPlace
  package var content: Content

  package init(_ content: Content, at place: SettingsPlace = .start) {
    self.content = content
    self.place = place
  }

  package enum Content: Sendable, Hashable {
    /// A key with nothing behind it, or an empty file.
    case nothing
    case scalar(Scalar)
    case list([SettingsNode])
    /// In the order of the file; no key twice.
    case map([Entry])
  }

  package struct Scalar: Sendable, Hashable {
    /// With the environment's values filled in.
    package var text: String
    /// As it stands in the file. Only this is ever shown, since the environment may hold secrets.
    package var written: String

    package init(_ text: String) {
      self.text = text
      written = text
    }
  }

  package struct Entry: Sendable, Hashable {
    package var key: String
    package var keyPlace: SettingsPlace
    package var value: SettingsNode

    package init(_ key: String, at keyPlace: SettingsPlace = .start, _ value: SettingsNode) {
      self.key = key
      self.keyPlace = keyPlace
      self.value = value
    }
  }

  package static func text(_ text: String) -> SettingsNode { SettingsNode(.scalar(Scalar(text))) }

  package static func list(_ items: [SettingsNode]) -> SettingsNode { SettingsNode(.list(items)) }

  package static func map(_ entries: [(String, SettingsNode)]) -> SettingsNode {
    SettingsNode(.map(entries.map { Entry($0.0, $0.1) }))
  }
}
