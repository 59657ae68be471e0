import Analysis
import ArgumentParser
import Core
import Glibc
import Host

/// One call of `lab run`, from the first run to the last, with what somebody sees meanwhile.
struct LabSession {
  let scenarios: [LabScenario]
  let catalog: LabCatalog
  let tools: LabTools
  let scratch: LabScratch
  let settings: LabBench.Settings

  /// Returns what came of it, and the signal that ended it early.
  func run(
    _ runs: [LabRun], parallel: Int, signals: borrowing SignalDescriptor
  ) throws -> (LabReport, signal: Int32?) {
    let bench = LabBench(catalog: catalog, tools: tools, scratch: scratch, settings: settings)
    let queue = try LabQueue(runs, on: bench)
    var screen = LabScreen(scenarios: scenarios, runs: runs, count: settings.count)
    var results = [LabResult?](repeating: nil, count: runs.count)
    let began = Instant(nanoseconds: Self.wallClock())
    var poller = try Poller(batch: 4)
    try poller.register(signals.number, for: .readable, trigger: .level, token: 0)
    try poller.register(queue.number, for: .readable, trigger: .level, token: 1)
    let load = MachineLoad()
    try queue.start(parallel: parallel)
    screen.begin()
    var signal: Int32?
    while results.contains(where: { $0 == nil }), signal == nil {
      _ = poller.wait(atMost: nil)
      signal = signals.take()
      for event in queue.takeEvents() {
        if case .ended(let index, let result) = event { results[index] = result }
        screen.show(event)
      }
    }
    queue.stop()
    // What is under way cannot be waited for: its programs are killed, and its threads end with this process.
    if signal != nil { scratch.clear() }
    var report = LabReport(
      command: Self.commandLine, began: began, machine: Self.machine, versions: versions(of: runs, signal: signal),
      scenarios: scenarios, results: results.compactMap { $0 })
    report.isInterrupted = signal != nil
    report.foreignShare = load.flatMap { MachineLoad()?.foreignShare(since: $0) }
    screen.end(report)
    return (report, signal)
  }

  private func versions(of runs: [LabRun], signal: Int32?) -> [LabReport.Version] {
    guard signal == nil else { return [] }
    var versions: [LabReport.Version] = []
    for (role, choices) in [(LabProgram.Role.proxy, runs.compactMap(\.proxy)), (.server, runs.compactMap(\.server))] {
      for name in Set(choices.map(\.program)).sorted() where !versions.contains(where: { $0.name == name }) {
        guard let program = catalog.program(role, name), let text = tools.version(of: program, scratch: scratch.path)
        else { continue }
        versions.append(LabReport.Version(name: name, text: text))
      }
    }
    return versions.sorted { $0.name < $1.name }
  }

  private static var commandLine: String {
    (["photofinish"] + CommandLine.arguments.dropFirst()).joined(separator: " ")
  }

  private static var machine: String {
    let kernel = LabFolder.text(of: "/proc/sys/kernel/osrelease")?.filter { !$0.isWhitespace } ?? "?"
    return "Linux \(kernel), \(Machine.availableProcessors) CPUs"
  }

  private static func wallClock() -> Int64 {
    var time = timespec()
    // Safe: the kernel writes one timespec.
    _ = unsafe clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }
}
