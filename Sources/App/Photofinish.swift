import ArgumentParser

@main
struct Photofinish: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "photofinish",
    abstract: "A reverse proxy that no request is lost to, and the tools that prove the keep-alive race.",
    version: "0.1.0",
    subcommands: [
      ServeCommand.self, StatusCommand.self, ReloadCommand.self, DrainCommand.self, LogLevelCommand.self,
      UpgradeCommand.self, ValidateCommand.self, SettingsCommand.self, OriginCommand.self, WireCommand.self,
      DriveCommand.self, PredictCommand.self,
      CaptureCommand.self, LogsCommand.self, CheckCommand.self, ProbeCommand.self, ExplainCommand.self,
      LabCommand.self,
    ])

  /// Misuse ends with 2, as every command says in its help; the parser's own code for it is 64.
  static func main() {
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      guard exitCode(for: error) == .validationFailure else { exit(withError: error) }
      Terminal.warn(fullMessage(for: error))
      exit(withError: ExitCode(2))
    }
  }
}
