import Core
import Foundation
import Host
import Support
import Testing

/// `photofinish capture --live` against real races. Needs root, as the command does.
@Suite struct LiveCaptureTests {
  private let directory: TemporaryDirectory
  private var log: String { directory.path + "/log" }
  private var kept: String { directory.path + "/kept" }

  init() throws { directory = try TemporaryDirectory() }

  private func start(_ arguments: [String], in namespace: NetworkNamespace? = nil) throws -> ChildProcess {
    let program = try ChildProcess(
      [BuiltProgram.photofinish, "capture", "--output", "ndjson"] + arguments, in: namespace, output: .file(path: log))
    let deadline = MonotonicClock.now.advanced(by: .seconds(20))
    while MonotonicClock.now < deadline, program.status == nil {
      if BuiltProgram.text(ofFile: log)?.contains("listening on") == true { return program }
      pause(.milliseconds(5))
    }
    throw BlockingSocket.Failure.timedOut("start: \(BuiltProgram.text(ofFile: log) ?? "")")
  }

  private func finish(_ program: ChildProcess) -> (status: Int32?, lines: [[String: Any]], text: String) {
    program.signal(2)
    let status = program.wait(atMost: .seconds(20))
    let text = BuiltProgram.text(ofFile: log) ?? ""
    let lines = text.split(separator: "\n").compactMap {
      try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
    }
    return (status, lines, text)
  }

  /// Waits for a line of the running program.
  private func waits(for text: String) -> Bool {
    let deadline = MonotonicClock.now.advanced(by: .seconds(30))
    while MonotonicClock.now < deadline {
      if BuiltProgram.text(ofFile: log)?.contains(text) == true { return true }
      pause(.milliseconds(20))
    }
    return false
  }

  private func output(_ arguments: [String]) throws -> String {
    let file = directory.path + "/output"
    let program = try ChildProcess(arguments, output: .file(path: file))
    _ = program.wait(atMost: .seconds(60))
    return BuiltProgram.text(ofFile: file) ?? ""
  }

  private func wireWithOrigin() throws -> (wire: Wire, origin: Origin) {
    let wire = try Wire(WireSettings(delay: LiveCaptureTests.delay))
    let address = SocketAddress(.ipv4(0x0a4d_0002, port: 0))
    return (wire, try Origin.start(OriginScript(verbs: ["idle=2s"]), on: address, in: wire.far))
  }

  private static let delay = Nanoseconds.milliseconds(40)

  /// Warm-ups, silence for as long as the server keeps the connections, and requests spread over the time in which its FINs
  /// are on their way.
  private func race(over wire: Wire, _ origin: Origin, connections: Int, warmups: Int) throws {
    let clients = try (0..<connections).map { _ in try BlockingSocket(to: origin.address, from: wire.near) }
    var answered = MonotonicClock.now
    for _ in 0..<warmups {
      for client in clients { try client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n") }
      for client in clients { _ = try client.receiveResponse() }
      answered = MonotonicClock.now
    }
    // The server closes two seconds after it has answered, a one-way delay ago.
    let first = answered.advanced(by: .seconds(2) - LiveCaptureTests.delay * 2)
    for (index, client) in clients.enumerated() {
      let due = first.advanced(by: Nanoseconds(LiveCaptureTests.delay.count * 2 * Int64(index) / Int64(connections)))
      pause(max(.zero, due.since(MonotonicClock.now)))
      try? client.send("POST /late HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
    }
    for client in clients { _ = try? client.receiveResponse(to: "POST") }
  }

  @Test func tellsARaceAndKeepsItsPacketsOnly() throws {
    let (wire, origin) = try wireWithOrigin()
    let port = origin.address.port
    let capture = try start(["--live", "wire", "--port", "\(port)", "--into", kept], in: wire.near)
    // A machine that is busy may miss the moment.
    for _ in 0..<5 where BuiltProgram.text(ofFile: log)?.contains("crossing-fin") != true {
      try race(over: wire, origin, connections: 12, warmups: 30)
      pause(.seconds(3))
    }
    let (status, lines, text) = finish(capture)
    let findings = lines.filter { $0["type"] as? String == "finding" }
    #expect(status == 1, "\(text)")
    let races = findings.filter { $0["kind"] as? String == "crossing-fin" }
    #expect(!races.isEmpty)
    #expect(races.allSatisfy { $0["exchanges_before"] as? Int == 30 && $0["confidence"] as? String == "proved" })
    let file = kept + "/photofinish-000001.pcapng"
    let again = try output([BuiltProgram.photofinish, "capture", "--verdicts", file])
    #expect(
      again.split(separator: "\n").filter { $0.contains("crossing-fin\tproved") }.count == races.count, "\(again)")
    // An independent reader: the same number of requests, and no packet of other connections.
    let requests = try output([
      "tshark", "-r", file, "-Y", "http.request.method == POST", "-T", "fields", "-e", "tcp.stream",
    ])
    #expect(requests.split(separator: "\n").filter { Int($0) != nil }.count == findings.count, "\(requests)")
    let all = try output(["tshark", "-r", file, "-T", "fields", "-e", "frame.number"])
    let count = all.split(separator: "\n").compactMap { Int($0) }.max() ?? 0
    #expect(count > findings.count * 5 && count < findings.count * 140)
    #expect(
      try output(["tshark", "-r", file, "-Y", "frame.comment", "-T", "fields", "-e", "frame.comment"]).contains(
        "crossing-fin"))
  }

