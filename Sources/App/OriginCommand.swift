import ArgumentParser
import Core
import Host

struct OriginCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "origin",
    abstract: "Run an HTTP/1.1 server that misbehaves as told, and keeps a ledger of what it has read.",
    discussion: """
      Without verbs it answers everything and closes connections that were idle for 2 s, as many servers do.

      Verbs, each name=value; they may also stand in the query of a single request (/?delay=20ms&die=close):
      \(OriginScript.help)

      Paths: / (ok), /bytes/N, /chunked/N, /echo, /__counters, and /__ledger: every request with an X-Race-Id
      that was read completely, one line of JSON each.
      """)

  @Option(help: "Address to listen on; port 0 takes a free one.")
  var listen = "127.0.0.1:3000"

  @Option(help: "Write the ledger to this file at the end.")
  var ledger: String?

  @Flag(help: "End when the process that started it ends.")
  var endWithParent = false

  @Argument(help: "What it does, as verbs.")
  var verbs: [String] = []

  func run() throws {
    let script = try OriginScript(verbs: verbs)
    guard let address = Self.address(listen) else {
      throw ValidationError("'\(listen)' is not an address; write for instance 127.0.0.1:3000 or [::1]:3000")
    }
    let signals = try SignalDescriptor()
    if endWithParent { SignalDescriptor.endWithParent() }
    _ = Machine.raiseDescriptorLimit()
    let origin: Origin
    do throws(SystemError) {
      origin = try Origin.start(script, on: address)
    } catch {
      throw ValidationError("cannot listen on \(address): \(SystemError.text(of: error.code))")
    }
    announce("origin on http://\(origin.address)/")
    try signals.wait()
    let entries = origin.ledger
    let counters = origin.counters
    origin.stop()
    print(counters.json)
    if let ledger { try write(entries, to: ledger) }
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
