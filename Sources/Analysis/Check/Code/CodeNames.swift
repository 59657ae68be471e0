/// What names stand for: constants of the same file, members of objects, and what was imported.
enum CodeNames {
  /// Imports of imports.
  private static let imports = 4

  /// The expression behind a name with its members, and the source in which it stands.
  static func find(_ path: [String], in source: CodeSource, _ context: CheckContext, depth: Int) -> (
    ArraySlice<CodeToken>, CodeSource
  )? {
    guard depth < imports, let name = path.first else { return nil }
    if path.count == 1 || source.dialect == .javaScript, let value = source.constant(name) {
      if let found = member(path.dropFirst(), of: value, in: source) { return (found, source) }
      // `const config = require("./config")` is a constant whose members stand in another file.
      guard source.dialect == .javaScript, let first = value.first, first.text == "require" else { return nil }
    }
    switch source.dialect {
    case .javaScript: return imported(path, source, context, depth)
    case .python: return importedModule(path, source, context, depth)
    case .go: return path.count == 1 ? ofPackage(name, source, context) : nil
    case .ruby, .terraform, .cSharp: return nil
    }
  }

  /// `server.timeouts` within `{ server: { timeouts: 5 } }`.
  private static func member(_ path: ArraySlice<String>, of value: ArraySlice<CodeToken>, in source: CodeSource)
    -> ArraySlice<CodeToken>?
  {
    guard let name = path.first else { return value }
    var open = value.startIndex
    // `Object.freeze({`, `({`
    while open < value.endIndex, !source.isMark(open, "{") {
      guard source.tokens[open].kind == .word || [".", "("].contains(source.text(open)) else { return nil }
      open += 1
    }
    guard open < value.endIndex else { return nil }
    var depth = 0
    for index in open..<value.endIndex {
      if source.tokens[index].kind == .mark {
        if ["{", "(", "["].contains(source.text(index)) { depth += 1 }
        if ["}", ")", "]"].contains(source.text(index)) { depth -= 1 }
      }
      guard depth == 1, source.tokens[index].text == name, source.isMark(index + 1, ":"),
        source.isMark(index - 1, "{") || source.isMark(index - 1, ",")
      else { continue }
      return member(path.dropFirst(), of: source.expression(from: index + 2), in: source)
    }
    return nil
  }

  // MARK: - JavaScript and TypeScript

  /// `import { name } from './file'`, `import name from './file'`, `const { name } = require('./file')`.
  private static func imported(_ path: [String], _ source: CodeSource, _ context: CheckContext, _ depth: Int) -> (
    ArraySlice<CodeToken>, CodeSource
  )? {
    let name = path[0]
    for index in source.tokens.indices where source.isWord(index, name) {
      guard let (text, isDefault, original) = importPath(index, source), text.hasPrefix(".") else { continue }
      guard let file = resolve(text, from: source.file, context) else { return nil }
      let other = CodeSource(file, .javaScript)
      if !isDefault { return find([original] + path.dropFirst(), in: other, context, depth: depth + 1) }
      // `export default { ... }`, `module.exports = { ... }`: the object, or a name for it.
      for at in other.tokens.indices {
        let start: Int? =
          other.reads(at, "export", "default") ? at + 2 : other.reads(at, "module", ".", "exports", "=") ? at + 4 : nil
        guard let start else { continue }
        if other.tokens.indices.contains(start), other.tokens[start].kind == .word, !other.isMark(start + 1, ".") {
          return find([other.text(start)] + path.dropFirst(), in: other, context, depth: depth + 1)
        }
        return member(path.dropFirst(), of: other.expression(from: start), in: other).map { ($0, other) }
      }
      return nil
    }
    return nil
  }

  /// The path that an import at the name has, whether it takes the default, and the name that the other file has for it.
  private static func importPath(_ index: Int, _ source: CodeSource) -> (String, Bool, String)? {
    var original = source.text(index)
    if source.isWord(index - 1, "as") { original = source.text(index - 2) }
    if source.isMark(index - 1, ":"), source.tokens[index - 2].kind == .word { original = source.text(index - 2) }
    // Back to `import`, `const` and their like, within one statement.
    var start = index - 1
    var isBraced = false
    while start >= 0, index - start < 120 {
      if source.isMark(start, "{") { isBraced = true }
      if ["import", "const", "let", "var"].contains(source.text(start)) { break }
      guard source.tokens[start].kind == .word || ["{", ",", ":", "*"].contains(source.text(start)) else { return nil }
      start -= 1
    }
    guard start >= 0, ["import", "const", "let", "var"].contains(source.text(start)) else { return nil }
    var end = index + 1
    while end < source.tokens.count, end - index < 120 {
      if source.isWord(end, "from"), end + 1 < source.tokens.count, source.tokens[end + 1].kind == .string {
        return (source.text(end + 1), !isBraced, original)
      }
      if source.reads(end, "=", "require", "("), end + 3 < source.tokens.count {
        return (source.text(end + 3), !isBraced, original)
      }
      guard source.tokens[end].kind == .word || ["}", ",", ":"].contains(source.text(end)) else { return nil }
      end += 1
    }
    return nil
  }

  private static func resolve(_ path: String, from file: CheckedFile, _ context: CheckContext) -> CheckedFile? {
    var parts = file.folder.split(separator: "/").map(String.init)
    for part in path.split(separator: "/") where part != "." {
      if part == ".." { _ = parts.popLast() } else { parts.append(String(part)) }
    }
    var base = (file.path.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/")
    for ending in [".js", ".mjs", ".cjs"] where base.hasSuffix(ending) { base = String(base.dropLast(ending.count)) }
    for ending in [".ts", ".js", ".mts", ".mjs", ".cjs", ".tsx", "/index.ts", "/index.js"] {
      if let found = context.file(at: base + ending) { return found }
    }
    return nil
  }

  // MARK: - Python and Go

  /// `from settings import NAME`, `import settings` with `settings.NAME`.
  private static func importedModule(_ path: [String], _ source: CodeSource, _ context: CheckContext, _ depth: Int) -> (
    ArraySlice<CodeToken>, CodeSource
  )? {
    var module: String?
    for index in source.tokens.indices where source.isWord(index, path[0]) {
      var start = index - 1
      while start >= 0, index - start < 60, source.tokens[start + 1].indentation == nil || start == index - 1,
        !source.isWord(start, "import")
      {
        start -= 1
      }
      guard start >= 0, source.isWord(start, "import") else { continue }
      if path.count == 2, source.tokens[start].indentation != nil { module = path[0] }
      if path.count == 1, source.tokens[start].indentation == nil { module = source.text(start - 1) }
      break
    }
    guard let module, let name = path.last,
      let file = context.file(at: (source.file.folder.isEmpty ? "" : source.file.folder + "/") + module + ".py")
    else { return nil }
    return find([name], in: CodeSource(file, .python), context, depth: depth + 1)
  }

  /// A constant of another file of the same folder.
  private static func ofPackage(_ name: String, _ source: CodeSource, _ context: CheckContext) -> (
    ArraySlice<CodeToken>, CodeSource
  )? {
    for file in context.files
    where file.path.hasSuffix(".go") && file.path != source.file.path && file.folder == source.file.folder
      && file.contains(text: name)
    {
      let other = CodeSource(file, .go)
      if let value = other.constant(name) { return (value, other) }
    }
    return nil
  }
}
