import Core
import Host
import Support
import Testing

final class OriginTests {
  private static let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

  /// An origin lives as long as somebody holds it.
  private var origins: [Origin] = []

  private func origin(_ verbs: String...) throws -> Origin {
    let origin = try Origin.start(OriginScript(verbs: verbs))
    origins.append(origin)
    return origin
  }

  /// Sends a request and takes the response, whose body is counted.
  private func exchange(_ client: BlockingSocket, _ request: String) throws -> (head: String, body: String) {
    try client.send(request)
    let head = try client.receive(through: "\r\n\r\n")
    let line = head.split(separator: "\r\n").first { $0.hasPrefix("Content-Length: ") }
    let count = line.flatMap { Int($0.dropFirst("Content-Length: ".count)) } ?? 0
    return (head, try client.receive(exactly: count))
  }

  private func request(_ target: String, id: String, method: String = "POST", body: String = "") -> String {
    "\(method) \(target) HTTP/1.1\r\nHost: a\r\nX-Race-Id: \(id)\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
  }

  // MARK: Idle ends

  @Test func closesWithAFinAfterTheIdleTime() throws {
    let origin = try origin("idle=150ms")
    let client = try BlockingSocket(to: origin.address)
    _ = try exchange(client, Self.get)
    let start = MonotonicClock.now
    #expect(try client.waitForEnd() == .endOfStream)
    let age = MonotonicClock.now.since(start)
    #expect(age >= .milliseconds(149) && age < .milliseconds(250), "\(age.text)")
    #expect(origin.counters.idleEnds == 1)
  }

  @Test func idleTimesAreExact() throws {
    let origin = try origin("idle=100ms")
    var late: [Nanoseconds] = []
    for _ in 0..<10 {
      let client = try BlockingSocket(to: origin.address)
      _ = try exchange(client, Self.get)
      let start = MonotonicClock.now
      _ = try client.waitForEnd()
      late.append(MonotonicClock.now.since(start) - .milliseconds(100))
    }
    // The others are as late as this machine is busy.
    #expect(late.min()! < .milliseconds(1), "\(late.map(\.text))")
  }

  @Test func abortsWhenIdle() throws {
    let origin = try origin("idle=100ms", "at-idle=abort")
    let client = try BlockingSocket(to: origin.address)
    _ = try exchange(client, Self.get)
    #expect(try client.waitForEnd() == .failed(104))
  }

  @Test func halfClosesAndReadsOn() throws {
    let origin = try origin("idle=100ms", "at-idle=half-close")
    let client = try BlockingSocket(to: origin.address)
    _ = try exchange(client, Self.get)
    #expect(try client.waitForEnd() == .endOfStream)
    try client.send(request("/late", id: "7", body: "abc"))
    try waitUntil { origin.counters.requestsAfterHalfClose == 1 }
    #expect(origin.ledger.map(\.id) == ["7"])
    #expect(origin.ledger.map(\.answer) == [.halfClosed])
    #expect(origin.counters.bytesAfterHalfClose == request("/late", id: "7", body: "abc").utf8.count)
  }

  @Test func halfClosesReadsAndAborts() throws {
    let origin = try origin("idle=100ms", "at-idle=half-close-abort")
    let client = try BlockingSocket(to: origin.address)
    _ = try exchange(client, Self.get)
    #expect(try client.waitForEnd() == .endOfStream)
    try client.send(request("/late", id: "8"))
    try waitUntil { origin.ledger.count == 1 && origin.counters.open == 0 }
    #expect(Socket.takeError(client.number) == 32)
  }

  @Test func saysFarewell() throws {
    let origin = try origin("idle=100ms", "at-idle=farewell")
    let client = try BlockingSocket(to: origin.address)
    _ = try exchange(client, Self.get)
    let farewell = try client.receiveAll()
    #expect(farewell.hasPrefix("HTTP/1.1 408 ") && farewell.contains("Connection: close"))
    #expect(origin.counters.farewells == 1)
  }

