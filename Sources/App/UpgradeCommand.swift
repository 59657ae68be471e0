import ArgumentParser
import Core
import Host

/// `photofinish upgrade`: a new process in place of the running one.
struct UpgradeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "upgrade",
    abstract:
      "Replace a running proxy by a new process of its program, as it is on disk now, without a refused connection.",
    discussion: """
      The running proxy starts its program anew with its own arguments and --take-over. The new process gets the listening \
      sockets, starts, and only then the old one drains. When the new one cannot start, the old one goes on as before.
      By hand: photofinish serve --take-over PATH ... with the arguments of your choice.

      EXIT CODES
        0  the new process serves
        1  it does not, and the old one goes on, or there is no proxy; standard error says why
        2  wrong usage
      """)

  @OptionGroup var proxy: ControlOptions

  func run() throws {
    let answer = try proxy.ask([("do", .string("upgrade"))], atMost: Successor.patience + .seconds(10))
    Terminal.write("process \(answer["pid"]?.integer ?? 0) serves; the old one drains\n")
  }
}
