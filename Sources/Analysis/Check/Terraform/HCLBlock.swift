/// A block of Terraform's language: `resource "aws_lb" "main" { ... }`.
struct HCLBlock {
  struct Attribute {
    var name: String
    var place: CheckPlace
    var valuePlace: CheckPlace
    var value: ArraySlice<CodeToken>
  }

  var type: String
  var labels: [String]
  var place: CheckPlace
  var attributes: [Attribute] = []
  var blocks: [HCLBlock] = []

  func attribute(_ name: String) -> Attribute? { attributes.last { $0.name == name } }

  /// The blocks of a file. What is out of place is passed over.
  static func parse(_ source: CodeSource) -> HCLBlock {
    var root = HCLBlock(type: "", labels: [], place: source.file.place(at: 0))
    var index = 0
    root.fill(source, &index, depth: 0)
    return root
  }

  private mutating func fill(_ source: CodeSource, _ index: inout Int, depth: Int) {
    while index < source.tokens.count {
      if source.isMark(index, "}") {
        index += 1
        return
      }
      let token = source.tokens[index]
      guard token.kind == .word || token.kind == .string else {
        index += 1
        continue
      }
      let place = source.place(index)
      if source.isMark(index + 1, "="), !source.isMark(index + 2, "=") {
        let start = index + 2
        let end = Self.end(source, start)
        attributes.append(
          Attribute(
            name: token.text, place: place, valuePlace: source.place(start), value: source.tokens[min(start, end)..<end]
          ))
        index = max(end, index + 2)
        continue
      }
      var labels: [String] = []
      var at = index + 1
      while at < source.tokens.count, source.tokens[at].kind == .string || source.tokens[at].kind == .word,
        source.tokens[at].indentation == nil
      {
        labels.append(source.tokens[at].text)
        at += 1
      }
      guard source.isMark(at, "{"), depth < CheckLimits.depth else {
        index += 1
        continue
      }
      var block = HCLBlock(type: token.text, labels: labels, place: place)
      index = at + 1
      block.fill(source, &index, depth: depth + 1)
      blocks.append(block)
    }
  }

  /// Where an expression ends: before the next line, unless a bracket is open.
  private static func end(_ source: CodeSource, _ start: Int) -> Int {
    var depth = 0
    var index = start
    while index < source.tokens.count {
      let token = source.tokens[index]
      if depth == 0, index > start, token.indentation != nil { return index }
      if token.kind == .mark {
        if ["(", "[", "{"].contains(token.text) { depth += 1 }
        if [")", "]", "}"].contains(token.text) {
          if depth == 0 { return index }
          depth -= 1
        }
      }
      index += 1
    }
    return index
  }
}
