import Analysis
import ArgumentParser
import Core
import Host

/// `photofinish check`: finds the keep-alive race in configurations.
struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Tell from configurations which proxy holds idle connections longer than its server keeps them.",
    discussion: """
      Reads files and whole repositories: nginx, HAProxy, Envoy, Traefik, Caddy, Apache, Kubernetes, Istio, Compose, Dockerfiles, \
      Terraform, CloudFormation, gunicorn, uvicorn, Hypercorn, uWSGI, Puma, Node.js, Go, Spring, Tomcat, Jetty and Kestrel; joins the two \
      sides of each connection; compares their timers. What nobody sets is taken from the defaults of the version, and said \
      (docs/manual/defaults.md).

      EXAMPLES
        photofinish check .
        photofinish check nginx.conf gunicorn.conf.py --rate 20/s
        photofinish check . --chain 'aws-alb > nginx.conf > gunicorn.conf.py'
        photofinish check . --fix | git apply -p1
        photofinish check --explain hold-longer-than-server

      A comment `photofinish: ignore RULE` on a line, or above it, keeps its findings quiet.

      Exit code: 0 nothing that --fail-on names was found; 1 something was; 2 usage, or nothing could be read; \
      3 nothing could be judged.
      """)

  enum Output: String, ExpressibleByArgument, CaseIterable {
    case text
    case json
    case sarif
    case markdown
    case github
  }

  @Argument(help: "Files and folders; - for standard input.", completion: .file())
  var paths: [String] = []

  @Option(help: "text, json, sarif (2.1.0), markdown (for a pull request) or github (annotations).")
  var output = Output.text

  @Option(
    help: ArgumentHelp(
      "What is in front of what, where the files do not say: files or names of software, from the client's side.",
      valueName: "a > b > c"))
  var chain: String?

  @Option(
    name: .customLong("fail-on"),
    help: ArgumentHelp(
      "Findings that set exit code 1: note, warning, error, or rules; none.", valueName: "level|rule,..."))
  var failOn = "warning"

  @Option(
    help: ArgumentHelp("Tell the failures a day that 'predict' expects at this rate of requests.", valueName: "rate"))
  var rate: RequestRate?

  @Flag(help: "Write the changes as a diff instead of the report.")
  var fix = false

  @Option(help: ArgumentHelp("Tell nothing of the findings in this file.", valueName: "file"), completion: .file())
  var baseline: String?

  @Option(
    name: .customLong("write-baseline"),
    help: ArgumentHelp("Write the findings to this file, to accept them.", valueName: "file"))
  var writeBaseline: String?

  @Option(help: ArgumentHelp("Tell about a rule; 'all' lists them.", valueName: "rule"))
  var explain: String?

  @Flag(help: "Print the table of defaults, in Markdown.")
  var defaults = false

  func validate() throws {
    guard defaults || explain != nil || !paths.isEmpty else {
      throw ValidationError("give a file or a folder, for instance: photofinish check .")
    }
    _ = try CheckSelection(failOn)
    if let chain, CheckCommand.links(chain).count < 2 {
      throw ValidationError("--chain takes at least two, as in 'aws-alb > nginx.conf'")
    }
  }

  func run() throws {
    if defaults { return Terminal.write(FactTable.markdown) }
    if let explain { return try explainRule(explain) }
    let input = try read()
    var known: Set<String> = []
    if let baseline { known = try accepted(baseline) }
    var run = CheckRun(input.files, readYAML: YAMLTreeReader.read)
    let links = chain.map(CheckCommand.links) ?? []
    var report = run.run(chain: links)
    for link in links where !ChainJoiner.understands(link, report.reading) {
      Terminal.complain("check: --chain names \(link), which is no file that was read and no software that is known")
      throw ExitCode(2)
    }
    report.reading.problems += input.problems
    report.requestsPerSecond = rate?.perSecond
    report.dropCommented(input.files)
    report.drop(known)
    if let writeBaseline, let problem = OutputFile.write(CheckBaseline.text(report), to: writeBaseline) {
      Terminal.complain("check: \(problem)")
      throw ExitCode(2)
    }
    show(report, input.files)
    let code = try CheckSelection(failOn).exitCode(report)
    if code != 0, writeBaseline == nil { throw ExitCode(code) }
  }

  private func read() throws -> CheckFiles {
    var input = CheckFiles()
    for path in paths { input.add(path) }
    for problem in input.unreadable { Terminal.complain("check: \(problem)") }
    guard !input.files.isEmpty else {
      if input.unreadable.isEmpty {
        Terminal.complain("check: \(paths.joined(separator: ", ")) holds no configuration of a language that is known")
      }
      throw ExitCode(2)
    }
    return input
  }

  private func accepted(_ path: String) throws -> Set<String> {
    guard let text = CheckFiles.text(path) else {
      Terminal.complain("check: --baseline \(path) cannot be read")
      throw ExitCode(2)
    }
    return CheckBaseline.fingerprints(text)
  }

  private func show(_ report: CheckReport, _ files: [CheckedFile]) {
    if fix { return Terminal.write(CheckFix.diff(report, files)) }
    switch output {
    case .text: Terminal.write(CheckText(report, ink: Ink(isColoured: Terminal.isColoured(descriptor: 1))).text())
    case .json: Terminal.write(CheckJSON.document(report))
    case .sarif: Terminal.write(CheckSARIF.document(report, version: Photofinish.configuration.version))
    case .markdown: Terminal.write(CheckMarkdown.document(report))
    case .github: Terminal.write(CheckMarkdown.annotations(report))
    }
  }

  private func explainRule(_ name: String) throws {
    let ink = Ink(isColoured: Terminal.isColoured(descriptor: 1))
    if name == "all" { return Terminal.write(CheckRule.list(ink: ink)) }
    guard let rule = CheckRule(rawValue: name) else {
      throw ValidationError(
        "there is no rule \(name); known are " + CheckRule.allCases.map(\.rawValue).joined(separator: ", "))
    }
    Terminal.write(rule.page(ink: ink))
  }

  /// `a > b > c`
  static func links(_ text: String) -> [String] {
    text.split(separator: ">").map { String($0.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()) }.filter {
      !$0.isEmpty
    }
  }
}

/// What `--fail-on` of `check` names.
struct CheckSelection {
  private var level: CheckLevel?
  private var rules: Set<CheckRule> = []

  init(_ text: String) throws {
    for name in text.split(separator: ",").map(String.init) {
      if let level = CheckLevel(rawValue: name) {
        self.level = level
      } else if let rule = CheckRule(rawValue: name) {
        rules.insert(rule)
      } else if name != "none" {
        throw ValidationError(
          "--fail-on knows note, warning, error, none and: "
            + CheckRule.allCases.map(\.rawValue).joined(separator: ", ") + "; not \(name)")
      }
    }
  }

  func exitCode(_ report: CheckReport) -> Int32 {
    let hits = report.findings.contains { finding in
      level.map { finding.level >= $0 } ?? false || rules.contains(finding.rule)
    }
    if level == nil, rules.isEmpty { return 0 }
    return hits ? 1 : report.isInconclusive ? 3 : 0
  }
}
