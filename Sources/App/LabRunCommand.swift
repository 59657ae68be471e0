import Analysis
import ArgumentParser
import Core
import Glibc
import Host

struct LabRunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Run scenarios and hold what happens against what they expect.",
    discussion: """
      EXIT CODES
        0    all was as expected
        1    something differed from what its scenario expects
        2    a wrong name or a broken lab file
        3    something could not be run; the reason stands in its row
        130  interrupted (128 plus the signal's number)
      """)

  @OptionGroup var places: LabPlaces

  @Argument(help: "Scenarios; 'photofinish lab list' names them.")
  var names: [String] = []

  @Flag(help: "Run all scenarios.")
  var all = false

  @Flag(help: "Fewer requests, and without the runs that are marked slow.")
  var quick = false

  @Option(help: ArgumentHelp("Requests of each run, instead of what it says itself.", valueName: "n"))
  var count: Int?

  @Option(help: ArgumentHelp("Only runs whose title holds this text. Repeatable.", valueName: "text"))
  var only: [String] = []

  @Option(help: ArgumentHelp("Runs at a time.", valueName: "n"))
  var parallel = 3

  @Option(help: "Seed of all that is drawn.")
  var seed: UInt64 = 1

  @Option(help: ArgumentHelp("Write the results as JSON to this file.", valueName: "file"))
  var json: String?

  @Option(help: ArgumentHelp("Write the results as Markdown to this file.", valueName: "file"))
  var markdown: String?

  @Option(help: ArgumentHelp("Write the results as one page of HTML to this file.", valueName: "file"))
  var html: String?

  @Option(help: ArgumentHelp("Keep the programs' logs and ledgers in this folder.", valueName: "folder"))
  var keepLogs: String?

  func validate() throws {
    if names.isEmpty && !all {
      throw ValidationError("no scenario; name some (photofinish lab list), or run them --all")
    }
    if !names.isEmpty && all { throw ValidationError("--all runs every scenario; leave out the names") }
    if let count, !(1...1_000_000).contains(count) {
      throw ValidationError("--count \(count) is out of range; it is 1 to 1000000")
    }
    if !(1...64).contains(parallel) {
      throw ValidationError("--parallel \(parallel) is out of range; it is 1 to 64")
    }
  }

  func run() throws {
    let catalog = try places.catalog()
    let scenarios = try chosen(catalog)
    let runs = scenarios.flatMap(\.runs)
    // Before any thread: they inherit which signals are blocked.
    let signals = try SignalDescriptor()
    _ = Machine.raiseDescriptorLimit()
    let scratch: LabScratch
    do throws(LabError) {
      scratch = try LabScratch(temporaryFolder: LabPlaces.temporaryFolder)
    } catch {
      Terminal.complain(error.description)
      throw ExitCode(3)
    }
    defer { scratch.clear() }
    var settings = LabBench.Settings()
    settings.count = count
    settings.seed = seed
    settings.keptLogs = keepLogs
    let limits = LabBench.wireProblem().map {
      "\($0); so all runs are on loopback, where a FIN is there at once and nothing can cross it"
    }
    if let limits {
      settings.isOnLoopback = true
      Terminal.complain(limits)
    }
    let session = LabSession(
      scenarios: scenarios, catalog: catalog, tools: places.tools, scratch: scratch, settings: settings)
    var (report, signal) = try session.run(runs, parallel: parallel, signals: signals)
    report.limits = limits
    try write(report)
    if let signal {
      scratch.clear()
      throw ExitCode(128 + signal)
    }
    if report.exitCode != 0 { throw ExitCode(report.exitCode) }
  }

  private func chosen(_ catalog: LabCatalog) throws -> [LabScenario] {
    for name in names where !catalog.scenarios.contains(where: { $0.name == name }) {
      Terminal.complain(
        "'\(name)' is no scenario; choose among \(catalog.scenarios.map(\.name).joined(separator: ", "))")
      throw ExitCode(2)
    }
    var scenarios = all ? catalog.scenarios : names.compactMap { name in catalog.scenarios.first { $0.name == name } }
    for index in scenarios.indices {
      scenarios[index].runs.removeAll { run in
        (quick && run.isSlow) || (!only.isEmpty && !only.contains { run.title.contains($0) })
      }
      guard quick else { continue }
      for number in scenarios[index].runs.indices {
        scenarios[index].runs[number].count = min(scenarios[index].runs[number].count, 160)
      }
    }
    scenarios.removeAll(where: \.runs.isEmpty)
    if scenarios.isEmpty {
      Terminal.complain("no run is left; 'photofinish lab list --verbose' shows their titles for --only")
      throw ExitCode(2)
    }
    return scenarios
  }

  private func write(_ report: LabReport) throws {
    let outputs: [(path: String?, text: () -> String)] = [
      (json, { report.json }), (markdown, { LabMarkdown(report).text() }), (html, { LabPage(report).page() }),
    ]
    for (path, text) in outputs {
      guard let path else { continue }
      if let problem = OutputFile.write(text(), to: path) {
        Terminal.complain(problem)
        throw ExitCode(3)
      }
    }
  }
}
