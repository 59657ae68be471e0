package import Analysis
internal import Core

/// What the names in templates stand for in one run.
struct LabValues {
  let run: LabRun
  let catalog: LabCatalog
  let tools: LabTools

  func values(
    _ program: LabProgram, _ choice: LabChoice, at address: SocketAddress, upstream: SocketAddress, folder: String,
    ledger: String
  ) throws(LabError) -> [String: String] {
    let aligned = Self.aligned(below: serverIdle ?? .seconds(5))
    var values = [
      "lab": catalog.folder, "photofinish": tools.photofinish, "directory": folder, "ledger": ledger,
      "listen": "\(address)", "host": address.host, "port": "\(address.port)",
      "upstream": "\(upstream)", "upstream_host": upstream.host, "upstream_port": "\(upstream.port)",
      "aligned": Self.seconds(aligned), "aligned_ms": "\(aligned.milliseconds)",
    ]
    for (name, value) in run.values { values[name] = value }
    if let variant = program.variant(choice.variant) {
      // A variant's values may use the others.
      for (name, value) in variant.values where values[name] == nil || run.values[name] == nil { values[name] = value }
    }
    values["hold"] = values["hold"] ?? Self.seconds(aligned)
    values["hold_ms"] = "\(Int(1_000 * (Double(values["hold"] ?? "") ?? 0)))"
    for (name, value) in values { values[name] = (try? LabTemplate.fill(value, values)) ?? value }
    return values
  }

  /// About how long the server keeps idle connections.
  private var serverIdle: Nanoseconds? {
    guard let server = run.server else { return nil }
    for verb in server.verbs.reversed() where verb.hasPrefix("idle=") {
      return try? Nanoseconds(parsing: String(verb.dropFirst(5)))
    }
    return catalog.program(.server, server.program)?.variant(server.variant)?.idle
  }

  /// The idle limit of a pool that is to give up connections before the server does.
  static func aligned(below idle: Nanoseconds) -> Nanoseconds {
    idle >= .seconds(2) ? idle - .seconds(1) : idle / 2
  }

  private static func seconds(_ span: Nanoseconds) -> String {
    let milliseconds = span.milliseconds
    return milliseconds % 1_000 == 0 ? "\(milliseconds / 1_000)" : Display.decimal(span.inSeconds, digits: 3)
  }
}

/// A program of the catalog with everything filled in.
package struct LabPreparation {
  package let command: [String]
  package let check: [String]
  package let environment: [String: String]
  private let files: [LabProgram.File]
  private let copies: [LabProgram.Copy]
  private let lab: String

  init(_ program: LabProgram, _ values: [String: String], catalog: LabCatalog, tools: LabTools) throws(LabError) {
    let place = "\(catalog.folder)/\(program.role.folder)/\(program.name).yaml"
    func filled(_ text: String) throws(LabError) -> String {
      do throws(LabTemplate.MissingValue) {
        return try LabTemplate.fill(text, values)
      } catch {
        throw LabError(place: place, fact: "@\(error.name)@ has no value", fix: "give it one under 'values'")
      }
    }
    func words(_ texts: [String]) throws(LabError) -> [String] {
      var words: [String] = []
      // What is empty once it is filled in is left out: an option that this variant does not need.
      for text in texts {
        let word = try filled(text)
        if !word.isEmpty { words.append(word) }
      }
      if let first = words.first, let path = tools.find(first) { words[0] = path }
      return words
    }
    command = try words(program.command)
    check = try words(program.check)
    var environment = tools.environment
    environment["PHOTOFINISH_LEDGER"] = values["ledger"]
    environment["HOME"] = values["directory"]
    for (name, value) in program.environment { environment[name] = try filled(value) }
    self.environment = environment
    var files: [LabProgram.File] = []
    for file in program.files { files.append(LabProgram.File(path: file.path, text: try filled(file.text))) }
    self.files = files
    copies = program.copies
    lab = catalog.folder
  }

  package func writeFiles(to folder: String) throws(LabError) {
    for file in files { try LabFolder.write(file.text, to: "\(folder)/\(file.path)") }
    for copy in copies {
      guard let text = LabFolder.text(of: "\(lab)/\(copy.source)") else {
        throw LabError(place: "\(lab)/\(copy.source)", fact: "the file cannot be read", fix: "restore it")
      }
      try LabFolder.write(text, to: "\(folder)/\(copy.path)")
    }
  }
}
