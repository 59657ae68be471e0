import Core
import Host
import Support
import Testing

/// Needs root: these tests make network namespaces. Without it they fail with the wire's own message.
@Suite(.serialized)
struct WireTests {
  @Test func connectTakesTwiceTheDelay() throws {
    let wire = try Wire(WireSettings(delay: .milliseconds(10)))
    let listener = try BlockingListener(on: wire.farAddress, in: wire.far)
    var times: [Nanoseconds] = []
    for _ in 0..<20 {
      let start = MonotonicClock.now
      let connection = try BlockingSocket(to: listener.address, from: wire.near)
      times.append(MonotonicClock.now.since(start))
      connection.close()
    }
    let shortest = times.min()!
    #expect(shortest >= .milliseconds(20) && shortest < .microseconds(21_500), "\(times)")
    print("connect over a 10 ms wire: shortest \(shortest.text), median \(times.sorted()[10].text)")
  }

  @Test func bytesCrossWhole() throws {
    let wire = try Wire(WireSettings(delay: .milliseconds(1)))
    let listener = try BlockingListener(on: wire.farAddress, in: wire.far)
    let client = try BlockingSocket(to: listener.address, from: wire.near)
    let server = try listener.accept()
    let text = (0..<20_000).map { "\($0)," }.joined()
    try client.send(text)
    client.shutdownWriting()
    #expect(try server.receiveAll() == text)
    let traffic = wire.traffic
    #expect(traffic.toFar.bytes > text.utf8.count && traffic.toNear.packets > 0)
    #expect(traffic.toFar.lost == 0 && traffic.toFar.overflowed == 0)
  }

  @Test func namespacesAreApart() throws {
    let wire = try Wire(WireSettings(delay: .zero))
    let listener = try BlockingListener(on: wire.farAddress, in: wire.far)
    // Outside the wire nobody listens there, and its loopback is its own.
    #expect(throws: (any Error).self) {
      _ = try BlockingSocket(
        to: SocketAddress(.ipv4(0x7f00_0001, port: listener.address.port)), from: wire.far, atMost: .milliseconds(200))
    }
    _ = try BlockingSocket(to: listener.address, from: wire.far)
    _ = try BlockingSocket(to: listener.address, from: wire.near)
  }

  @Test func lossIsRepairedByTheKernel() throws {
    var settings = WireSettings(delay: .milliseconds(1))
    settings.loss = 0.05
    settings.reordering = 0.05
    settings.jitter = .microseconds(300)
    let wire = try Wire(settings)
    let listener = try BlockingListener(on: wire.farAddress, in: wire.far)
    let client = try BlockingSocket(to: listener.address, from: wire.near, atMost: .seconds(20))
    let server = try listener.accept(atMost: .seconds(20))
    let text = String(repeating: "0123456789abcdef", count: 512)
    // Piece by piece: what is not read yet must fit into the kernels' buffers.
    for _ in 0..<20 {
      try client.send(text)
      #expect(try server.receive(exactly: text.utf8.count, atMost: .seconds(20)) == text)
    }
    #expect(wire.traffic.toFar.lost > 0)
  }

  @Test func cutWireCarriesNothing() throws {
    let wire = try Wire(WireSettings(delay: .milliseconds(1)))
    let listener = try BlockingListener(on: wire.farAddress, in: wire.far)
    let client = try BlockingSocket(to: listener.address, from: wire.near)
    let server = try listener.accept()
    wire.change { $0.isCut = true }
    try client.send("late")
    #expect(throws: BlockingSocket.Failure.timedOut("receive")) {
      _ = try server.receiveOnce(atMost: .milliseconds(100))
    }
    wire.change { $0.isCut = false }
    #expect(try server.receive(exactly: 4) == "late")
  }

  @Test(arguments: [MiddleboxSettings.Answer.silence, .reset])
  func middleboxForgetsQuietFlows(answer: MiddleboxSettings.Answer) throws {
    var settings = WireSettings(delay: .milliseconds(1))
    settings.middlebox = MiddleboxSettings(memory: .milliseconds(150), answer: answer)
    let wire = try Wire(settings)
    let listener = try BlockingListener(on: wire.farAddress, in: wire.far)
    let client = try BlockingSocket(to: listener.address, from: wire.near)
    let server = try listener.accept()
    try client.send("one")
    #expect(try server.receive(exactly: 3) == "one")
    #expect(throws: BlockingSocket.Failure.timedOut("receive")) {
      _ = try client.receiveOnce(atMost: .milliseconds(250))
    }
    try client.send("two")
    switch answer {
    case .reset: #expect(try client.receiveOnce(atMost: .seconds(1)) == .failed(104))
    case .silence:
      #expect(throws: BlockingSocket.Failure.timedOut("receive")) {
        _ = try client.receiveOnce(atMost: .milliseconds(300))
      }
    }
    #expect(throws: BlockingSocket.Failure.timedOut("receive")) {
      _ = try server.receiveOnce(atMost: .milliseconds(50))
    }
  }

  @Test func programsRunInANamespace() throws {
    let wire = try Wire(WireSettings(delay: .milliseconds(5)))
    let program = try ChildProcess(
      ["sh", "-c", "ip -o addr show dev wire | grep -q 10.77.0.2/30"], in: wire.far, output: .discarded)
    #expect(program.wait(atMost: .seconds(10)) == 0)
    let sleeper = try ChildProcess(["sleep", "1000"], in: wire.near)
    #expect(sleeper.status == nil)
    #expect(sleeper.end() == 143)
    #expect(throws: ChildProcess.Failure.self) { _ = try ChildProcess(["photofinish-no-such-program"]) }
  }
}
