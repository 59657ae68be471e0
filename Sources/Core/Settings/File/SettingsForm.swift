/// How values of a type are written in a settings file: read, shown, and described for people.
struct SettingsForm<Value> {
  /// What people write, as "write ..." continues: `a time, for instance 30s`.
  var description: String
  /// For the column of a table: `time`.
  var kind: String
  /// The value, or nil and a report. The second parameter is the value that holds without the file, if there is one; what a
  /// map leaves out stays as it is there.
  var read: (SettingsNode, Value?, inout SettingsReader) -> Value?
  /// nil: there is nothing to be written.
  var show: (Value) -> SettingsNode?
  /// The keys within, when the value can be a map.
  var keys: [SettingsKeyDescription] = []
}

/// What the reference and the example say about one key.
package struct SettingsKeyDescription {
  package var name: String
  /// `time`, `on or off` ...
  package var kind: String
  /// As it would be written; nil when the key has no default.
  package var standard: SettingsNode?
  package var summary: String
  /// A value for the example in YAML; nil: the default.
  package var example: String?
  /// Whether it stands in the example as it is; otherwise in a comment.
  package var isLive = false
  package var keys: [SettingsKeyDescription] = []
}

/// One key of a map.
struct SettingsKey<Root> {
  var name: String
  var read: (SettingsNode, inout Root, inout SettingsReader) -> Void
  /// nil: the key is left out.
  var show: (Root) -> SettingsNode?
  var describe: (Root) -> SettingsKeyDescription

  init<Value>(
    _ name: String, _ path: WritableKeyPath<Root, Value>, _ form: SettingsForm<Value>, example: String? = nil,
    isLive: Bool = false, standard: String? = nil, _ summary: String
  ) {
    self.name = name
    read = { node, root, reader in
      if let value = form.read(node, root[keyPath: path], &reader) { root[keyPath: path] = value }
    }
    show = { form.show($0[keyPath: path]) }
    describe = {
      SettingsKeyDescription(
        name: name, kind: form.kind, standard: standard.map { .text($0) } ?? form.show($0[keyPath: path]),
        summary: summary, example: example,
        isLive: isLive,
        keys: form.keys)
    }
  }
}

/// The keys that a map may have.
struct SettingsSection<Root> {
  /// As messages call it: `an upstream`.
  var title: String
  var keys: [SettingsKey<Root>]
  /// Keys that other programs or people call differently, and what to do about them.
  var foreignKeys: [String: String] = [:]

  var names: [String] { keys.map(\.name) }

  /// Reads a map into `root`. Everything that can be read is, whatever else is wrong.
  func read(_ node: SettingsNode, into root: inout Root, _ reader: inout SettingsReader) {
    switch node.content {
    case .nothing: return
    case .map(let entries):
      for entry in entries { read(entry, into: &root, &reader) }
    case .scalar, .list:
      let what = if case .list = node.content { "a list" } else { "a single value" }
      let subject = reader.subject.isEmpty ? "the file " : ""
      reader.report(
        "\(subject)is \(what)", fix: "write a map with keys such as \(names.prefix(3).joined(separator: ", "))")
    }
  }

  private func read(_ entry: SettingsNode.Entry, into root: inout Root, _ reader: inout SettingsReader) {
    guard let key = keys.first(where: { $0.name == entry.key }) else {
      let fix = reader.isTellingAll ? fix(entry.key) : "leave it out"
      reader.report("\(SettingsReader.shown(entry.key)) is an unknown key of \(title)", fix: fix, at: entry.keyPlace)
      return
    }
    reader.within(entry.key, at: entry.keyPlace, entry.value) { key.read(entry.value, &root, &$0) }
  }

  private func fix(_ key: String) -> String {
    let dashed = String(key.lowercased().map { $0 == "_" ? "-" : $0 })
    return foreignKeys[key.lowercased()] ?? foreignKeys[dashed]
      ?? NearestName.fix(key, among: names, called: "the keys here are")
  }

  func show(_ root: Root) -> SettingsNode? {
    let entries = keys.compactMap { key in key.show(root).map { (key.name, $0) } }
    return entries.isEmpty ? nil : .map(entries)
  }

  func describe(_ root: Root) -> [SettingsKeyDescription] { keys.map { $0.describe(root) } }

  /// As a form: a map of these keys.
  func form(standard: Root) -> SettingsForm<Root> {
    SettingsForm(
      description: "a map with keys such as \(names.prefix(3).joined(separator: ", "))", kind: "map",
      read: { node, current, reader in
        var value = current ?? standard
        read(node, into: &value, &reader)
        return value
      },
      show: show, keys: describe(standard))
  }
}