  /// The ring overflows while the program cannot look: what it then says is that it cannot know.
  @Test func saysInconclusiveWhenTheKernelDropsPackets() throws {
    let (wire, origin) = try wireWithOrigin()
    let port = origin.address.port
    let capture = try start(["--live", "any", "--port", "\(port)", "--buffer", "1m", "--into", kept], in: wire.near)
    let client = try BlockingSocket(to: origin.address, from: wire.near)
    let other = try BlockingSocket(to: origin.address, from: wire.near)
    try client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    _ = try client.receiveResponse()
    capture.signal(SIGSTOP)
    // The question is the last thing that there is room for; its answer comes when the ring is full.
    try client.send("POST /?delay=3s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi")
    pause(.milliseconds(200))
    try other.send("GET /bytes/8000000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    _ = try other.receiveResponse(atMost: .seconds(20))
    _ = try client.receiveResponse(to: "POST", atMost: .seconds(20))
    capture.signal(SIGCONT)
    // It has caught up when it hears of what happens now.
    pause(.seconds(1))
    client.close()
    pause(.milliseconds(300))
    let (_, lines, text) = finish(capture)
    let summary = try #require(lines.first { $0["type"] as? String == "summary" })
    let dropped = (summary["files"] as? [[String: Any]])?.first?["packets_dropped"] as? Int
    #expect((dropped ?? 0) > 0, "\(text)")
    let findings = lines.filter { $0["type"] as? String == "finding" }
    let finding = try #require(findings.first { ($0["request"] as? String)?.hasPrefix("POST") == true }, "\(text)")
    #expect(finding["kind"] as? String == "inconclusive", "\(text)")
    let missing = (finding["missing"] as? [String]) ?? []
    #expect(missing.contains { $0.contains("that the capture lost between") }, "\(missing)")
  }

  @Test func endsByItselfAndSaysThatNothingWasFound() throws {
    let namespace = try NetworkNamespace.make()
    let capture = try start(["--live", "lo", "--duration", "300ms"], in: namespace)
    #expect(capture.wait(atMost: .seconds(20)) == 0)
    #expect(BuiltProgram.text(ofFile: log)?.contains("no request is in this capture") == true)
  }

  @Test func saysThatAnInterfaceWentAway() throws {
    let namespace = try NetworkNamespace.make()
    func ip(_ arguments: [String]) throws {
      let program = try ChildProcess(["ip"] + arguments, in: namespace)
      #expect(program.wait(atMost: .seconds(20)) == 0)
    }
    try ip(["tuntap", "add", "dev", "here", "mode", "tun"])
    try ip(["link", "set", "here", "up"])
    let capture = try start(["--live", "here", "--into", kept], in: namespace)
    try ip(["link", "set", "here", "down"])
    #expect(waits(for: "here went down"))
    try ip(["link", "set", "here", "up"])
    #expect(waits(for: "here is up again"))
    try ip(["link", "del", "here"])
    #expect(capture.wait(atMost: .seconds(20)) == 3)
    #expect(BuiltProgram.text(ofFile: log)?.contains("the interface here is gone") == true)
  }

  @Test func saysWhatIsMissing() throws {
    #expect(
      try output([BuiltProgram.photofinish, "capture", "--live", "no-such"]).contains("there is no interface 'no-such'")
    )
    #expect(
      try output(["setpriv", "--bounding-set=-net_raw", BuiltProgram.photofinish, "capture", "--live", "lo"])
        .contains("needs CAP_NET_RAW"))
    #expect(
      try output([BuiltProgram.photofinish, "capture", "--live", "lo", "--html", "x"]).contains(
        "need a capture that has ended"))
    #expect(
      try output([BuiltProgram.photofinish, "capture", "--live", "lo", "x.pcap"]).contains("takes no capture files"))
    #expect(try output([BuiltProgram.photofinish, "capture"]).contains("give a capture file"))
  }
}