  @Test func neverEndsIdleConnections() throws {
    let origin = try origin("idle=never")
    let client = try BlockingSocket(to: origin.address)
    _ = try exchange(client, Self.get)
    #expect(throws: BlockingSocket.Failure.timedOut("receive")) {
      _ = try client.receiveOnce(atMost: .milliseconds(300))
    }
  }

  @Test func jitterSpreadsIdleTimes() throws {
    let origin = try origin("idle=150ms", "jitter=100ms")
    let start = MonotonicClock.now
    let clients = try (0..<20).map { _ in
      let client = try BlockingSocket(to: origin.address)
      _ = try exchange(client, Self.get)
      return client
    }
    var ages: [Nanoseconds] = []
    for client in clients {
      _ = try client.waitForEnd()
      ages.append(MonotonicClock.now.since(start))
    }
    #expect(ages.max()! - .milliseconds(60) > .milliseconds(50), "\(ages.map(\.text))")
    #expect(origin.counters.idleEnds == 20)
  }

  // MARK: Requests

  @Test func keepsALedger() throws {
    let origin = try origin()
    let client = try BlockingSocket(to: origin.address)
    _ = try exchange(client, request("/a", id: "1"))
    _ = try exchange(client, request("/b", id: "2", method: "PUT", body: "xyz"))
    _ = try exchange(client, Self.get)
    #expect(origin.ledger.map(\.id) == ["1", "2"])
    #expect(origin.ledger.map(\.exchange) == [1, 2])
    let other = try BlockingSocket(to: origin.address)
    let dump = try exchange(other, "GET /__ledger HTTP/1.1\r\nHost: a\r\n\r\n").body.split(separator: "\n")
    #expect(dump.count == 2)
    #expect(
      dump[1].hasPrefix(#"{"id":"2","method":"PUT","target":"/b","answer":"answered","connection":1,"exchange":2,"#))
  }

  @Test func incompleteRequestIsNotApplied() throws {
    let origin = try origin()
    let client = try BlockingSocket(to: origin.address)
    try client.send("POST /a HTTP/1.1\r\nX-Race-Id: 1\r\nContent-Length: 5\r\n\r\nabcd")
    client.close()
    try waitUntil { origin.counters.open == 0 && origin.counters.accepted == 1 }
    #expect(origin.ledger.isEmpty)
  }

  @Test func deathsAreAppliedAndUnanswered() throws {
    let origin = try origin()
    for (verb, end) in [("close", Transfer.endOfStream), ("abort", .failed(104))] {
      let client = try BlockingSocket(to: origin.address)
      try client.send(request("/?die=\(verb)", id: verb))
      #expect(try client.waitForEnd() == end)
    }
    #expect(origin.ledger.map(\.answer) == [.died, .died])
  }

  @Test func unreadDeathIsNotApplied() throws {
    let origin = try origin("die=unread")
    let client = try BlockingSocket(to: origin.address)
    try client.send(request("/", id: "1"))
    #expect(try client.waitForEnd() == .failed(104))
    #expect(origin.ledger.isEmpty && origin.counters.deaths == 1)
  }

  @Test func aShareDies() throws {
    let origin = try origin("die=close", "share=0.3", "seed=5")
    var deaths = 0
    for number in 0..<100 {
      let client = try BlockingSocket(to: origin.address)
      try client.send(request("/", id: "\(number)"))
      if case .endOfStream = try client.receiveOnce() { deaths += 1 }
    }
    #expect((15...45).contains(deaths))
    #expect(origin.ledger.filter { $0.answer == .died }.count == deaths)
  }

  @Test func closesAfterSomeRequests() throws {
    let announced = try origin("requests=2")
    let client = try BlockingSocket(to: announced.address)
    #expect(try !exchange(client, Self.get).head.contains("Connection: close"))
    #expect(try exchange(client, Self.get).head.contains("Connection: close"))
    #expect(try client.waitForEnd() == .endOfStream)

    let silent = try origin("requests=2", "announce=no")
    let other = try BlockingSocket(to: silent.address)
    _ = try exchange(other, Self.get)
    #expect(try !exchange(other, Self.get).head.contains("Connection: close"))
    #expect(try other.waitForEnd() == .endOfStream)
  }

  @Test(arguments: [("hint=truthful", "5"), ("hint=60s", "60")])
  func hints(verb: String, seconds: String) throws {
    let origin = try origin("idle=5s", verb)
    let client = try BlockingSocket(to: origin.address)
    #expect(try exchange(client, Self.get).head.contains("\r\nKeep-Alive: timeout=\(seconds)\r\n"))
  }

  @Test func delaysAndTrickles() throws {
    let origin = try origin()
    let client = try BlockingSocket(to: origin.address)
    var start = MonotonicClock.now
    _ = try exchange(client, "GET /?delay=50ms HTTP/1.1\r\n\r\n")
    #expect(MonotonicClock.now.since(start) >= .milliseconds(50))
    start = MonotonicClock.now
    let answer = try exchange(client, "GET /?head-pause=1ms HTTP/1.1\r\n\r\n")
    #expect(MonotonicClock.now.since(start) >= .milliseconds(60))
    #expect(answer.head.hasPrefix("HTTP/1.1 200 OK\r\n") && answer.body == "ok\n")
  }

  /// Byte by byte, these would take 40 s.
  @Test func onlyTheHeadTrickles() throws {
    let client = try BlockingSocket(to: origin("head-pause=1ms").address)
    let body = String(repeating: "y", count: 40_000)
    let start = MonotonicClock.now
    #expect(try exchange(client, request("/echo", id: "1", body: body)).body == body)
    #expect(MonotonicClock.now.since(start) < .seconds(20))
  }

  @Test func bodies() throws {
    let origin = try origin()
    let client = try BlockingSocket(to: origin.address)
    #expect(try exchange(client, "GET /bytes/300000 HTTP/1.1\r\n\r\n").body.utf8.count == 300_000)
    #expect(try exchange(client, request("/echo", id: "1", body: "hello")).body == "hello")
    let chunked =
      "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\n"
    #expect(try exchange(client, chunked).body == "abcde")
    try client.send("GET /chunked/70000 HTTP/1.1\r\n\r\n")
    _ = try client.receive(through: "\r\n\r\n")
    let body = try client.receive(through: "\r\n0\r\n\r\n")
    #expect(body.hasPrefix("10000\r\n") && body.utf8.count > 70_000)
    #expect(try exchange(client, "HEAD /bytes/10 HTTP/1.1\r\n\r\n".replacing("HEAD", with: "GET")).body.count == 10)
  }

  @Test func truncates() throws {
    let origin = try origin("truncate=yes")
    let client = try BlockingSocket(to: origin.address)
    try client.send("GET /bytes/1000 HTTP/1.1\r\n\r\n")
    let all = try client.receiveAll()
    #expect(all.contains("Content-Length: 1000\r\n") && all.components(after: "\r\n\r\n").utf8.count == 500)
  }

  @Test func otherLanguages() throws {
    let tls = try BlockingSocket(to: origin("speaks=tls").address)
    try tls.send(Self.get)
    #expect(try tls.receiveAll().utf8.first == 21)
    let ssh = try BlockingSocket(to: origin("speaks=ssh").address)
    #expect(try ssh.receive(through: "\n").hasPrefix("SSH-2.0-"))
  }

  @Test func continues() throws {
    let origin = try origin()
    let client = try BlockingSocket(to: origin.address)
    try client.send("POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    #expect(try client.receive(through: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
    #expect(try exchange(client, "hi").body == "hi")
  }

  @Test func pipelinedRequestsAreAnsweredInOrder() throws {
    let origin = try origin()
    let client = try BlockingSocket(to: origin.address)
    try client.send("GET /bytes/1?delay=20ms HTTP/1.1\r\n\r\nGET /bytes/2 HTTP/1.1\r\n\r\n" + Self.get)
    for count in [1, 2, 3] {
      #expect(try client.receive(through: "\r\n\r\n").contains("Content-Length: \(count)\r\n"))
      _ = try client.receive(exactly: count)
    }
  }

  @Test func manyPipelinedRequestsDoNotExhaustTheStack() throws {
    let origin = try origin()
    let client = try BlockingSocket(to: origin.address)
    let count = 5_000
    try client.send(
      String(repeating: "GET /?delay=0s HTTP/1.1\r\nA: b\r\n\r\n", count: count) + "GET / HTTP/1.0\r\n\r\n")
    let answers = try client.receiveAll(atMost: .seconds(20))
    #expect(answers.utf8.count > count * 60)
    #expect(origin.counters.responses == count + 1)
  }

  @Test func rejectsWhatIsNoRequest() throws {
    let origin = try origin()
    let client = try BlockingSocket(to: origin.address)
    try client.send("nonsense\r\n\r\n")
    #expect(try client.receiveAll().hasPrefix("HTTP/1.1 400 "))
  }

  @Test func wrongVerbsAreNamed() {
    for verb in ["idle", "idle=2", "at-idle=explode", "share=2", "nonsense=1", "status=99"] {
      #expect(throws: OriginScript.VerbError.self) { try OriginScript(verbs: [verb]) }
    }
  }

  private func waitUntil(_ condition: () -> Bool) throws {
    let deadline = MonotonicClock.now.advanced(by: .seconds(10))
    while !condition() {
      guard MonotonicClock.now < deadline else { throw BlockingSocket.Failure.timedOut("condition") }
      pause(.milliseconds(1))
    }
  }
}

extension String {
  fileprivate func components(after mark: String) -> String {
    ranges(of: mark).first.map { String(self[$0.upperBound...]) } ?? ""
  }
}
