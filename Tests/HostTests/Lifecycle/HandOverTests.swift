import Analysis
import Core
import Glibc
import Host
import Support
import Testing

/// One process after the other behind the same sockets.
@Suite(.onThreads)
struct HandOverTests {
  private let directory: TemporaryDirectory
  private var path: String { directory.path + "/control" }

  init() throws { directory = try TemporaryDirectory() }

  private func settings(_ origin: OriginAddress, threads: Int = 1) -> ProxySettings {
    var settings = ProxySettings()
    settings.listeners = [ListenerSettings(.tcp(host: "127.0.0.1", port: 0))]
    settings.upstream.origins = [origin]
    settings.threads = threads
    settings.timeouts.drainGrace = .seconds(20)
    return settings
  }

  private static func isRefused(_ address: SocketAddress) -> Bool {
    do {
      _ = try BlockingSocket(to: address)
      return false
    } catch {
      return true
    }
  }

  // MARK: Under load

  /// The same number of threads, fewer, and more.
  @Test(arguments: [[2, 2, 2], [3, 1, 2], [1, 3, 1]])
  func nothingIsLostOrRefusedOrAppliedTwice(threads: [Int]) throws {
    let load = try ContinuousLoad()
    var current = try Generation(settings(load.server.origin, threads: threads[0]), control: path)
    let address = current.proxy.addresses[0]
    for index in 0..<3 { try load.start(to: address, pipelining: 1 + index * 3, persists: true, name: "kept\(index)") }
    for index in 0..<2 { try load.start(to: address, pipelining: 1, persists: false, name: "new\(index)") }
    for next in threads.dropFirst() {
      let before = load.answered
      #expect(eventually(atMost: .seconds(30)) { load.answered > before + 300 })
      let successor = try Generation(
        settings(load.server.origin, threads: next), control: path, from: Predecessor(controlPath: path))
      #expect(successor.proxy.addresses == [address])
      #expect(current.ends(), "the old one serves its last request to each client and ends")
      current = successor
    }
    let before = load.answered
    #expect(eventually(atMost: .seconds(30)) { load.answered > before + 300 })
    let tally = load.stop()
    #expect(tally.failures.isEmpty)
    #expect(load.appliedTwice.isEmpty)
    #expect(load.appliedCount == tally.answered)
    #expect(tally.repeated == 0, "requests that had come were not served")
    #expect(current.drain())
  }

  @Test func reloadsOneAfterTheOtherLoseNothing() throws {
    let load = try ContinuousLoad()
    let current = try Generation(settings(load.server.origin, threads: 2), control: path)
    let address = current.proxy.addresses[0]
    for index in 0..<3 { try load.start(to: address, pipelining: 1 + index * 3, persists: true, name: "kept\(index)") }
    try load.start(to: address, pipelining: 1, persists: false, name: "new")
    var number = 0
    while load.answered < 3_000 {
      number += 1
      var other = current.proxy.settings
      // What is open stays open, whatever changes.
      other.timeouts.clientIdle = .seconds(60 + Int64(number % 5))
      other.upstream.pool.idleAge = .seconds(30 + Int64(number % 3))
      if number % 2 == 0 {
        other.listeners.append(ListenerSettings(.tcp(host: "127.0.0.2", port: 0)))
      } else {
        other.listeners = [other.listeners[0]]
      }
      _ = try current.proxy.reload(other)
      pause(.milliseconds(5))
    }
    let tally = load.stop()
    #expect(number > 3 && current.proxy.generation == UInt64(number))
    #expect(tally.failures.isEmpty)
    #expect(tally.connects < tally.answered, "connections are kept")
    #expect(load.appliedTwice.isEmpty)
    #expect(load.appliedCount == tally.answered)
    #expect(current.drain())
  }

  /// Whoever is connected is answered until it is told that this was the last answer, and nobody is reset.
  @Test(arguments: [1, 3]) func aDrainLosesNothing(threads: Int) throws {
    let load = try ContinuousLoad()
    var wanted = settings(load.server.origin, threads: threads)
    wanted.timeouts.drainGrace = .seconds(2)
    let current = try Generation(wanted, control: path)
    let address = current.proxy.addresses[0]
    for index in 0..<3 { try load.start(to: address, pipelining: 1 + index * 3, persists: true, name: "kept\(index)") }
    for index in 0..<2 { try load.start(to: address, pipelining: 1, persists: false, name: "new\(index)") }
    #expect(eventually(atMost: .seconds(30)) { load.answered > 500 })
    load.expectRefusal()
    #expect(current.drain())
    #expect(load.ends())
    let tally = load.stop()
    #expect(tally.failures.isEmpty)
    #expect(load.appliedTwice.isEmpty)
    #expect(load.appliedCount == tally.answered)
    #expect(Self.isRefused(address))
  }

  // MARK: Step by step

