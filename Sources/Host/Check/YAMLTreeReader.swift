package import Analysis
internal import Yams

/// From YAML to trees, with bounds: files of anybody are read, and a short one may stand for a huge one.
package enum YAMLTreeReader {
  /// Nodes of one file, those that aliases stand for included.
  private static let nodeLimit = 200_000

  package static func read(_ file: CheckedFile) -> ConfigurationTree {
    if let problem = tooDeep(file) { return ConfigurationTree(problems: [problem]) }
    let whole = parse(withoutTemplates(file.bytes), file)
    return whole
  }

  private static func parse(_ bytes: [UInt8], _ file: CheckedFile) -> ConfigurationTree {
    var tree = ConfigurationTree()
    do {
      let parser = try Parser(yaml: String(decoding: bytes, as: UTF8.self), resolver: .basic, encoding: .utf8)
      var converter = Converter(file: file, limit: nodeLimit)
      while let root = try parser.nextRoot() { tree.documents.append(try converter.node(root, depth: 0)) }
    } catch let problem as TooMuch {
      tree.problems.append(CheckEvidence(problem.fact, at: file.place(at: 0)))
    } catch let error as YamlError {
      tree.problems.append(CheckEvidence("this is not YAML; read as far as it goes", at: place(error, file)))
    } catch {
      tree.problems.append(CheckEvidence("this is not YAML", at: file.place(at: 0)))
    }
    return tree
  }

  private static func place(_ error: YamlError, _ file: CheckedFile) -> CheckPlace {
    switch error {
    case .scanner(_, _, let mark, _), .parser(_, _, let mark, _), .composer(_, _, let mark, _):
      file.place(line: max(1, mark.line), column: max(1, mark.column))
    case .duplicatedKeysInMapping(_, let context):
      file.place(line: max(1, context.mark.line), column: max(1, context.mark.column))
    case .reader, .memory, .no, .writer, .emitter, .representer, .dataCouldNotBeDecoded: file.place(at: 0)
    }
  }

  /// The parser recurses: brackets and indentation are counted before it runs.
  private static func tooDeep(_ file: CheckedFile) -> CheckEvidence? {
    var open = 0
    var column = 0
    var isIndentation = true
    for (offset, byte) in file.bytes.enumerated() {
      column += 1
      switch byte {
      case UInt8(ascii: "\n"):
        column = 0
        isIndentation = true
        continue
      case UInt8(ascii: "["), UInt8(ascii: "{"): open += 1
      case UInt8(ascii: "]"), UInt8(ascii: "}"): open = max(0, open - 1)
      default: break
      }
      if open > 256 || (isIndentation && column > 400) {
        return CheckEvidence("this YAML is nested too deeply to be read", at: file.place(at: offset))
      }
      if ![0x20, 0x09, 0x2d, 0x3f, 0x3a].contains(byte) { isIndentation = false }
    }
    return nil
  }

  /// Helm's and Jinja's lines of control (`{{- if }}`) become empty, and what they put into values a word.
  private static func withoutTemplates(_ bytes: [UInt8]) -> [UInt8] {
    guard bytes.contains(UInt8(ascii: "{")) else { return bytes }
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var lineStart = 0
    while lineStart < bytes.count {
      let end = bytes[lineStart...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
      let line = bytes[lineStart..<end]
      let trimmed = line.drop { $0 == 0x20 || $0 == UInt8(ascii: "-") && false }
      if trimmed.starts(with: "{{".utf8) || trimmed.starts(with: "{%".utf8) {
        result += [UInt8](repeating: 0x20, count: 0)
      } else {
        result += replaced(line)
      }
      if end < bytes.count { result.append(UInt8(ascii: "\n")) }
      lineStart = end + 1
    }
    return result
  }

  private static func replaced(_ line: ArraySlice<UInt8>) -> [UInt8] {
    var result: [UInt8] = []
    var index = line.startIndex
    while index < line.endIndex {
      let isOpen = line[index] == UInt8(ascii: "{") && index + 1 < line.endIndex && line[index + 1] == UInt8(ascii: "{")
      guard isOpen else {
        result.append(line[index])
        index += 1
        continue
      }
      var end = index + 2
      while end + 1 < line.endIndex, !(line[end] == UInt8(ascii: "}") && line[end + 1] == UInt8(ascii: "}")) {
        end += 1
      }
      // As long as it was, so that columns stay.
      let length = min(end + 2, line.endIndex) - index
      result += [UInt8](repeating: UInt8(ascii: "x"), count: length)
      index += length
    }
    return result
  }
}

private struct TooMuch: Error {
  var fact: String
}

/// Copies the parser's nodes, follows aliases, merges `<<`.
private struct Converter {
  let file: CheckedFile
  let limit: Int
  var count = 0

  init(file: CheckedFile, limit: Int) {
    self.file = file
    self.limit = limit
  }

  mutating func node(_ node: Node, depth: Int) throws -> ConfigurationNode {
    count += 1
    guard count <= limit else { throw TooMuch(fact: "more than \(limit) values, with aliases followed; not read") }
    guard depth <= CheckLimits.depth else { throw TooMuch(fact: "more than \(CheckLimits.depth) levels; not read") }
    let place =
      node.mark.map { file.place(line: $0.line, column: $0.column) } ?? file.place(at: 0)
    switch node {
    case .scalar(let scalar):
      let isNothing = scalar.style == .plain && ["", "~", "null", "Null", "NULL"].contains(scalar.string)
      return ConfigurationNode(
        isNothing ? .nothing : .scalar(scalar.string), at: place, isBlock: scalar.style == .literal)
    case .sequence(let items):
      return ConfigurationNode(.list(try items.map { try self.node($0, depth: depth + 1) }), at: place)
    case .mapping(let mapping):
      var entries: [ConfigurationNode.Entry] = []
      var merged: [ConfigurationNode.Entry] = []
      for (key, value) in mapping {
        let keyPlace = key.mark.map { file.place(line: $0.line, column: $0.column) } ?? place
        guard case .scalar(let name) = key else { continue }
        let converted = try self.node(value, depth: depth + 1)
        if name.string == "<<" {
          merged += converted.entries + converted.items.flatMap(\.entries)
        } else {
          entries.append(ConfigurationNode.Entry(name.string, at: keyPlace, converted))
        }
      }
      let known = Set(entries.map(\.key))
      return ConfigurationNode(.map(entries + merged.filter { !known.contains($0.key) }), at: place)
    case .alias: return ConfigurationNode(.nothing, at: place)
    }
  }
}
