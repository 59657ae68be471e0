/// A wire with programs at its ends: what `photofinish wire` does between its start and its end.
package struct WireSession: ~Copyable {
  package enum Outcome: Equatable, Sendable {
    /// The near program ended with this status.
    case finished(Int32)
    case interrupted(signal: Int32)
  }

  /// A far program ended while it was still needed.
  package struct FarEnded: Error, Equatable, Sendable, CustomStringConvertible {
    package var program: String
    package var status: Int32
    package var description: String { "the far end's '\(program)' ended with status \(status)" }
  }

  package let wire: Wire
  private let signals: SignalDescriptor
  private let far: [(program: String, process: ChildProcess)]

  /// - Parameters:
  ///   - far: shell commands that run at the far end until the session is over.
  ///   - signals: made before any thread was started.
  package init(_ settings: WireSettings, far commands: [String], signals: consuming SignalDescriptor) throws {
    let wire = try Wire(settings)
    var processes: [(String, ChildProcess)] = []
    for command in commands {
      processes.append(
        (
          command,
          try ChildProcess(["sh", "-c", command], environment: Self.environment(wire), in: wire.far, isContained: true)
        ))
    }
    self.wire = wire
    self.signals = signals
    far = processes
  }

  /// What programs at either end find in their environment.
  private static func environment(_ wire: Wire) -> [String: String] {
    [
      "PHOTOFINISH_NEAR": wire.nearAddress.host, "PHOTOFINISH_FAR": wire.farAddress.host,
      "PHOTOFINISH_NEAR6": wire.nearAddress6?.host ?? "", "PHOTOFINISH_FAR6": wire.farAddress6?.host ?? "",
    ]
  }

  /// Runs a program at the near end, or none, and waits: for its end, that of a far one, or a signal. Then ends them all.
  package consuming func run(near arguments: [String]) throws -> Outcome {
    var poller = try Poller(batch: 8)
    try poller.register(signals.number, for: .readable, trigger: .level, token: .max)
    for (index, entry) in far.enumerated() {
      try poller.register(entry.process.number, for: .readable, trigger: .level, token: UInt64(index))
    }
    var near: ChildProcess?
    if !arguments.isEmpty {
      let program = try ChildProcess(arguments, environment: Self.environment(wire), in: wire.near, isContained: true)
      try poller.register(program.number, for: .readable, trigger: .level, token: .max - 1)
      near = program
    }
    defer {
      near?.end()
      for entry in far { entry.process.end() }
    }
    return try wait(&poller, near)
  }

  private func wait(_ poller: inout Poller, _ near: ChildProcess?) throws(FarEnded) -> Outcome {
    while true {
      _ = poller.wait(atMost: nil)
      if let signal = signals.take() { return .interrupted(signal: signal) }
      if let status = near?.status { return .finished(status) }
      for entry in far {
        if let status = entry.process.status { throw FarEnded(program: entry.program, status: status) }
      }
    }
  }
}
