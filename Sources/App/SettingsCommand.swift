import ArgumentParser
import Core
import Host

/// `photofinish settings`: the settings file explained, and shown as it is understood.
struct SettingsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "settings",
    abstract: "Print an example of a settings file, its reference, or what a file comes to.",
    discussion: """
      EXAMPLES
        photofinish settings --example > photofinish.yaml
        photofinish settings --show photofinish.yaml
        photofinish settings --reference

      --show fills in every default and everything that follows from other settings ('behind', 'keeps-idle', \
      environment variables), so it may print what the environment keeps secret. Its output is a settings file again.

      EXIT CODES
        0  printed
        1  the file is not valid (standard error says why)
        2  wrong usage
      """)

  @Flag(help: "Print a settings file with comments.")
  var example = false

  @Flag(help: "Print all keys, in Markdown.")
  var reference = false

  @Flag(help: "Print all metrics, in Markdown.")
  var metrics = false

  @Option(
    help: ArgumentHelp("Print the settings of this file with all defaults; - for standard input.", valueName: "file"))
  var show: String?

  func validate() throws {
    let count = [example, reference, metrics, show != nil].count { $0 }
    guard count == 1 else {
      throw ValidationError(
        "name \(count == 0 ? "one" : "only one") of --example, --reference, --metrics and --show FILE")
    }
  }

  func run() throws {
    if example { Terminal.write(SettingsExample.text) }
    if reference { Terminal.write(SettingsReference.text) }
    if metrics { Terminal.write(MetricsReference.text) }
    guard let show else { return }
    let bytes: [UInt8]
    switch SettingsFile.bytes(show) {
    case .success(let content): bytes = content
    case .failure(let problem): try fail(SettingsErrors(file: show, problems: [problem]), [])
    }
    switch SettingsFile.parse(bytes, file: show) {
    case .success(let loaded): Terminal.write(SettingsText.write(SettingsParser.show(loaded.settings)))
    case .failure(let errors): try fail(errors, bytes)
    }
  }

  private func fail(_ errors: SettingsErrors, _ bytes: [UInt8]) throws -> Never {
    Terminal.writeError(SettingsDisplay(descriptor: 2).text(errors, source: bytes))
    throw ExitCode(1)
  }
}
