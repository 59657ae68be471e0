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
      Reads files and whole repositories: nginx, HAProxy, Envoy, Traefik, Caddy, Apache, Kubernetes, Compose, Terraform, \
      CloudFormation, gunicorn, uvicorn, uWSGI, Puma, Node.js, Go, Spring, Tomcat and others; joins the two sides of each connection; \
      compares their timers. What nobody sets is taken from the defaults of the version (docs/manual/defaults.md), and said.

      EXAMPLES
        photofinish check .
        photofinish check nginx.conf gunicorn.conf.py
        photofinish check . --chain 'aws-alb > nginx.conf > gunicorn.conf.py'

      Exit code: 0 nothing that --fail-on names was found; 1 something was; 2 usage, or nothing could be read; \
      3 nothing could be judged.
      """)

  enum Output: String, ExpressibleByArgument, CaseIterable {
    case text
    case json
  }

  @Argument(help: "Files and folders; - for standard input.", completion: .file())
  var paths: [String] = []

  @Option(help: "text or json.")
  var output = Output.text

  @Option(
    help: ArgumentHelp(
      "What is in front of what, where the files do not say: files or names of software, from the client's side.",
      valueName: "a > b > c"))
  var chain: String?

  @Option(name: .customLong("fail-on"), help: "Findings that set exit code 1: note, warning, error or none.")
  var failOn = "warning"

  func validate() throws {
    guard !paths.isEmpty else { throw ValidationError("give a file or a folder, for instance: photofinish check .") }
    guard failOn == "none" || CheckLevel(rawValue: failOn) != nil else {
      throw ValidationError("--fail-on knows note, warning, error and none; not \(failOn)")
    }
  }

  func run() throws {
    var input = CheckFiles()
    for path in paths { input.add(path) }
    for problem in input.unreadable { Terminal.complain("check: \(problem)") }
    guard !input.files.isEmpty else {
      if input.unreadable.isEmpty {
        Terminal.complain("check: there is nothing to read in \(paths.joined(separator: ", "))")
      }
      throw ExitCode(2)
    }
    let links =
      chain.map {
        $0.split(separator: ">").map { String($0.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()) }
      } ?? []
    guard chain == nil || links.count >= 2 else {
      throw ValidationError("--chain takes at least two, as in 'aws-alb > nginx.conf'")
    }
    var run = CheckRun(input.files, readYAML: YAMLTreeReader.read)
    let report = run.run(chain: links)
    for link in links where !ChainJoiner.understands(link, report.reading) {
      Terminal.complain("check: --chain names \(link), which is no file that was read and no software that is known")
      throw ExitCode(2)
    }
    switch output {
    case .json: Terminal.write(CheckJSON.document(report))
    case .text: Terminal.write(CheckText(report, ink: Ink(isColoured: Terminal.isColoured(descriptor: 1))).text())
    }
    let code = exitCode(report)
    if code != 0 { throw ExitCode(code) }
  }

  private func exitCode(_ report: CheckReport) -> Int32 {
    if let least = CheckLevel(rawValue: failOn), report.findings.contains(where: { $0.level >= least }) { return 1 }
    return report.isInconclusive ? 3 : 0
  }
}
