import Analysis
import ArgumentParser
import Core
import Glibc
import Host

/// `photofinish logs`: judges access and error logs.
struct LogsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "logs",
    abstract: "Tell from access and error logs which 502s were the keep-alive race.",
    discussion: """
      Reads logs of ALB, NLB, CloudFront, Google Cloud, nginx, ingress-nginx, HAProxy, Envoy, Istio, Traefik, Caddy, Apache \
      httpd, IIS, HTTP.sys, YARP and of this proxy, plain, gzip or zstd; folders are read with all that is in them. Formats \
      are recognised by their content.

      Exit code: 0 no request was lost to the race; 1 at least one was; 2 usage, or nothing readable; 3 nothing could be judged.
      """)

  enum Output: String, ExpressibleByArgument, CaseIterable {
    case text, json, ndjson, csv
  }

  @Argument(help: "Log files or folders; - for standard input.", completion: .file())
  var files: [String] = []

  @Option(help: "text, json (one document), ndjson (one object a line) or csv.")
  var output = Output.text

  @Option(help: ArgumentHelp("Write a self-contained HTML report.", valueName: "file"))
  var html: String?

  @Option(
    help: ArgumentHelp(
      "A log of the application behind: requests whose ID is in it were received; may be repeated.", valueName: "file"))
  var application: [String] = []

  @Option(
    help: ArgumentHelp(
      "Print a table definition and queries that judge an ALB's log where it lies: athena, trino, bigquery, clickhouse or duckdb. A file names the place of the log there.",
      valueName: "engine"))
  var sql: LogSQL.Dialect?

  @Flag(help: "Go on with what is appended to the files, and print each failure as it comes.")
  var follow = false

  @Flag(help: "One line for each failure instead of the summary.")
  var verdicts = false

  @Option(
    help: ArgumentHelp(
      "The format of the lines, as nginx's log_format, HAProxy's log-format, Envoy's or Apache's LogFormat has it, or a configuration that holds it.",
      valueName: "format or file"))
  var format: String?

  @Option(
    help: ArgumentHelp("Only requests to this server (address, or address:port); may be repeated.", valueName: "server")
  )
  var server: [String] = []

  @Option(help: ArgumentHelp("Only requests from this time on (RFC 3339, UTC).", valueName: "time"))
  var since: String?

  @Option(help: ArgumentHelp("Only requests until this time (RFC 3339, UTC).", valueName: "time"))
  var until: String?

  @Option(
    help: ArgumentHelp("A close within so many milliseconds of the request is a crossing.", valueName: "ms"))
  var within = 250

  @Option(help: "Threads; by default one for each processor.")
  var threads: Int?

  @Flag(help: "Show queries in full; by default their values are hidden.")
  var reveal = false

  @Flag(help: "No progress on standard error.")
  var quiet = false

  func validate() throws {
    guard !files.isEmpty || sql != nil else {
      throw ValidationError("give a log file, a folder, or - for standard input")
    }
    if follow, !application.isEmpty { throw ValidationError("--follow does not go with --application") }
    if follow, verdicts {
      throw ValidationError("--follow prints the verdicts as they come, and the summary in the end")
    }
    if follow, output == .csv { throw ValidationError("--follow takes --output text, json or ndjson") }
    guard (1...60_000).contains(within) else { throw ValidationError("--within takes 1 to 60000 milliseconds") }
    if let threads, !(1...64).contains(threads) { throw ValidationError("--threads takes 1 to 64") }
  }

  func run() throws {
    let question = try question()
    if let sql {
      Terminal.write(LogSQL(sql, location: files.first, roundTrip: question.judge.roundTrip).script())
      return
    }
    let formats = try formats()
    if follow {
      let following = LogFollowing(
        question: question, formats: formats, isJSON: output == .json || output == .ndjson)
      try finish(following.run(files))
      return
    }
    var judging = LogJudging(question: question, formats: formats, threads: threads, showsProgress: showsProgress)
    judging.application = application
    try finish(judging.run(files))
  }

  private func finish(_ report: LogReport) throws {
    if report.exitCode == 2 {
      complain(report)
      if output == .json { Terminal.write(LogJSONReport(report).document()) }
      throw ExitCode(2)
    }
    if let html, let problem = OutputFile.write(LogHTMLReport(report).page(), to: html) {
      Terminal.complain("logs: \(problem)")
      throw ExitCode(2)
    }
    show(report)
    if report.exitCode != 0 { throw ExitCode(report.exitCode) }
  }

  /// Those of `--format`, which takes a format or the path of a configuration.
  private func formats() throws -> [LogLineFormat] {
    guard let format else { return [] }
    if LogConfiguration.isFile(format) {
      let formats = try LogConfiguration.read(format)
      guard !formats.isEmpty else {
        throw ValidationError("--format: there is no log format in \(format) in which a failure can be seen")
      }
      return formats
    }
    do {
      return [try LogLineFormat(format)]
    } catch {
      throw ValidationError("--format: \(error.description)")
    }
  }

  private var showsProgress: Bool { !quiet && isatty(2) == 1 }

  private func question() throws -> LogQuestion {
    var question = LogQuestion()
    question.judge.roundTrip = .milliseconds(Int64(within))
    question.servers = server
    question.revealsQueries = reveal
    question.since = try since.map(instant)
    question.until = try until.map(instant)
    return question
  }

  private func instant(_ text: String) throws -> Int64 {
    guard let instant = Display.instant(text) else {
      throw ValidationError("\(text) is no time; it looks like 2026-11-23T05:51:14Z or 2026-11-23T05:51:14.25Z")
    }
    return instant.nanoseconds
  }

  private func complain(_ report: LogReport) {
    for file in report.files {
      let problem = file.problem ?? (file.lines == 0 ? "there is no line in it" : "no line of it is in a known format")
      Terminal.complain(
        "logs: " + Display.printable((problem.hasPrefix(file.name) ? problem : "\(file.name): \(problem)").utf8))
      for sample in file.samples { Terminal.warn("  line \(sample.line): \(sample.text)") }
    }
  }

  private func show(_ report: LogReport) {
    let ink = Ink(isColoured: Terminal.isColoured(descriptor: 1))
    switch output {
    case .json: Terminal.write(LogJSONReport(report).document())
    case .ndjson: Terminal.write(LogJSONReport(report).lines(hasFailures: !follow))
    case .csv: Terminal.write(LogCSVReport(report).text())
    case .text:
      let text = LogTextReport(report, ink: ink)
      Terminal.write(verdicts ? text.verdicts() : text.text())
    }
  }
}

extension LogSQL.Dialect: ExpressibleByArgument {}