  /// They were in the kernel's queue, and nobody had taken them.
  @Test func whoWaitsInTheQueueIsServedByTheNewOne() throws {
    let load = try ContinuousLoad()
    defer { load.server.stop() }
    var few = settings(load.server.origin)
    few.limits.clientConnections = 1
    let old = try Generation(few, control: path)
    let address = old.proxy.addresses[0]
    let first = try BlockingSocket(to: address)
    _ = try first.get()
    var waiting: [BlockingSocket] = []
    for _ in 0..<10 { waiting.append(try BlockingSocket(to: address)) }
    for client in waiting { try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n") }
    let new = try Generation(settings(load.server.origin), control: path, from: Predecessor(controlPath: path))
    for client in waiting { #expect(try client.receiveResponse(atMost: .seconds(20)).status == 200) }
    #expect(try first.get()["Connection"] == "close", "the old one serves a last request")
    #expect(old.ends())
    #expect(try waiting[0].get()["Connection"] != "close")
    // Idle ones would be kept for the grace.
    waiting = []
    #expect(new.drain())
    #expect(Self.isRefused(address))
  }

  @Test func aSuccessorThatDoesNotComeUpChangesNothing() throws {
    let load = try ContinuousLoad()
    defer { load.server.stop() }
    let old = try Generation(settings(load.server.origin, threads: 2), control: path)
    let address = old.proxy.addresses[0]
    do {
      let predecessor = try Predecessor(controlPath: path)
      #expect(predecessor.listeners.map(\.address) == [address])
      let error = #expect(throws: Proxy.StartError.self) { try old.proxy.reload(old.proxy.settings) }
      #expect(error?.description == "another process is taking over at the moment; give it the settings")
      let second = #expect(throws: ControlChannel.Failure.self) { try Predecessor(controlPath: path) }
      #expect(second?.description == "another process is taking over at the moment; wait for it")
    }
    #expect(eventually { (try? old.proxy.reload(old.proxy.settings)) != nil })
    #expect(try BlockingSocket(to: address).get().status == 200)
    #expect(old.drain())
    #expect(Self.isRefused(address), "the sockets are its own again, and close")
  }

  @Test func whatIsNotTakenIsClosedInOrder() throws {
    let load = try ContinuousLoad()
    defer { load.server.stop() }
    var two = settings(load.server.origin)
    two.listeners.append(ListenerSettings(.tcp(host: "127.0.0.2", port: 0)))
    let old = try Generation(two, control: path)
    let addresses = old.proxy.addresses
    let new = try Generation(settings(load.server.origin), control: path, from: Predecessor(controlPath: path))
    #expect(old.ends())
    #expect(new.proxy.addresses == [addresses[0]])
    #expect(Self.isRefused(addresses[1]))
    #expect(try BlockingSocket(to: addresses[0]).get().status == 200)
    #expect(new.drain())
  }

  @Test func aSocketFileIsHandedOnAndRemovedByTheLast() throws {
    let load = try ContinuousLoad()
    defer { load.server.stop() }
    var unix = settings(load.server.origin, threads: 2)
    let file = directory.path + "/http"
    unix.listeners = [ListenerSettings(.unix(path: file))]
    let old = try Generation(unix, control: path)
    let before = SocketFile(file)
    let new = try Generation(unix, control: path, from: Predecessor(controlPath: path))
    #expect(old.ends())
    #expect(SocketFile(file) == before && before != nil)
    #expect(try BlockingSocket(to: SocketAddress(.unix(path: file))).get().status == 200)
    #expect(new.drain())
    #expect(SocketFile(file) == nil)
  }

  @Test func theControlPathGoesFromOneToTheNext() throws {
    let load = try ContinuousLoad()
    defer { load.server.stop() }
    let old = try Generation(settings(load.server.origin), control: path)
    let before = SocketFile(path)
    let new = try Generation(settings(load.server.origin), control: path, from: Predecessor(controlPath: path))
    #expect(old.ends())
    #expect(SocketFile(path) != nil && SocketFile(path) != before)
    let status = try ControlChannel(path: path).ask(.object([("do", .string("status"))]), atMost: .seconds(20))
    #expect(status["state"]?.string == "serving")
    #expect(new.drain())
    #expect(SocketFile(path) == nil)
  }

  @Test func addressesAreKnownHoweverTheyAreWritten() throws {
    let load = try ContinuousLoad()
    defer { load.server.stop() }
    let old = try Generation(settings(load.server.origin), control: path)
    let port = old.proxy.addresses[0].port
    let predecessor = try Predecessor(controlPath: path)
    let listener = predecessor.listeners[0]
    #expect(listener.serves(.tcp(host: "127.0.0.1", port: port)))
    #expect(listener.serves(.tcp(host: "127.0.0.1", port: 0)), "as the settings of both have it")
    #expect(!listener.serves(.tcp(host: "127.0.0.2", port: port)))
    #expect(!listener.serves(.tcp(host: "", port: port)))
    #expect(!listener.serves(.unix(path: "/x")))
    #expect(old.drain())
  }
}
