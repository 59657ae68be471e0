/// A piece of a lab file as it was written: text, a list or a map, with its line.
package struct LabNode: Equatable, Sendable {
  package enum Content: Equatable, Sendable {
    case text(String)
    case list([LabNode])
    case map([Entry])
  }

  package struct Entry: Equatable, Sendable {
    package var key: String
    package var value: LabNode

    package init(key: String, value: LabNode) {
      self.key = key
      self.value = value
    }
  }

  package var content: Content
  package var line: Int

  package init(_ content: Content, line: Int) {
    self.content = content
    self.line = line
  }
}

/// What is wrong with a lab file, or with how the lab was asked.
package struct LabError: Error, Equatable, Sendable, CustomStringConvertible {
  /// A file with a line, or an argument.
  package var place: String
  package var fact: String
  package var fix: String

  package init(place: String, fact: String, fix: String) {
    self.place = place
    self.fact = fact
    self.fix = fix
  }

  package var description: String { "\(place): \(fact); \(fix)" }
}

/// Takes the fields of a map, and says where what is wrong.
struct LabFields {
  let file: String
  let line: Int
  private let entries: [LabNode.Entry]

  init(_ node: LabNode, file: String, of what: String, known: [String]) throws(LabError) {
    self.file = file
    line = node.line
    guard case .map(let entries) = node.content else {
      throw LabError(
        place: "\(file):\(node.line)", fact: "\(what) is no map", fix: "write name: value, a line each")
    }
    self.entries = entries
    for (index, entry) in entries.enumerated() {
      if !known.isEmpty, !known.contains(entry.key) {
        throw LabError(
          place: "\(file):\(entry.value.line)", fact: "\(what) has no field '\(entry.key)'",
          fix: "it has \(known.joined(separator: ", "))")
      }
      if entries[..<index].contains(where: { $0.key == entry.key }) {
        throw LabError(
          place: "\(file):\(entry.value.line)", fact: "'\(entry.key)' stands there twice", fix: "leave one out")
      }
    }
  }

  var all: [LabNode.Entry] { entries }

  func node(_ name: String) -> LabNode? { entries.first { $0.key == name }?.value }

  func text(_ name: String) throws(LabError) -> String? {
    guard let node = node(name) else { return nil }
    return try text(node, name)
  }

  func text(_ node: LabNode, _ name: String) throws(LabError) -> String {
    guard case .text(let text) = node.content else { throw wrong(node, "'\(name)' is no text", "write one value") }
    return text
  }

  func requiredText(_ name: String) throws(LabError) -> String {
    guard let text = try text(name) else {
      throw LabError(place: "\(file):\(line)", fact: "there is no '\(name)'", fix: "add '\(name): ...'")
    }
    return text
  }

  /// A list of texts; a single text is a list of one.
  func texts(_ name: String) throws(LabError) -> [String]? {
    guard let node = node(name) else { return nil }
    switch node.content {
    case .text(let text): return [text]
    case .list(let nodes):
      var texts: [String] = []
      for node in nodes { texts.append(try text(node, name)) }
      return texts
    case .map: throw wrong(node, "'\(name)' is a map", "write a value or a list of values")
    }
  }

  /// A map of texts, in the order in which they stand there.
  func table(_ name: String) throws(LabError) -> [(name: String, value: String)] {
    guard let node = node(name) else { return [] }
    guard case .map(let entries) = node.content else {
      throw wrong(node, "'\(name)' is no map", "write name: value, a line each")
    }
    var table: [(name: String, value: String)] = []
    for entry in entries { table.append((entry.key, try text(entry.value, entry.key))) }
    return table
  }

  func number(_ name: String, in range: ClosedRange<Int>) throws(LabError) -> Int? {
    guard let node = node(name) else { return nil }
    guard let number = Int(try text(node, name)), range.contains(number) else {
      throw wrong(node, "'\(name)' is no number that fits", "give one from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  func truth(_ name: String) throws(LabError) -> Bool? {
    guard let node = node(name) else { return nil }
    switch try text(node, name) {
    case "yes", "true": return true
    case "no", "false": return false
    default: throw wrong(node, "'\(name)' is neither yes nor no", "write yes or no")
    }
  }

  func wrong(_ node: LabNode?, _ fact: String, _ fix: String) -> LabError {
    LabError(place: "\(file):\(node?.line ?? line)", fact: fact, fix: fix)
  }
}
