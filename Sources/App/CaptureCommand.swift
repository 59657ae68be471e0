import Analysis
import ArgumentParser
import Core
import Glibc
import Host

/// `photofinish capture`: judges packet captures.
struct CaptureCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "capture",
    abstract: "Tell from packet captures whether requests were lost to the keep-alive race.",
    discussion: """
      Reads pcap, pcapng and snoop, plain or packed with gzip, zstd or xz. Several files are taken as one capture when they follow each other in \
      time, and as captures of different places when they overlap. Without encryption keys, TLS is judged by TCP alone.

      Exit code: 0 nothing that --fail-on names was found; 1 something was; 2 usage, or input that cannot be read; \
      3 inconclusive, or nothing could be read.
      """)

  enum Output: String, ExpressibleByArgument, CaseIterable {
    case text
    case json
    case ndjson
  }

  @Argument(help: "Capture files; - for standard input. None with --live.", completion: .file())
  var files: [String] = []

  @Flag(help: "One line for each finding instead of the summary.")
  var verdicts = false

  @Option(help: ArgumentHelp("Draw the connection of finding number N.", valueName: "N"))
  var ladder: Int?

  @Option(help: ArgumentHelp("Write a self-contained HTML report.", valueName: "file"))
  var html: String?

  @Option(help: "text, json (one document) or ndjson (one object a line).")
  var output = Output.text

  @Option(
    name: .customLong("fail-on"),
    help: ArgumentHelp(
      "Findings that set exit code 1: kinds, or race, reuse, any, none.", valueName: "kind,..."))
  var failOn = "race"

  @Option(
    name: .customLong("write-pcap"),
    help: ArgumentHelp("Write the packets of the connections with findings to a pcap file.", valueName: "file"))
  var writePcap: String?

  @Option(help: ArgumentHelp("Only packets from or to this address; may be repeated.", valueName: "address"))
  var host: [String] = []

  @Option(help: ArgumentHelp("Only packets from or to this port; may be repeated.", valueName: "port"))
  var port: [UInt16] = []

  @Option(help: ArgumentHelp("Only packets from this time on (RFC 3339, UTC).", valueName: "time"))
  var from: String?

  @Option(help: ArgumentHelp("Only packets until this time (RFC 3339, UTC).", valueName: "time"))
  var until: String?

  @Flag(help: "Take it for granted that the capture lost no packet.")
  var lossless = false

  @Flag(help: "No progress on standard error.")
  var quiet = false

  @OptionGroup(title: "Live capture")
  var liveOptions: LiveCaptureOptions

  func validate() throws {
    if liveOptions.live == nil {
      guard !files.isEmpty else {
        throw ValidationError("give a capture file, - for standard input, or --live INTERFACE")
      }
    } else {
      try LiveCaptureOptions.refuse(files, html, writePcap, ladder, from, until, isJSON: output == .json)
    }
  }

  func run() throws {
    let selection = try Selection(failOn)
    if let interface = liveOptions.live {
      let code = selection.exitCode(of: try runLive(interface))
      if code != 0 { throw ExitCode(code) }
      return
    }
    var report: CaptureReport
    do {
      var judging = CaptureJudging(filter: try filter(), isLossless: lossless, showsProgress: showsProgress)
      report = try judging.run(files)
    } catch let failure as CaptureJudging.Unreadable {
      Terminal.complain("capture: \(failure.description)")
      throw ExitCode(2)
    }
    if let writePcap {
      do {
        try FindingPackets(report).write(from: files, to: writePcap)
      } catch {
        Terminal.complain("capture: \(error)")
        throw ExitCode(2)
      }
    }
    if let html {
      let page = HTMLReport(report).page()
      if let problem = OutputFile.write(page, to: html) {
        Terminal.complain("capture: \(problem)")
        throw ExitCode(2)
      }
    }
    try show(report)
    let code = selection.exitCode(of: report)
    if code != 0 { throw ExitCode(code) }
  }

  private func show(_ report: CaptureReport) throws {
    let ink = Ink(isColoured: Terminal.isColoured(descriptor: 1))
    switch output {
    case .json: Terminal.write(JSONReport(report).document())
    case .ndjson: Terminal.write(JSONReport(report).lines())
    case .text:
      if let ladder {
        guard let finding = report.findings.first(where: { $0.number == ladder }) else {
          Terminal.complain("capture: there is no finding \(ladder); the capture has \(report.findings.count)")
          throw ExitCode(2)
        }
        Terminal.write(Ladder(finding).text(ink: ink))
        Terminal.write(TextReport(report, ink: ink).detail(finding).joined(separator: "\n") + "\n")
      } else if verdicts {
        Terminal.write(TextReport(report, ink: ink).verdicts())
      } else {
        Terminal.write(TextReport(report, ink: ink).summary())
      }
    }
  }

  private var showsProgress: Bool { !quiet && isatty(2) == 1 }

  func filter() throws -> CaptureFilter {
    var filter = CaptureFilter()
    for text in host {
      guard let address = NetworkAddress(text) else {
        throw ValidationError("--host takes an IPv4 or IPv6 address, not \(text)")
      }
      filter.hosts.insert(address)
    }
    filter.ports = Set(port)
    filter.from = try from.map(instant)
    filter.until = try until.map(instant)
    return filter
  }

  private func instant(_ text: String) throws -> Instant {
    guard let instant = Display.instant(text) else {
      throw ValidationError("\(text) is no time; it looks like 2026-11-23T05:51:14Z or 2026-11-23T05:51:14.25Z")
    }
    return instant
  }

  /// What `--fail-on` names.
  struct Selection {
    private var kinds: Set<FindingKind> = []

    init(_ text: String) throws {
      for name in text.split(separator: ",") {
        switch name {
        case "none": break
        case "any": kinds.formUnion(FindingKind.allCases.filter { $0 != .inconclusive })
        case "race": kinds.formUnion(FindingKind.allCases.filter(\.isRace))
        case "reuse": kinds.formUnion(FindingKind.allCases.filter(\.isReuseFailure))
        default:
          guard let kind = FindingKind(rawValue: String(name)) else {
            throw ValidationError(
              "--fail-on knows race, reuse, any, none and: "
                + FindingKind.allCases.map(\.rawValue).joined(separator: ", ") + "; not \(name)")
          }
          kinds.insert(kind)
        }
      }
    }

    func exitCode(of report: CaptureReport) -> Int32 {
      if FindingKind.allCases.contains(where: { kinds.contains($0) && report.count($0) > 0 }) { return 1 }
      if kinds.isEmpty { return 0 }
      let isPartial = report.files.contains { $0.problem != nil }
      return report.count(.inconclusive) > 0 || isPartial || report.obstacle != nil
        || report.unexplainedGatewayAnswers > 0 ? 3 : 0
    }
  }
}
