import Core
import Host
import Support
import Testing

struct OriginCommandTests {
  /// Starts `photofinish origin` on a free port.
  private func start(
    _ arguments: [String], in directory: TemporaryDirectory
  ) throws -> (program: ChildProcess, address: SocketAddress) {
    let log = directory.path + "/log"
    let program = try ChildProcess(
      [BuiltProgram.photofinish, "origin", "--listen", "127.0.0.1:0"] + arguments, output: .file(path: log))
    let deadline = MonotonicClock.now.advanced(by: .seconds(20))
    while MonotonicClock.now < deadline {
      let text = BuiltProgram.text(ofFile: log) ?? ""
      if text.hasSuffix("/\n"), let port = text.split(separator: ":").last.flatMap({ UInt16($0.dropLast(2)) }) {
        return (program, SocketAddress(.ipv4(0x7f00_0001, port: port)))
      }
      if program.status != nil { throw BlockingSocket.Failure.ended(text) }
      pause(.milliseconds(5))
    }
    throw BlockingSocket.Failure.timedOut("start")
  }

  @Test func holdsTenThousandConnections() throws {
    _ = Machine.raiseDescriptorLimit()
    let directory = try TemporaryDirectory()
    let (program, address) = try start(["idle=never"], in: directory)
    defer { program.end() }
    var clients: [BlockingSocket] = []
    for _ in 0..<10_000 { clients.append(try BlockingSocket(to: address)) }
    for client in clients {
      try client.send("GET / HTTP/1.1\r\n\r\n")
      #expect(try client.receive(through: "\r\n\r\nok\n").hasPrefix("HTTP/1.1 200 "))
    }
    try clients[0].send("GET /__counters HTTP/1.1\r\nConnection: close\r\n\r\n")
    #expect(try clients[0].receiveAll().contains("\"open\":10000,\"requests\":10001"))
  }

  @Test func writesItsLedgerWhenItIsTerminated() throws {
    let directory = try TemporaryDirectory()
    let ledger = directory.path + "/ledger"
    let (program, address) = try start(["--ledger", ledger], in: directory)
    let client = try BlockingSocket(to: address)
    try client.send("POST / HTTP/1.1\r\nX-Race-Id: one\r\nConnection: close\r\n\r\n")
    _ = try client.receiveAll()
    program.signal(15)
    #expect(program.wait(atMost: .seconds(10)) == 0)
    #expect(BuiltProgram.text(ofFile: ledger)?.hasPrefix(#"{"id":"one","method":"POST","#) == true)
  }

  @Test func itsJournalOutlivesIt() throws {
    let directory = try TemporaryDirectory()
    let journal = directory.path + "/journal"
    for name in ["one", "two"] {
      let (program, address) = try start(["--journal", journal], in: directory)
      let client = try BlockingSocket(to: address)
      try client.send("POST / HTTP/1.1\r\nX-Race-Id: \(name)\r\n\r\n")
      _ = try client.receive(through: "ok\n")
      program.signal(9)
      #expect(program.wait(atMost: .seconds(10)) != 0)
    }
    let lines = (BuiltProgram.text(ofFile: journal) ?? "").split(separator: "\n")
    #expect(lines.map { $0.prefix(12) } == [#"{"id":"one",""#, #"{"id":"two",""#].map { $0.prefix(12) })
  }

  @Test func saysWhatIsWrong() throws {
    let directory = try TemporaryDirectory()
    for (arguments, words) in [
      (["idle=2"], "'2' has no unit"), (["--listen", "nonsense"], "is not an address"),
      (["--listen", "192.0.2.1:80"], "cannot listen on 192.0.2.1:80"),
    ] {
      let log = directory.path + "/log"
      let program = try ChildProcess([BuiltProgram.photofinish, "origin"] + arguments, output: .file(path: log))
      #expect(program.wait(atMost: .seconds(10)) != 0)
      #expect(BuiltProgram.text(ofFile: log)?.contains(words) == true, "\(BuiltProgram.text(ofFile: log) ?? "")")
    }
  }
}
