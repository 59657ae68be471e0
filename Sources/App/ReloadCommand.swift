import ArgumentParser
import Core

/// `photofinish reload`: has a running proxy read its settings anew.
struct ReloadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reload",
    abstract: "Have a running proxy take up its changed settings file.",
    discussion: """
      No request and no connection is lost. A file that is not valid, or that asks for a port that is taken, is refused \
      with all that is wrong with it, and the old settings stay.

      EXIT CODES
        0  the settings are applied
        1  they are refused, or there is no proxy; standard error says why
        2  wrong usage
      """)

  @OptionGroup var proxy: ControlOptions

  func run() throws {
    // Names may have to be resolved, twice.
    let answer = try proxy.ask([("do", .string("reload"))], atMost: .seconds(60))
    for note in answer["notes"]?.array ?? [] { Terminal.warn(note.string ?? "") }
    Terminal.write("the settings are applied, generation \(answer["generation"]?.integer ?? 0)\n")
  }
}
