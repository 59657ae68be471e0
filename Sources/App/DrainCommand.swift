import ArgumentParser
import Core

/// `photofinish drain`: has a running proxy end in order.
struct DrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "drain",
    abstract: "Have a running proxy stop accepting, finish what is under way, and end.",
    discussion: """
      The same as SIGTERM. Returns when it has begun; 'timeouts: {drain: 30s}' in the settings bounds how long it takes.

      EXIT CODES
        0  it drains, or did so already
        1  there is no proxy; standard error says why
        2  wrong usage
      """)

  @OptionGroup var proxy: ControlOptions

  func run() throws {
    let answer = try proxy.ask([("do", .string("drain"))])
    let patience = Nanoseconds.milliseconds(Int64(answer["at_most_ms"]?.integer ?? 0)).text
    Terminal.write(
      answer["began"]?.bool == true
        ? "no new connections any more; what is under way has \(patience)\n" : "it was draining already\n")
  }
}
