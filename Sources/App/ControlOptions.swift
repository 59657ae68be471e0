import Analysis
import ArgumentParser
import Core
import Host

/// How the commands that speak to a running proxy find it.
struct ControlOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The control socket of the running proxy: what 'serve --control' or 'control:' in its settings says.",
      valueName: "path"))
  var control: String

  /// Asks, and ends the program with 1 and the reason when the answer is no.
  func ask(_ members: [(String, JSONText)], atMost patience: Nanoseconds = .seconds(30)) throws -> JSONValue {
    do throws(ControlChannel.Failure) {
      return try ControlChannel(path: control).ask(.object(members), atMost: patience)
    } catch {
      Terminal.writeError(error.description + "\n")
      throw ExitCode(1)
    }
  }
}
