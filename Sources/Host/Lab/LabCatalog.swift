package import Analysis
internal import Glibc
internal import Yams

/// What the folder of the lab holds: proxies, servers and scenarios, a file each.
package struct LabCatalog: Sendable {
  package let folder: String
  package let proxies: [LabProgram]
  package let servers: [LabProgram]
  package let scenarios: [LabScenario]

  package init(folder: String) throws(LabError) {
    self.folder = folder
    guard LabFolder.exists(folder + "/scenarios") else {
      throw LabError(
        place: folder, fact: "there are no lab files here",
        fix: "run it where the folder 'lab' of the sources is, or name it with --lab-folder")
    }
    proxies = try Self.programs(.proxy, folder)
    servers = try Self.programs(.server, folder)
    var scenarios: [LabScenario] = []
    for file in Self.files(in: folder + "/scenarios") {
      scenarios.append(try LabScenario(try Self.node(of: file.path), name: file.name, file: file.path))
    }
    self.scenarios = scenarios
    for scenario in scenarios {
      for run in scenario.runs { try check(run, in: scenario) }
    }
  }

  private static func programs(_ role: LabProgram.Role, _ folder: String) throws(LabError) -> [LabProgram] {
    var programs: [LabProgram] = []
    for file in files(in: folder + "/" + role.folder) {
      programs.append(try LabProgram(try node(of: file.path), name: file.name, role: role, file: file.path))
    }
    return programs
  }

  private static func files(in folder: String) -> [(name: String, path: String)] {
    LabFolder.names(in: folder).filter { $0.hasSuffix(".yaml") }.map { (String($0.dropLast(5)), "\(folder)/\($0)") }
  }

  package func program(_ role: LabProgram.Role, _ name: String) -> LabProgram? {
    (role == .proxy ? proxies : servers).first { $0.name == name }
  }

  /// Every program and variant that a scenario names must be there.
  private func check(_ run: LabRun, in scenario: LabScenario) throws(LabError) {
    let place = "\(folder)/scenarios/\(scenario.name).yaml"
    for (role, choice) in [(LabProgram.Role.proxy, run.proxy), (.server, run.server)] {
      guard let choice else { continue }
      guard let program = program(role, choice.program) else {
        let all = (role == .proxy ? proxies : servers).map(\.name).joined(separator: ", ")
        throw LabError(
          place: place, fact: "'\(choice.program)' is no \(role.rawValue)", fix: "choose one of \(all)")
      }
      if program.variants.isEmpty || program.variant(choice.variant) != nil { continue }
      throw LabError(
        place: place, fact: "\(program.name) has no variant '\(choice.variant)'",
        fix: "choose one of \(program.variants.map(\.name).joined(separator: ", "))")
    }
  }

  // MARK: YAML

  private static func node(of path: String) throws(LabError) -> LabNode {
    guard let text = LabFolder.text(of: path) else {
      throw LabError(place: path, fact: "the file cannot be read", fix: "check its permissions")
    }
    return try node(parsing: text, file: path)
  }

  package static func node(parsing text: String, file: String) throws(LabError) -> LabNode {
    do {
      guard let root = try Yams.compose(yaml: text) else {
        throw LabError(place: file, fact: "the file is empty", fix: "write what it is to say, or remove it")
      }
      return converted(root)
    } catch let error as LabError {
      throw error
    } catch let error as YamlError {
      throw LabError(place: file, fact: "it is no YAML", fix: "\(error)".split(separator: "\n").joined(separator: " "))
    } catch {
      throw LabError(place: file, fact: "it is no YAML", fix: "\(error)")
    }
  }

  private static func converted(_ node: Node) -> LabNode {
    let line = node.mark?.line ?? 0
    switch node {
    case .scalar(let scalar): return LabNode(.text(scalar.string), line: line)
    case .sequence(let sequence): return LabNode(.list(sequence.map(converted)), line: line)
    case .mapping(let mapping):
      return LabNode(
        .map(mapping.map { LabNode.Entry(key: $0.key.scalar?.string ?? "", value: converted($0.value)) }), line: line)
    case .alias: return LabNode(.text(""), line: line)
    }
  }
}
