import Core
import Glibc
import Host
import Logging
import Support
import Synchronization
import Testing

/// What goes between the service manager and the proxy, without a service manager.
@Suite(.onThreads)
struct ServiceManagerTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  // MARK: Notifications

  @Test(arguments: [false, true]) func tellsHowItIs(isAbstract: Bool) throws {
    let path =
      isAbstract ? "@photofinish-test-\(getpid())-\(UInt64.random(in: 0..<UInt64.max))" : directory.path + "/notify"
    let manager = try DatagramReceiver(path: path)
    let notifier = try #require(try ServiceNotifier { $0 == "NOTIFY_SOCKET" ? path : nil })
    #expect(notifier.watchdogInterval == nil)
    notifier.ready("all\nwell")
    #expect(manager.receive() == ["READY=1", "STATUS=all well"])
    notifier.reloading()
    let reloading = try #require(manager.receive())
    #expect(reloading[0] == "RELOADING=1")
    let microseconds = try #require(reloading[1].hasPrefix("MONOTONIC_USEC=") ? Int64(reloading[1].dropFirst(15)) : nil)
    #expect(abs(MonotonicClock.now.nanoseconds / 1_000 - microseconds) < 60_000_000)
    notifier.stopping("bye")
    #expect(manager.receive() == ["STOPPING=1", "STATUS=bye"])
    notifier.replaced(by: 42)
    #expect(manager.receive() == ["MAINPID=42"])
    notifier.stopping("not its business any more")
    #expect(manager.receive(atMost: .milliseconds(50)) == nil)
  }

  @Test func saysNothingWhenNobodyAsks() throws {
    #expect(try ServiceNotifier { _ in nil } == nil)
    #expect(throws: SystemError.self) {
      try ServiceNotifier { $0 == "NOTIFY_SOCKET" ? directory.path + "/nobody" : nil }
    }
  }

  @Test(arguments: [(nil, true), ("\(getpid())", true), ("1", false)] as [(String?, Bool)])
  func theWatchdogIsForTheProcessThatItNames(_ process: String?, _ isMeant: Bool) throws {
    let path = directory.path + "/notify"
    let manager = try DatagramReceiver(path: path)
    let variables = ["NOTIFY_SOCKET": path, "WATCHDOG_USEC": "200000", "WATCHDOG_PID": process]
    let notifier = try #require(try ServiceNotifier { variables[$0] ?? nil })
    #expect(notifier.watchdogInterval == (isMeant ? .milliseconds(200) : nil))
    let isAlive = Mutex(true)
    let silences = Mutex(0)
    let box = Flag(isAlive, silences)
    try notifier.watch({ _ in box.isAlive.withLock { $0 } }, whenNot: { box.silences.withLock { $0 += 1 } })
    guard isMeant else {
      #expect(manager.receive(atMost: .milliseconds(300)) == nil)
      return
    }
    for _ in 0..<3 { #expect(manager.receive() == ["WATCHDOG=1"]) }
    box.isAlive.withLock { $0 = false }
    #expect(eventually(atMost: .seconds(20)) { box.silences.withLock { $0 } > 0 })
    while manager.receive(atMost: .milliseconds(1)) != nil {}
    #expect(manager.receive(atMost: .milliseconds(400)) == nil, "no sign of life of what does not live")
    notifier.replaced(by: 1)
  }

  private final class Flag: Sendable {
    let isAlive: Mutex<Bool>
    let silences: Mutex<Int>
    init(_ isAlive: consuming sending Mutex<Bool>, _ silences: consuming sending Mutex<Int>) {
      self.isAlive = isAlive
      self.silences = silences
    }
  }

  @Test func aProxyThatTurnsIsAlive() throws {
    try story(answering: { _ in "" }) { proxy, _ in
      #expect(proxy.proxy.isAlive(atMost: .seconds(20)))
      proxy.drain(atMost: .seconds(20))
      #expect(proxy.proxy.isAlive(atMost: .seconds(20)), "workers that have ended in order are not dead")
    }
  }

  // MARK: Sockets

  /// A listener under a number of its own, as it would be passed.
  private static func passed(_ listener: BlockingListener, as number: Int32) {
    #expect(dup2(listener.number, number) == number)
  }

  @Test func servesSocketsThatWerePassed() throws {
    let listener = try BlockingListener()
    let other = try BlockingListener()
    let first: Int32 = 900
    Self.passed(listener, as: first)
    Self.passed(other, as: first + 1)
    let variables = ["LISTEN_FDS": "2", "LISTEN_PID": "\(getpid())", "LISTEN_FDNAMES": "http:other"]
    let inherited = try ServiceSockets.take({ variables[$0] }, first: first)
    #expect(inherited.map(\.listen) == [.inherited(name: "http"), .inherited(name: "other")])
    let load = try ContinuousLoad()
    defer { load.server.stop() }
    var settings = ProxySettings()
    settings.listeners = [ListenerSettings(.inherited(name: "http"))]
    settings.upstream.origins = [load.server.origin]
    settings.threads = 2
    let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let proxy = try Proxy(settings: settings, log: log, accessLog: nil, inherited: inherited)
    #expect(proxy.addresses == [listener.address])
    #expect(try BlockingSocket(to: listener.address).get().status == 200)
    // The other one by a reload, and one that there is not.
    var both = settings
    both.listeners.append(ListenerSettings(.inherited(name: "other")))
    _ = try proxy.reload(both)
    #expect(try BlockingSocket(to: other.address).get().status == 200)
    var wrong = settings
    wrong.listeners = [ListenerSettings(.inherited(name: "https"))]
    let error = #expect(throws: Proxy.StartError.self) { try proxy.reload(wrong) }
    #expect(
      error?.description
        == "cannot listen on systemd:https: the service manager has passed no socket of that name, but systemd:http, systemd:other; set FileDescriptorName=https in the .socket unit"
    )
    proxy.drain(atMost: .seconds(60))
    // The service manager holds them still: who comes now waits for the next start.
    let waiting = try BlockingSocket(to: listener.address)
    try waiting.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    #expect(try waiting.staysQuiet(for: .milliseconds(100)))
    let next = try Proxy(settings: settings, log: log, accessLog: nil, inherited: inherited)
    #expect(try waiting.receiveResponse(atMost: .seconds(20)).status == 200)
    next.stop()
  }

  @Test(arguments: [
    ["LISTEN_FDS": "1", "LISTEN_PID": "1"], ["LISTEN_FDS": "1"], [:],
  ])
  func socketsOfOthersAreNotTaken(_ variables: [String: String]) throws {
    #expect(try ServiceSockets.take { variables[$0] }.isEmpty)
  }

  @Test func whatIsNoListenerIsRefused() throws {
    let listener = try BlockingListener()
    let client = try BlockingSocket(to: listener.address)
    #expect(dup2(client.number, 910) == 910)
    let variables = ["LISTEN_FDS": "1", "LISTEN_PID": "\(getpid())", "LISTEN_FDNAMES": "http"]
    let error = #expect(throws: ServiceSockets.Failure.self) { try ServiceSockets.take({ variables[$0] }, first: 910) }
    #expect(
      error?.description.hasPrefix("the socket 'http' of the service manager is no listening stream socket") == true)
    let many = ["LISTEN_FDS": "many", "LISTEN_PID": "\(getpid())"]
    #expect(throws: ServiceSockets.Failure.self) { try ServiceSockets.take { many[$0] } }
  }
}
