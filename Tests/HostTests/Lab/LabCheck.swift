import Analysis
import Core

@testable import Host

/// Has programs look at the configurations that come of the lab's templates.
enum LabCheck {
  /// What the program says against its configuration; nil when it has no objection, or cannot check one.
  static func problem(
    _ program: LabProgram, variant: String, catalog: LabCatalog, tools: LabTools, folder: String
  ) throws -> String? {
    var run = LabRun(number: 1, scenario: "check")
    run.values["hold"] = "2"
    let address = SocketAddress(.ipv4(0x7f00_0001, port: 18_080))
    let upstream = SocketAddress(.ipv4(0x7f00_0001, port: 13_000))
    let values = try LabValues(run: run, catalog: catalog, tools: tools)
      .values(
        program, LabChoice("\(program.name)/\(variant)"), at: address, upstream: upstream, folder: folder,
        ledger: folder + "/ledger")
    let prepared = try LabPreparation(program, values, catalog: catalog, tools: tools)
    try prepared.writeFiles(to: folder)
    guard !prepared.check.isEmpty else { return nil }
    let log = folder + "/check.log"
    let process = try ChildProcess(prepared.check, environment: prepared.environment, output: .file(path: log))
    guard let status = process.wait(atMost: .seconds(60)) else {
      process.end(grace: .zero)
      return "it did not finish checking"
    }
    return status == 0 ? nil : "status \(status): \(LabFolder.text(of: log) ?? "")"
  }
}
