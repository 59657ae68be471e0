import ArgumentParser
import Core
import Logging

/// `photofinish log-level`: how much a running proxy says.
struct LogLevelCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "log-level",
    abstract: "Change the least severe level that a running proxy writes to its log.",
    discussion: """
      Holds until it is changed again, by this command or by a reload of a file that names another level than before.

      EXIT CODES
        0  done
        1  there is no proxy; standard error says why
        2  wrong usage
      """)

  @Argument(
    help: ArgumentHelp(
      "One of \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")).", valueName: "level"))
  var level: String

  @OptionGroup var proxy: ControlOptions

  func validate() throws {
    guard Logger.Level(rawValue: level) == nil else { return }
    throw ValidationError(
      "'\(level)' is no level; write one of \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))")
  }

  func run() throws {
    let answer = try proxy.ask([("do", .string("log-level")), ("level", .string(level))])
    Terminal.write("log level \(answer["level"]?.string ?? level), it was \(answer["before"]?.string ?? "?")\n")
  }
}
