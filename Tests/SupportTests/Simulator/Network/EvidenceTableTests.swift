import Core
import Simulator
import Testing

/// The rows of the evidence table, as they were measured on Linux through a path with 20 ms one-way delay, must come out
/// of the simulated TCP: otherwise the simulation would prove nothing.
struct EvidenceTableTests {
  /// What one row of the table shows.
  struct Shown: Equatable {
    var response = false
    var endOfFile = false
    var error: SocketFailure?
    var ackedMovedAtEnd = false
    var ackedMovedLater = false
    var read = false
  }

  @Test("close while idle, its FIN crosses the request", arguments: [0, 40])
  func finCrossesRequest(delayedAcknowledgment: Int64) {
    var race = Race(delayedAcknowledgment: .milliseconds(delayedAcknowledgment))
    let shown = race.run(sendAfter: 10, atOnce: { network, server in network.close(server) })
    #expect(shown == Shown(endOfFile: true, error: .brokenPipe))
  }

  @Test("read the request, then close unanswered", arguments: [0, 40])
  func readThenClose(delayedAcknowledgment: Int64) {
    var race = Race(delayedAcknowledgment: .milliseconds(delayedAcknowledgment))
    let shown = race.run(whenRequestArrives: { network, server in
      Race.readAll(&network, server)
      network.close(server)
    })
    #expect(shown == Shown(endOfFile: true, ackedMovedAtEnd: true, ackedMovedLater: true, read: true))
  }

  @Test("shutdown(SHUT_WR) while idle, then read on", arguments: [0, 40])
  func halfCloseThenRead(delayedAcknowledgment: Int64) {
    var race = Race(delayedAcknowledgment: .milliseconds(delayedAcknowledgment))
    let shown = race.run(
      sendAfter: 10,
      atOnce: { network, server in network.shutdownWrite(server) },
      whenRequestArrives: { network, server in Race.readAll(&network, server) })
    #expect(shown == Shown(endOfFile: true, ackedMovedLater: true, read: true))
  }

  @Test("close with the request unread in the buffer")
  func closeWithUnreadRequest() {
    var race = Race(delayedAcknowledgment: .zero)
    let shown = race.run(whenRequestArrives: { network, server in network.close(server) })
    #expect(shown == Shown(error: .connectionReset, ackedMovedAtEnd: true, ackedMovedLater: true))
  }

  @Test("read it, then abort before the kernel's acknowledgement left")
  func readThenAbort() {
    var race = Race(delayedAcknowledgment: .milliseconds(40))
    let shown = race.run(whenRequestArrives: { network, server in
      Race.readAll(&network, server)
      network.abort(server)
    })
    #expect(shown == Shown(error: .connectionReset, read: true))
  }

  @Test("abort while idle, its RST crosses the request")
  func abortCrossesRequest() {
    var race = Race(delayedAcknowledgment: .milliseconds(40))
    let shown = race.run(sendAfter: 10, atOnce: { network, server in network.abort(server) })
    #expect(shown == Shown(error: .connectionReset))
  }

  @Test("a farewell 408 and close cross the request", arguments: [0, 40])
  func farewellCrossesRequest(delayedAcknowledgment: Int64) {
    var race = Race(delayedAcknowledgment: .milliseconds(delayedAcknowledgment))
    let shown = race.run(
      sendAfter: 10,
      atOnce: { network, server in
        _ = network.write(server, count: 80, tag: Race.farewell)
        network.close(server)
      })
    #expect(shown == Shown(response: true, endOfFile: true, error: .brokenPipe))
  }

  @Test("on loopback the FIN lies unread in our socket when we write")
  func finUnreadAtWrite() {
    var race = Race(oneWayDelay: .microseconds(15), delayedAcknowledgment: .milliseconds(40))
    let shown = race.run(sendAfter: 1, atOnce: { network, server in network.close(server) })
    #expect(shown == Shown(endOfFile: true, error: .brokenPipe))
  }

  @Test("power cut while idle: no FIN, and a RST answers the request")
  func vanishedServer() {
    var race = Race(delayedAcknowledgment: .zero)
    let shown = race.run(sendAfter: 10, atOnce: { network, server in network.vanish(server) })
    #expect(shown == Shown(error: .connectionReset))
  }

