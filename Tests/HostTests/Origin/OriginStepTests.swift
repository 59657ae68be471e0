import Core
import Host
import Support
import Synchronization
import Testing

/// Connections that follow a script step by step.
final class OriginStepTests {
  private static let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
  private static let post = "POST / HTTP/1.1\r\nHost: a\r\nX-Race-Id: 7\r\nContent-Length: 3\r\n\r\nabc"

  /// An origin lives as long as somebody holds it.
  private var origins: [Origin] = []

  private func origin(_ text: String, watcher: (@Sendable (OriginEvent) -> Void)? = nil) throws -> Origin {
    let origin = try Origin.start(OriginScript(file: text, named: "test", verbs: []), watcher: watcher)
    origins.append(origin)
    return origin
  }

  private func client(_ text: String) throws -> BlockingSocket { try BlockingSocket(to: origin(text).address) }

  @Test func readsRespondsWaitsAndCloses() throws {
    let client = try client("accept read respond wait=150ms fin")
    try client.send(Self.get)
    #expect(try client.receive(through: "ok\n").hasPrefix("HTTP/1.1 200 OK\r\n"))
    let start = MonotonicClock.now
    #expect(try client.waitForEnd() == .endOfStream)
    #expect(MonotonicClock.now.since(start) >= .milliseconds(140))
  }

  @Test func resetsAfterItHasRead() throws {
    let origin = try origin("read rst")
    let client = try BlockingSocket(to: origin.address)
    try client.send(Self.post)
    #expect(try client.waitForEnd() == .failed(104))
    #expect(origin.ledger.map(\.id) == ["7"] && origin.ledger[0].answer == .read)
  }

  @Test func leavesARequestUnread() throws {
    let origin = try origin("unread fin")
    let client = try BlockingSocket(to: origin.address)
    try client.send(Self.post)
    // The kernel answers with a RST, since bytes were in the buffer.
    #expect(try client.waitForEnd() == .failed(104))
    #expect(origin.ledger.isEmpty && origin.counters.requests == 0)
  }

  @Test func whatCameWhileItWaitedIsReadLater() throws {
    let client = try client("wait=150ms read respond fin")
    try client.send(Self.get)
    #expect(try client.receiveAll().hasSuffix("ok\n"))
  }

  /// An upload that nobody reads while the head of the answer leaves slowly: it waits in the kernel, and is read when its turn comes.
  @Test func aLargeUploadWaitsForItsStep() throws {
    let told = Mutex<[String]>([])
    let origin = try origin("head-pause=1ms read=head respond=201 read respond=202 fin") { event in
      told.withLock { $0.append(event.text) }
    }
    let client = try BlockingSocket(to: origin.address)
    let count = 6_000_000
    try client.send(
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(count)\r\n\r\n" + String(repeating: "x", count: count))
    let answers = try client.receiveAll()
    #expect(
      answers.hasPrefix("HTTP/1.1 201 Scripted\r\n") && answers.contains("HTTP/1.1 202 Scripted\r\n"), "\(answers)")
    #expect(answers.hasSuffix("ok\n"))
    let texts = told.withLock { $0 }
    #expect(texts.contains { $0.hasPrefix("leaves unread what the peer sends") }, "\(texts)")
  }

  @Test func readsTheHeadAndThenTheBody() throws {
    let origin = try origin("read=head say=HTTP/1.1\\x20103\\x20Early\\r\\n\\r\\n read respond=201 fin")
    let client = try BlockingSocket(to: origin.address)
    try client.send(String(Self.post.dropLast(3)))
    #expect(try client.receive(through: "\r\n\r\n") == "HTTP/1.1 103 Early\r\n\r\n")
    #expect(origin.ledger.isEmpty)
    try client.send("abc")
    #expect(try client.receiveAll().hasPrefix("HTTP/1.1 201 "))
    #expect(origin.ledger.map(\.id) == ["7"])
  }

