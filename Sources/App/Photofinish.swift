import ArgumentParser

@main
struct Photofinish: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "photofinish",
    abstract: "A reverse proxy that no request is lost to, and the tools that prove the keep-alive race.",
    version: "0.1.0",
    subcommands: [
      ServeCommand.self, ValidateCommand.self, SettingsCommand.self, OriginCommand.self, WireCommand.self,
      DriveCommand.self, PredictCommand.self,
      CaptureCommand.self, ProbeCommand.self, ExplainCommand.self,
      LabCommand.self,
    ])
}