  @Test("the FIN is lost: the RST meets an open connection")
  func lostFinish() {
    var race = Race(delayedAcknowledgment: .zero)
    let shown = race.run(
      sendAfter: 10,
      atOnce: { network, server in
        network.path.blackoutStart = network.now
        network.path.blackoutEnd = network.now.advanced(by: .microseconds(1))
        network.close(server)
      })
    #expect(shown == Shown(error: .connectionReset))
  }

  /// The one row that no evidence tells from a crossing FIN: a server that half-closes, reads on, and closes before its
  /// kernel acknowledges what it read. The acknowledgement is forgotten, and the RST is one for the bytes left unread.
  @Test("half-closed, read in part and closed before the acknowledgement left")
  func halfCloseThenCloseWithUnread() {
    var race = Race(delayedAcknowledgment: .milliseconds(40))
    let shown = race.run(
      sendAfter: 10,
      atOnce: { network, server in network.shutdownWrite(server) },
      whenRequestArrives: { network, server in
        _ = network.read(server, limit: 10)
        network.close(server)
      })
    #expect(shown == Shown(endOfFile: true, error: .brokenPipe, read: true))
  }
}

/// A connection that has carried one exchange, and what happens to the second request on it.
private struct Race {
  static let request: Int32 = 1
  static let farewell: Int32 = 99
  static let requestBytes: Int32 = 52

  private var network: Network
  private let proxy: EndpointID
  private let server: EndpointID
  private var serverReads = true

  init(oneWayDelay: Nanoseconds = .milliseconds(20), delayedAcknowledgment: Nanoseconds) {
    var path = Path(oneWayDelay: oneWayDelay)
    path.delayedAcknowledgment = delayedAcknowledgment
    network = Network(path: path, random: RandomSource(seed: 1))
    let connection = network.connect()
    proxy = EndpointID(connection, .proxy)
    server = EndpointID(connection, .server)
    settle()
    #expect(network.notices == [.connected(0), .accepted(0)])
    #expect(network.write(proxy, count: Self.requestBytes, tag: 0) == nil)
    settle()
    Self.readAll(&network, server)
    #expect(network.write(server, count: 100, tag: 10) == nil)
    settle()
    #expect(network.read(proxy) == .bytes(count: 100, tag: 10, isLast: true))
    #expect(network[proxy].bytesAcked == Int64(Self.requestBytes) + 1)
    network.notices.removeAll()
  }

  static func readAll(_ network: inout Network, _ server: EndpointID) {
    while case .bytes = network.read(server) {}
  }

  /// The request is written `sendAfter` milliseconds from now, before anything that is done at once can have arrived
  /// on a slow path; what the socket shows is noted when it first shows an end, and 300 ms later.
  mutating func run(
    sendAfter milliseconds: Int64 = 0,
    atOnce: (inout Network, EndpointID) -> Void = { _, _ in },
    whenRequestArrives: (inout Network, EndpointID) -> Void = { _, _ in }
  ) -> EvidenceTableTests.Shown {
    var shown = EvidenceTableTests.Shown()
    let acked = network[proxy].bytesAcked
    let read = network[server].bytesRead
    atOnce(&network, server)
    advance(to: network.now.advanced(by: .milliseconds(milliseconds)))
    #expect(network.write(proxy, count: Self.requestBytes, tag: Self.request) == nil)
    var ended: Instant?
    var handled = false
    while network.nextTime < .distantFuture, network.now < (ended ?? .distantFuture).advanced(by: .milliseconds(300)) {
      network.step()
      if !handled, network[server].unread > 0 {
        handled = true
        whenRequestArrives(&network, server)
      }
      guard ended == nil else { continue }
      reading: while true {
        switch network.read(proxy) {
        case .bytes(_, let tag, _): shown.response = tag == Self.farewell
        case .endOfFile:
          shown.endOfFile = true
          ended = network.now
          break reading
        case .failed(let error):
          shown.error = error
          ended = network.now
          break reading
        case .wouldBlock: break reading
        }
      }
      if ended != nil { shown.ackedMovedAtEnd = network[proxy].bytesAcked > acked }
    }
    #expect(ended != nil)
    shown.ackedMovedLater = network[proxy].bytesAcked > acked
    if shown.error == nil { shown.error = network.takeError(proxy) }
    shown.read = network[server].bytesRead > read
    return shown
  }

  private mutating func settle() {
    while network.nextTime < .distantFuture { network.step() }
  }

  private mutating func advance(to time: Instant) {
    while network.nextTime <= time { network.step() }
    network.advance(to: time)
  }
}