  @Test func saysWhatIsNotHTTP() throws {
    let client = try client(#"say="hello there\r\n\x00" fin"#)
    #expect(try client.receiveAll() == "hello there\r\n\0")
  }

  @Test func answersUnasked() throws {
    let client = try client("respond fin")
    #expect(try client.receiveAll().hasPrefix("HTTP/1.1 200 "))
  }

  @Test func saysFarewell() throws {
    let origin = try origin("read respond farewell fin")
    let client = try BlockingSocket(to: origin.address)
    try client.send(Self.get)
    let text = try client.receiveAll()
    #expect(text.hasPrefix("HTTP/1.1 200 ") && text.contains("ok\nHTTP/1.1 408 "))
    #expect(origin.counters.farewells == 1)
  }

  @Test func halfClosesAndReadsOn() throws {
    let origin = try origin("read respond half-close read wait=10s")
    let client = try BlockingSocket(to: origin.address)
    try client.send(Self.get)
    #expect(try client.receiveAll().hasSuffix("ok\n"))
    try client.send(Self.post)
    try waitUntil { origin.ledger.count == 1 }
  }

  @Test func repeats() throws {
    let client = try client("read respond repeat=2 read respond=503 fin")
    for _ in 0..<3 {
      try client.send(Self.get)
      #expect(try client.receive(through: "ok\n").hasPrefix("HTTP/1.1 200 "))
    }
    try client.send(Self.get)
    #expect(try client.receiveAll().hasPrefix("HTTP/1.1 503 "))
  }

  @Test func repeatsWithoutEndAndWithoutStack() throws {
    let client = try client("read respond repeat")
    let count = 3_000
    try client.send(String(repeating: Self.get, count: count))
    client.shutdownWriting()
    // The peer has ended by then, and so every request was there.
    #expect(try client.receiveAll(atMost: .seconds(20)).ranges(of: "ok\n").count == count)
  }

  @Test func servesAsUsualBehindTheLastStep() throws {
    let client = try client("idle=150ms read respond=500")
    try client.send(Self.get)
    _ = try client.receive(through: "ok\n")
    try client.send(Self.get)
    #expect(try client.receive(through: "ok\n").hasPrefix("HTTP/1.1 200 "))
    #expect(try client.waitForEnd() == .endOfStream)
  }

  @Test func connectionsHaveSectionsOfTheirOwn() throws {
    let origin = try origin(
      """
      # the first is reset, the next two get a 503, all others are served
      1: read rst
      2-3: read respond=503 fin
      """)
    var ends: [String] = []
    for _ in 0..<4 {
      let client = try BlockingSocket(to: origin.address)
      try client.send("GET / HTTP/1.0\r\n\r\n")
      do { ends.append(String(try client.receiveAll().prefix(12))) } catch { ends.append("\(error)") }
    }
    #expect(ends == ["receive: Connection reset by peer", "HTTP/1.1 503", "HTTP/1.1 503", "HTTP/1.1 200"])
  }

  @Test func dies() throws {
    let origin = try origin("1: read respond wait=10s\n2: read die")
    let other = try BlockingSocket(to: origin.address)
    try other.send(Self.get)
    _ = try other.receive(through: "ok\n")
    let client = try BlockingSocket(to: origin.address)
    try client.send(Self.post)
    #expect(try client.waitForEnd() == .endOfStream)
    #expect(try other.waitForEnd() == .endOfStream)
    // Nobody listens any more.
    #expect(throws: BlockingSocket.Failure.failed("connect", 111)) { _ = try BlockingSocket(to: origin.address) }
    #expect(origin.ledger.map(\.id) == ["7"])
  }

  @Test(arguments: [("smtp", "220 "), ("http2", "\0\0\0\u{4}"), ("redis", "-ERR")])
  func otherLanguages(language: String, beginning: String) throws {
    let client = try client("speaks=\(language)")
    try client.send(Self.get)
    #expect(try client.receiveAll().hasPrefix(beginning))
  }

  @Test func tellsWhatItDoes() throws {
    let events = Events()
    let origin = try origin("read respond wait=10ms rst", watcher: { event in events.add(event) })
    let client = try BlockingSocket(to: origin.address)
    try client.send(Self.post)
    _ = try? client.waitForEnd()
    try waitUntil { events.texts.contains("aborts: RST") }
    #expect(events.texts.first?.hasPrefix("accepted from 127.0.0.1:") == true)
    #expect(
      Array(events.texts.dropFirst()) == ["read POST / (7)", "responds 200", "waits 10ms", "aborts: RST"])
  }

  // MARK: Words

  @Test(arguments: [
    ("hafl-close", "hafl-close: is not a verb that the origin knows; did you mean half-close?"),
    ("idel=2s", "did you mean idle?"), ("frobnicate", "photofinish origin --help lists them"),
    ("at-idle=abrot", "did you mean abort? choose one of close, abort,"),
    ("idle=2", "idle=2: '2' has no unit"), ("idle", "is a setting without a value; write idle=VALUE"),
    ("wait", "has no time; write for instance wait=2s"), ("respond=99", "give one from 200 to 599"),
    ("fin=1", "takes no value"), ("read=body", "write read or read=head"), ("say=", "has no text"),
    ("say=\\q", "has an escape that is not known"), ("0:", "names no connections"), ("3-2:", "names no connections"),
    ("fin read", "read: can never be reached"), ("respond repeat", "has no read to go back to"),
    ("a=b", "is not a verb that the origin knows"), ("say='x", "has a quote that does not end"),
  ])
  func wrongWordsAreNamed(text: String, words: String) {
    do throws(OriginScript.VerbError) {
      _ = try OriginScript(file: "\n" + text, named: "file", verbs: [])
      Issue.record("'\(text)' was accepted")
    } catch {
      #expect("\(error)".hasPrefix("file:2: ") && "\(error)".contains(words), "\(error)")
    }
  }

  @Test func everyWordOfTheHelpIsKnown() throws {
    for words in ["accept", "read", "read=head", "respond", "respond=503", "wait=2s", "unread", "say=x", "farewell"] {
      _ = try OriginScript(verbs: [words])
    }
    for verbs in [["half-close"], ["fin"], ["rst"], ["die"], ["read", "repeat"], ["read", "repeat=3", "fin"]] {
      _ = try OriginScript(verbs: verbs)
    }
    for line in OriginScript.help.split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
  }

  private func waitUntil(_ condition: () -> Bool) throws {
    let deadline = MonotonicClock.now.advanced(by: .seconds(20))
    while !condition() {
      guard MonotonicClock.now < deadline else { throw BlockingSocket.Failure.timedOut("condition") }
      pause(.milliseconds(1))
    }
  }
}

/// What an origin's watcher was told, from its thread.
private final class Events: Sendable {
  private let list = Mutex<[OriginEvent]>([])
  func add(_ event: OriginEvent) { list.withLock { $0.append(event) } }
  var texts: [String] { list.withLock { $0.map(\.text) } }
}
