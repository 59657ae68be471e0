import Analysis
import Foundation
import Host
import Testing

/// Our reading of nginx's language beside that of crossplane, nginx's own parser in Python, which `script/nginx-grammar` fetches.
///
/// `PHOTOFINISH_NGINX_CONFIGURATIONS` names a folder of further files, for instance those of crossplane's own tests.
struct CrossplaneTests {
  private static var files: [String] {
    var folders = [CheckFixtureTests.folder, CheckCaseTests.root + "/Nginx"]
    if let more = ProcessInfo.processInfo.environment["PHOTOFINISH_NGINX_CONFIGURATIONS"] { folders.append(more) }
    return folders.flatMap { folder in
      (FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []).filter {
        $0.hasSuffix(".conf")
      }.sorted()
        .map { folder + "/" + $0 }
    }
  }

  /// A line each: depth, name, arguments, line.
  private static func flat(_ directives: [NginxDirective], depth: Int = 0) -> [String] {
    directives.flatMap { directive -> [String] in
      // crossplane gives a block of Lua as an argument; what it says is nobody's business here.
      if directive.name.hasSuffix("_by_lua_block") { return ["\(depth) \(directive.name) @\(directive.place.line)"] }
      return ["\(depth) \(directive.name) \(arguments(directive)) @\(directive.place.line)"]
        + flat(directive.block ?? [], depth: depth + 1)
    }
  }

  /// crossplane takes the parentheses of an `if` away.
  private static func arguments(_ directive: NginxDirective) -> [String] {
    var words = directive.arguments.map(\.text)
    guard directive.name == "if", let first = words.first, first.hasPrefix("("), let last = words.last,
      last.hasSuffix(")")
    else { return words }
    words[0] = String(first.dropFirst())
    words[words.count - 1] = String(words[words.count - 1].dropLast())
    return words.map { $0 }.filter { !$0.isEmpty }
  }

  private static func flat(_ value: JSONValue, depth: Int = 0) -> [String] {
    (value.array ?? []).flatMap { item -> [String] in
      // It splits words behind `${name}` nowhere, where nginx does; comments between arguments stay.
      let words = (item["args"]?.array ?? []).compactMap(\.string).flatMap {
        $0.contains("${") && !$0.contains("\"") ? $0.components(separatedBy: " ") : [$0]
      }
      let name = item["directive"]?.string ?? ""
      if name == "#" { return [] }
      if name.hasSuffix("_by_lua_block") { return ["\(depth) \(name) @\(item["line"]?.integer ?? 0)"] }
      return ["\(depth) \(item["directive"]?.string ?? "") \(words) @\(item["line"]?.integer ?? 0)"]
        + (item["block"].map { flat($0, depth: depth + 1) } ?? [])
    }
  }

  @Test func readsAsCrossplaneDoes() throws {
    let files = Self.files
    let process = Process()
    process.executableURL = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent().appending(path: "script/nginx-grammar")
    process.arguments = files
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    try #require(
      process.terminationStatus == 0, "script/nginx-grammar needs python3 with venv: script/bootstrap installs it")
    let parsed = try JSONValue(parsing: text)
    var compared = 0
    for path in files {
      // What crossplane refuses is a template or no nginx at all.
      guard let theirs = parsed[path], theirs != .null, let bytes = FileManager.default.contents(atPath: path) else {
        continue
      }
      let ours = NginxParser.parse(CheckedFile(path: path, bytes: Array(bytes))).directives
      #expect(Self.flat(ours) == Self.flat(theirs), "\(path)")
      compared += 1
    }
    #expect(compared >= 16)
  }
}
