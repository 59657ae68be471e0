import Core
import Host
import Support
import Testing

/// What a wire does to packets, seen by the kernel's sockets at its ends. Needs root.
@Suite(.serialized)
struct WireDatagramTests {
  private func arrivals(
    _ count: Int64, every interval: Nanoseconds = .microseconds(200), _ change: (inout WireSettings) -> Void
  ) throws -> (arrived: [(number: Int64, took: Nanoseconds)], traffic: WireTraffic) {
    var settings = WireSettings(delay: .milliseconds(10))
    change(&settings)
    let wire = try Wire(settings)
    let pair = try DatagramPair(wire)
    return (try pair.arrivals(of: count, every: interval), wire.traffic.toFar)
  }

  @Test func delayIsTheSameForAll() throws {
    let (arrived, _) = try arrivals(500) { _ in }
    #expect(arrived.map(\.number) == Array(0..<500))
    // Never sooner; later when the machine is busy, but not most of them.
    let times = arrived.map(\.took).sorted()
    #expect(times[0] >= .milliseconds(10) && times[250] < .milliseconds(14), "\(times[0].text) \(times[250].text)")
  }

  @Test func jitterSpreadsAndKeepsTheOrder() throws {
    let (arrived, _) = try arrivals(400, every: .milliseconds(1)) { $0.jitter = .milliseconds(4) }
    #expect(arrived.map(\.number) == Array(0..<400))
    let times = arrived.map(\.took).sorted()
    #expect(times[0] >= .milliseconds(6) && times[0] < .milliseconds(9), "\(times[0].text)")
    // A packet waits for those before it, so that most come late in the interval.
    #expect(times[200] > .milliseconds(10), "\(times[200].text)")
  }

  @Test func lossTakesItsShareAndNoMore() throws {
    let (arrived, traffic) = try arrivals(3_000) { $0.loss = 0.1 }
    let lost = 3_000 - arrived.count
    // 300 are expected; the seed is fixed, but the kernel may send packets of its own between.
    #expect((220...380).contains(lost), "\(lost)")
    #expect(abs(traffic.lost - lost) <= 3 && traffic.overflowed == 0)
    #expect(arrived.map(\.number) == arrived.map(\.number).sorted())
  }

  @Test func reorderedPacketsAreOvertakenByTheirFollowers() throws {
    let (arrived, _) = try arrivals(1_000) { $0.reordering = 0.1 }
    #expect(arrived.count == 1_000)
    let numbers = arrived.map(\.number)
    let late = zip(numbers, numbers.dropFirst()).filter { $0 > $1 }.count
    // One in ten is held back by 2 ms, which is ten of its followers.
    #expect((40...160).contains(late), "\(late)")
    #expect(numbers.sorted() == Array(0..<1_000))
  }

  @Test func nothingPassesACutWire() throws {
    let wire = try Wire(WireSettings(delay: .milliseconds(1)))
    let pair = try DatagramPair(wire)
    pair.send(1)
    #expect(pair.receive(atMost: .seconds(5)) == 1)
    wire.change { $0.isCut = true }
    pair.send(2)
    #expect(pair.receive(atMost: .milliseconds(100)) == nil)
    wire.change { $0.isCut = false }
    pair.send(3)
    #expect(pair.receive(atMost: .seconds(5)) == 3)
  }

  @Test func carriesIPv6() throws {
    let wire = try Wire(WireSettings(delay: .milliseconds(5)))
    let listener = try BlockingListener(on: #require(wire.farAddress6), in: wire.far)
    let start = MonotonicClock.now
    let client = try BlockingSocket(to: listener.address, from: wire.near)
    #expect(MonotonicClock.now.since(start) >= .milliseconds(10))
    let server = try listener.accept()
    try client.send("six")
    #expect(try server.receive(exactly: 3) == "six")
  }

  /// A middlebox that resets: the server's side of the flow is not told, and stays open.
  @Test func middleboxResetsOnlyTheSender() throws {
    var settings = WireSettings(delay: .milliseconds(1))
    settings.middlebox = MiddleboxSettings(memory: .milliseconds(200), answer: .reset)
    let wire = try Wire(settings)
    let listener = try BlockingListener(on: wire.farAddress, in: wire.far)
    let client = try BlockingSocket(to: listener.address, from: wire.near)
    let server = try listener.accept()
    try client.send("one")
    _ = try server.receive(exactly: 3)
    pause(.milliseconds(400))
    try client.send("two")
    #expect(try client.waitForEnd() == .failed(104))
    #expect(throws: BlockingSocket.Failure.timedOut("receive")) {
      _ = try server.receiveOnce(atMost: .milliseconds(100))
    }
    // A flow that begins anew is known again.
    let again = try BlockingSocket(to: listener.address, from: wire.near)
    try again.send("three")
    #expect(try listener.accept().receive(exactly: 5) == "three")
    #expect(wire.traffic.toFar.forgotten >= 1)
  }
}
