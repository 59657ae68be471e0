package import Core

/// A proxy or a server that the lab can run, as its file says: what it is, how it is got, and its variants.
package struct LabProgram: Equatable, Sendable {
  package enum Role: String, CaseIterable, Sendable {
    case proxy, server
    package var folder: String { self == .proxy ? "proxies" : "servers" }
  }

  /// One configuration.
  package struct Variant: Equatable, Sendable {
    package var name: String
    package var says: String
    /// For servers: about how long it keeps an idle connection.
    package var idle: Nanoseconds?
    package var values: [String: String]
  }

  package struct File: Equatable, Sendable {
    package var path: String
    package var text: String

    package init(path: String, text: String) {
      self.path = path
      self.text = text
    }
  }

  package struct Copy: Equatable, Sendable {
    package var path: String
    /// Below the lab's folder.
    package var source: String
  }

  package var name: String
  package var role: Role
  package var title: String
  package var about: String?
  /// The packages that bring it.
  package var debianPackages: [String]
  package var pythonPackages: [String]
  package var version: [String]
  package var command: [String]
  /// Has the program itself look at its configuration; empty when it cannot.
  package var check: [String]
  package var environment: [(name: String, value: String)]
  package var files: [File]
  package var copies: [Copy]
  package var variants: [Variant]

  package func variant(_ name: String) -> Variant? { variants.first { $0.name == name } }

  package static func == (left: LabProgram, right: LabProgram) -> Bool {
    left.name == right.name && left.role == right.role && left.variants == right.variants && left.files == right.files
      && left.command == right.command
  }

  package init(_ node: LabNode, name: String, role: Role, file: String) throws(LabError) {
    let fields = try LabFields(
      node, file: file, of: "a \(role.rawValue)",
      known: ["title", "about", "get", "version", "command", "check", "environment", "files", "copies", "variants"])
    self.name = name
    self.role = role
    title = try fields.requiredText("title")
    about = try fields.text("about")
    version = try fields.texts("version") ?? []
    command = try fields.texts("command") ?? []
    check = try fields.texts("check") ?? []
    environment = try fields.table("environment")
    files = try fields.table("files").map { File(path: $0.name, text: $0.value) }
    copies = try fields.table("copies").map { Copy(path: $0.name, source: $0.value) }
    debianPackages = []
    pythonPackages = []
    if let get = fields.node("get") {
      let ways = try LabFields(get, file: file, of: "'get'", known: ["apt", "pip", "own"])
      debianPackages = try ways.texts("apt") ?? []
      pythonPackages = try ways.texts("pip") ?? []
    }
    variants = []
    guard !command.isEmpty else { throw fields.wrong(nil, "there is no 'command'", "add the program's command line") }
    guard let node = fields.node("variants") else { return }
    for entry in try LabFields(node, file: file, of: "'variants'", known: []).all {
      variants.append(try Self.variant(entry, file: file))
    }
  }

  private static func variant(_ entry: LabNode.Entry, file: String) throws(LabError) -> Variant {
    let fields = try LabFields(entry.value, file: file, of: "a variant", known: ["says", "idle", "values"])
    var idle: Nanoseconds?
    if let text = try fields.text("idle") { idle = try LabScenario.time(text, fields, "idle") }
    var values: [String: String] = [:]
    for (name, value) in try fields.table("values") { values[name] = value }
    return Variant(name: entry.key, says: try fields.requiredText("says"), idle: idle, values: values)
  }

  /// How to get it, for somebody who lacks it.
  package var remedy: String {
    var ways: [String] = []
    if !debianPackages.isEmpty { ways.append("apt-get install \(debianPackages.joined(separator: " "))") }
    if !pythonPackages.isEmpty { ways.append("pip install \(pythonPackages.joined(separator: " "))") }
    return ways.isEmpty ? "" : "run script/lab-setup, or: " + ways.joined(separator: "; ")
  }
}
