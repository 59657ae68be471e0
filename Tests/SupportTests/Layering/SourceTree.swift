import Foundation
import Testing

/// The files of this checkout. Each is read and split once for all tests.
enum SourceTree {
  struct File {
    var path: String
    var text: String
    var source: SourceText
  }

  static let root = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

  static func manifest() throws -> Manifest {
    Manifest(try text("Package.swift"))
  }

  static func text(_ path: String) throws -> String {
    try String(contentsOf: root.appending(path: path), encoding: .utf8)
  }

  static func folders(under folder: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: root.appending(path: folder).path).filter { !$0.hasPrefix(".") }
  }

  static func isThere(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: root.appending(path: path).path)
  }

  private static let all = Result { try read(["Sources", "Tests"]) }

  /// Every Swift file below `folders` of Sources and Tests, by its path from the root, in order of the path.
  static func swiftFiles(under folders: [String]) throws -> [File] {
    let files = try all.get().filter { file in folders.contains { file.path.hasPrefix($0 + "/") } }
    for folder in folders {
      try #require(files.contains { $0.path.hasPrefix(folder + "/") }, "no Swift file below \(folder)")
    }
    return files
  }

  /// What stands below Sources, with its declarations.
  static func house() throws -> House { try wholeHouse.get() }

  private static let wholeHouse = Result { House(try swiftFiles(under: ["Sources"]).map { ($0.path, $0.source) }) }

  private static func read(_ folders: [String]) throws -> [File] {
    var files: [File] = []
    for folder in folders {
      for path in try paths(under: folder) where path.hasSuffix(".swift") {
        let text = try text(path)
        files.append(File(path: path, text: text, source: SourceText(text)))
      }
    }
    return files
  }

  /// Every file below a folder, sorted.
  static func paths(under folder: String) throws -> [String] {
    let base = root.appending(path: folder).path
    let paths = try #require(FileManager.default.subpaths(atPath: base), "\(folder) is missing")
    return paths.sorted().map { "\(folder)/\($0)" }
  }

  /// Every Markdown page of the project. What a build leaves lies in folders whose names begin with a dot.
  static func pages() throws -> [(path: String, text: String)] {
    var found: [(path: String, text: String)] = []
    for entry in try folders(under: "").sorted() {
      let isFolder = try root.appending(path: entry).resourceValues(forKeys: [.isDirectoryKey]).isDirectory == true
      for path in isFolder ? try paths(under: entry) : [entry] where path.hasSuffix(".md") {
        found.append((path, try text(path)))
      }
    }
    return found
  }
}
