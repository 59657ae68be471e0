import ArgumentParser
import Core
import Host

struct WireCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "wire",
    abstract: "Join two network namespaces by a path with a delay, and run programs at its ends.",
    discussion: """
      Needs root and /dev/net/tun; touches nothing of the machine's own network and leaves nothing behind, not even when it is
      killed: the programs and all that they have started end with it.
      The near end has the addresses 10.77.0.1 and fd77::1, the far end 10.77.0.2 and fd77::2 (also in PHOTOFINISH_NEAR,
      PHOTOFINISH_FAR, PHOTOFINISH_NEAR6 and PHOTOFINISH_FAR6).

      A server 20 ms of round trip away, and a look at it:
        photofinish wire --delay 10ms --far 'photofinish origin --listen 10.77.0.2:8000' \\
          -- curl -v http://10.77.0.2:8000/

      Without a command it prints where the namespaces are, for nsenter, and holds the wire until it is interrupted.
      """)

  @Option(help: "One-way delay.", transform: duration)
  var delay = Nanoseconds.milliseconds(10)

  @Option(help: "Draw each packet's delay from the delay plus or minus this, keeping their order.", transform: duration)
  var jitter = Nanoseconds.zero

  @Option(help: "Share of the packets to lose, 0 to 1.")
  var loss = 0.0

  @Option(help: "Share of the packets to hold back by 2 ms, so that others overtake them, 0 to 1.")
  var reordering = 0.0

  @Option(help: "Seed of jitter, loss and reordering.")
  var seed: UInt64 = 1

  @Option(help: "Have a middlebox on the way that forgets flows which were quiet for this long.", transform: duration)
  var forgetAfter: Nanoseconds?

  @Flag(help: "Let the middlebox answer packets of forgotten flows with a RST; otherwise it drops them.")
  var reset = false

  @Option(help: "A shell command to run at the far end. May be given several times.")
  var far: [String] = []

  @Argument(parsing: .postTerminator, help: "The program to run at the near end, after '--'.")
  var near: [String] = []

  func validate() throws {
    for (name, share) in [("loss", loss), ("reordering", reordering)] where !(0...1).contains(share) {
      throw ValidationError("--\(name) \(share) is not a share; give a number from 0 to 1")
    }
    if reset && forgetAfter == nil {
      throw ValidationError("--reset says how forgotten flows are answered; give --forget-after too")
    }
  }

  func run() throws {
    var settings = WireSettings(delay: delay)
    settings.jitter = jitter
    settings.loss = loss
    settings.reordering = reordering
    settings.seed = seed
    if let forgetAfter {
      settings.middlebox = MiddleboxSettings(memory: forgetAfter, answer: reset ? .reset : .silence)
    }
    let signals = try SignalDescriptor()
    SignalDescriptor.endWithParent()
    let session = try WireSession(settings, far: far, signals: signals)
    if near.isEmpty {
      announce("near \(session.wire.nearAddress.host): nsenter --net=\(session.wire.near.path) COMMAND")
      announce("far  \(session.wire.farAddress.host): nsenter --net=\(session.wire.far.path) COMMAND")
    }
    switch try session.run(near: near) {
    case .finished(let status): throw ExitCode(status)
    case .interrupted(let signal):
      if near.isEmpty { return }
      throw ExitCode(128 + signal)
    }
  }

  private static func duration(_ text: String) throws -> Nanoseconds { try Nanoseconds(parsing: text) }
}
