import Analysis
import ArgumentParser
import Core
import Host

/// `photofinish status`: how a running proxy is.
struct StatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Show how a running proxy is: its servers, pools, idle windows, reloads and counters.",
    discussion: """
      EXIT CODES
        0  it serves
        1  there is no proxy; standard error says why
        2  wrong usage
        3  it drains
      """)

  enum Output: String, ExpressibleByArgument, CaseIterable {
    case text, json
  }

  @OptionGroup var proxy: ControlOptions

  @Option(help: ArgumentHelp("How it is told.", valueName: "text|json"))
  var output: Output = .text

  func run() throws {
    let status = try proxy.ask([("do", .string("status"))])
    switch output {
    case .json: Terminal.write(status.text + "\n")
    case .text: Terminal.write(StatusText(status).text)
    }
    if status["state"]?.string != "serving" { throw ExitCode(3) }
  }
}
