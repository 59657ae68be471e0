import Analysis
import Core
import Glibc
import Host

/// The table as it grows. On a terminal the runs under way stand below it, with their progress; elsewhere each run is a line when
/// it has ended.
struct LabScreen {
  private let scenarios: [LabScenario]
  private let runs: [LabRun]
  private let count: Int?
  private let table: LabTable
  private let ink: Ink
  private let isLive: Bool
  /// Requests that have ended, by the places of the runs that are under way.
  private var underWay: [Int: Int] = [:]
  private var ended: [Int: LabResult] = [:]
  /// Rows are shown in the order of the list, whichever run ends first.
  private var shown = 0
  private var lastScenario: String?
  /// Between two pictures of the progress; requests end by the thousand in a second.
  private static let pause = Nanoseconds.milliseconds(100)
  private var lastDrawn: Instant?
  /// Lines that are to be overwritten.
  private var liveLines = 0

  init(scenarios: [LabScenario], runs: [LabRun], count: Int?) {
    self.scenarios = scenarios
    self.runs = runs
    self.count = count
    isLive = isatty(1) == 1 && Terminal.variable("TERM") != "dumb"
    ink = Ink(isColoured: Terminal.isColoured(descriptor: 1))
    table = LabTable(runs, ink: ink)
  }

  mutating func begin() { Terminal.write(table.columns + "\n") }

  mutating func show(_ event: LabQueue.Event) {
    if case .progressed(let index, let requests) = event {
      underWay[index] = requests
      let now = MonotonicClock.now
      if let lastDrawn, now.since(lastDrawn) < Self.pause { return }
      lastDrawn = now
    }
    var text = erased()
    switch event {
    case .began(let index): underWay[index] = 0
    case .progressed: break
    case .ended(let index, let result):
      underWay[index] = nil
      ended[index] = result
      text += nextRows()
    }
    Terminal.write(text + drawn())
  }

  mutating func end(_ report: LabReport) {
    var text = erased()
    // After an interruption there are gaps in the list.
    while shown < runs.count {
      text += nextRows()
      shown += 1
    }
    Terminal.write(text + "\n" + table.summary(report) + "\n")
  }

  private mutating func nextRows() -> String {
    var text = ""
    while let result = ended[shown] {
      shown += 1
      if lastScenario != result.run.scenario {
        lastScenario = result.run.scenario
        if let scenario = scenarios.first(where: { $0.name == result.run.scenario }) {
          text += table.heading(scenario) + "\n"
        }
      }
      text += table.row(result) + "\n"
    }
    return text
  }

  private mutating func erased() -> String {
    defer { liveLines = 0 }
    return liveLines > 0 ? "\u{1b}[\(liveLines)A\u{1b}[J" : ""
  }

  private mutating func drawn() -> String {
    guard isLive, !underWay.isEmpty else { return "" }
    var lines: [String] = [""]
    for (index, requests) in underWay.sorted(by: { $0.key < $1.key }) {
      let whole = count ?? runs[index].count
      let share = whole > 0 ? min(1, Double(requests) / Double(whole)) : 0
      let filled = Int(share * 20)
      let bar = String(repeating: "=", count: filled) + String(repeating: ".", count: 20 - filled)
      lines.append(ink.faint("  [\(bar)] \(runs[index].scenario): \(runs[index].title)"))
    }
    lines.append(ink.faint("  \(ended.count) of \(runs.count) runs done"))
    liveLines = lines.count
    // A line that wraps would be erased by halves.
    return lines.map { String($0.prefix(width + (ink.isColoured ? 9 : 0))) }.joined(separator: "\n") + "\n"
  }

  private var width: Int {
    var size = winsize()
    // Safe: the kernel writes one winsize.
    guard unsafe ioctl(1, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 20 else { return 80 }
    return Int(size.ws_col) - 1
  }
}
