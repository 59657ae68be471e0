package import Core
internal import Yams

/// From YAML to a tree of settings.
package enum YAMLReader {
  /// - Parameter bytes: the file. A byte order mark at its start is passed over.
  package static func read(_ bytes: [UInt8]) -> Result<SettingsNode, SettingsProblem> {
    guard bytes.count <= YAMLLimits.bytes else {
      return .failure(
        SettingsProblem(
          .error, at: .whole, fact: "the file is larger than \(YAMLLimits.bytes) bytes",
          fix: "settings are not so large"))
    }
    let start = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? 3 : 0
    let content = Array(bytes[start...])
    guard let text = String(validating: content, as: UTF8.self) else {
      let isWide = content.starts(with: [0xff, 0xfe]) || content.starts(with: [0xfe, 0xff])
      return .failure(
        SettingsProblem(
          .error, at: YAMLLimits.place(content, validPrefix(content)), fact: "the file is not UTF-8",
          fix: isWide ? "it looks like UTF-16; save it as UTF-8" : "settings are text; is this the right file?"))
    }
    if let problem = YAMLLimits.firstProblem(content) { return .failure(problem) }
    return compose(text)
  }

  private static func compose(_ text: String) -> Result<SettingsNode, SettingsProblem> {
    do {
      let parser = try Parser(yaml: text, encoding: .utf8)
      guard let root = try parser.nextRoot() else { return .success(SettingsNode(.nothing)) }
      if let second = try parser.nextRoot() {
        return .failure(
          SettingsProblem(
            .error, at: second.mark.map(SettingsPlace.init) ?? .start, fact: "a second document begins here",
            fix: "a file holds one; remove the '---'"))
      }
      var converter = Converter()
      let node = try converter.node(root)
      return .success(node)
    } catch let problem as SettingsProblem {
      return .failure(problem)
    } catch let error as YamlError {
      return .failure(YAMLFault(text).problem(error))
    } catch {
      return .failure(
        SettingsProblem(.error, at: .start, fact: "cannot be parsed: \(error)", fix: "check that it is YAML"))
    }
  }

  /// Bytes before the first that is not UTF-8.
  private static func validPrefix(_ bytes: [UInt8]) -> Int {
    var low = 0
    var decoder = UTF8()
    var iterator = bytes.makeIterator()
    while true {
      switch decoder.decode(&iterator) {
      case .scalarValue(let scalar): low += UTF8.width(scalar)
      case .emptyInput, .error: return min(low, bytes.count)
      }
    }
  }
}

extension SettingsPlace {
  fileprivate init(_ mark: Mark) { self.init(line: mark.line, column: mark.column) }
}

/// Copies the parser's nodes, with a limit, and refuses what settings do not take.
private struct Converter {
  private var count = 0

  mutating func node(_ node: Node) throws -> SettingsNode {
    count += 1
    let place = node.mark.map(SettingsPlace.init) ?? .start
    guard count <= YAMLLimits.nodes else {
      throw SettingsProblem(
        .error, at: place, fact: "more than \(YAMLLimits.nodes) values", fix: "settings are not so large")
    }
    if let anchor = node.anchor {
      throw SettingsProblem(
        .error, at: place, fact: "'&\(anchor.rawValue)' is an anchor, which settings do not take", fix: "leave it out")
    }
    switch node {
    case .scalar(let scalar): return SettingsNode(content(scalar), at: place)
    case .sequence(let items): return SettingsNode(.list(try items.map { try self.node($0) }), at: place)
    case .mapping(let mapping): return SettingsNode(.map(try mapping.map { try entry($0.key, $0.value) }), at: place)
    case .alias:
      throw SettingsProblem(
        .error, at: place, fact: "is an alias, which settings do not take", fix: "write out what it stands for")
    }
  }

  private func content(_ scalar: Node.Scalar) -> SettingsNode.Content {
    let isPlain = scalar.style == .plain
    return isPlain && ["", "~", "null", "Null", "NULL"].contains(scalar.string)
      ? .nothing : .scalar(SettingsNode.Scalar(scalar.string))
  }

  private mutating func entry(_ key: Node, _ value: Node) throws -> SettingsNode.Entry {
    let place = key.mark.map(SettingsPlace.init) ?? .start
    guard case .scalar(let name) = key else {
      throw SettingsProblem(.error, at: place, fact: "a key is a list or a map", fix: "write a name before the colon")
    }
    guard name.string != "<<" else {
      throw SettingsProblem(
        .error, at: place, fact: "'<<' merges maps, which settings do not take", fix: "write out what it stands for")
    }
    // Yams gives an empty value the place behind the next key; the key's own is where people look.
    var node = try self.node(value)
    if node.content == .nothing { node.place = place }
    return SettingsNode.Entry(name.string, at: place, node)
  }
}
