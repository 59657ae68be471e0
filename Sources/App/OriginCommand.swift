import ArgumentParser
import Core
import Host

struct OriginCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "origin",
    abstract: "Run an HTTP/1.1 server that misbehaves as told, and keeps a ledger of what it has read.",
    discussion: """
      Without verbs it answers everything and closes connections that were idle for 2 s, as many servers do. Verbs change \
      that: settings (name=value) for all connections, steps for what is done one after the other.

      A server that resets idle connections, and promises to keep them much longer:
        photofinish origin idle=2s at-idle=abort hint=60s
      The first connection is reset after its request was read, the others are served:
        photofinish origin 1: read rst
      One answer, and a FIN 300 ms later, for ever:
        photofinish origin read respond wait=300ms fin

      \(OriginScript.help)

      Paths: / (ok), /bytes/N, /chunked/N, /echo, /__counters, and /__ledger: every request with an X-Race-Id that was \
      read completely, a line of JSON each. docs/manual/origin.md has more examples.
      """)

  @Option(help: ArgumentHelp("Address to listen on; port 0 takes a free one.", valueName: "address:port"))
  var listen = "127.0.0.1:3000"

  @Option(
    help: ArgumentHelp(
      "Read verbs from this file, before those of the command line; # begins a comment.", valueName: "file"))
  var script: String?

  @Option(help: ArgumentHelp("Write the ledger to this file at the end.", valueName: "file"))
  var ledger: String?

  @Option(
    help: ArgumentHelp(
      "Append each request of the ledger to this file before it is answered: what was read is there even when the origin is killed.",
      valueName: "file"))
  var journal: String?

  @Flag(help: "Print what it does with each connection.")
  var verbose = false

  @Flag(help: "End when the process that started it ends.")
  var endWithParent = false

  @Argument(help: "What it does, as verbs.")
  var verbs: [String] = []

  func run() throws {
    let behaviour = try behaviour()
    guard let address = Self.address(listen) else {
      throw ValidationError("'\(listen)' is not an address; write for instance 127.0.0.1:3000 or [::1]:3000")
    }
    let signals = try SignalDescriptor()
    if endWithParent { SignalDescriptor.endWithParent() }
    _ = Machine.raiseDescriptorLimit()
    let origin: Origin
    do throws(SystemError) {
      origin = try Origin.start(behaviour, on: address, journal: journal, watcher: verbose ? Self.watcher() : nil)
    } catch {
      if error.call == "open", let journal {
        throw ValidationError("--journal \(journal) cannot be written: \(SystemError.text(of: error.code))")
      }
      throw ValidationError("cannot listen on \(address): \(SystemError.text(of: error.code))")
    }
    announce("origin on http://\(origin.address)/")
    try signals.wait(orUntilReadable: origin.deathDescriptor)
    let entries = origin.ledger
    let counters = origin.counters
    origin.stop()
    print(counters.json)
    if let ledger { try write(entries, to: ledger) }
  }

  private func behaviour() throws -> OriginScript {
    guard let script else { return try OriginScript(verbs: verbs) }
    let text: String
    do throws(SystemError) { text = try TextFile.read(script) } catch {
      throw ValidationError("--script \(script) cannot be read: \(SystemError.text(of: error.code))")
    }
    return try OriginScript(file: text, named: script, verbs: verbs)
  }

  /// Prints a line for each event: seconds since the start, the connection, what happened.
  private static func watcher() -> @Sendable (OriginEvent) -> Void {
    let start = MonotonicClock.now
    return { event in
      let micros = event.at.since(start).count / 1000
      let fraction = String(micros % 1_000_000)
      let padding = String(repeating: "0", count: 6 - fraction.count)
      announce("\(micros / 1_000_000).\(padding)\(fraction)  #\(event.connection)  \(event.text)")
    }
  }

  private func write(_ entries: [LedgerEntry], to path: String) throws {
    do throws(SystemError) {
      try TextFile.write(entries.map { $0.json + "\n" }.joined(), to: path)
    } catch {
      throw ValidationError("cannot write the ledger to \(path): \(SystemError.text(of: error.code))")
    }
  }

  private static func address(_ text: String) -> SocketAddress? {
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else { return nil }
    let host = String(text[..<colon])
    return SocketAddress(literal: host.isEmpty ? "0.0.0.0" : host, port: port)
  }
}
