import Core
import Support
import Testing

@testable import Host

@Suite("Exchanges in their slab")
struct ExchangeSlabTests {
  /// What a place keeps on purpose from one exchange to the next.
  private static let lasting: Set<String> = ["token", "client", "timerAt", "isActive"]
  /// What cannot be copied, and so cannot be described: given back when an exchange ends, and looked at by itself.
  private static let givenBack: Set<String> = ["record", "upstream", "lease"]

  @Test("A recycled exchange carries nothing of the one before it")
  func nothingIsCarriedOver() throws {
    let client = try Self.client()
    let bounds = RouteBounds(Self.settings())
    var slab = ExchangeSlab(kind: 8)
    let untouched = slab.take(for: client, bounds: bounds)
    Self.begin(untouched, bounds)
    let fresh = Self.description(of: untouched)

    let used = slab.take(for: client, bounds: bounds)
    Self.begin(used, bounds)
    try Self.soil(used)
    let soiled = Self.description(of: used)
    #expect(fresh.keys.sorted() == soiled.keys.sorted())
    // A property that is new has to be soiled here as well: else this test says nothing of it.
    let apart = Self.lasting.union(Self.givenBack)
    let same = fresh.keys.filter { fresh[$0] == soiled[$0] && !apart.contains($0) }
    #expect(same.isEmpty, "not changed by the test: \(same.sorted())")

    let token = used.token
    slab.giveBack(used)
    #expect(slab.element(token) == nil)
    let again = slab.take(for: client, bounds: bounds)
    #expect(again === used && again.token != token)
    Self.begin(again, bounds)
    let recycled = Self.description(of: again)
    for (name, value) in fresh where !apart.contains(name) { #expect(recycled[name] == value, "\(name)") }
    #expect(again.upstream == nil && !Self.hasRecord(again))
  }

  @Test("A token of an exchange that is over names nobody, and a timer's place serves the next")
  func tokens() throws {
    let client = try Self.client()
    let bounds = RouteBounds(Self.settings())
    var slab = ExchangeSlab(kind: 8)
    let first = slab.take(for: client, bounds: bounds)
    let token = first.token
    slab.giveBack(first)
    slab.giveBack(first)
    #expect(slab.count == 0 && slab.element(token) == nil && slab.place(token) === first)
    let second = slab.take(for: client, bounds: bounds)
    #expect(slab.element(second.token) === second && slab.element(token) == nil)
    slab.dropSpare()
    #expect(slab.element(second.token) === second)
    #expect(slab.element(.max) == nil && slab.place(UInt64(7)) == nil)
  }

  @Test("A storm leaves no more objects than are of use")
  func spareIsBounded() throws {
    let client = try Self.client()
    let bounds = RouteBounds(Self.settings())
    var slab = ExchangeSlab(kind: 8)
    let storm = (0..<1_000).map { _ in slab.take(for: client, bounds: bounds) }
    let tokens = storm.map(\.token)
    for exchange in storm { slab.giveBack(exchange) }
    #expect(tokens.count { slab.place($0) != nil } == 256)
    #expect(slab.all.isEmpty)
  }

  // MARK: - Helpers

  private static func settings() -> ProxySettings {
    var settings = ProxySettings()
    settings.upstream.origins = [OriginAddress.tcp(host: "127.0.0.1", port: 1)]
    return settings
  }

  private static func client() throws -> ClientConnection {
    let peer = try #require(SocketAddress(literal: "127.0.0.1", port: 1))
    return ClientConnection(
      token: 1, descriptor: try Socket.connectDatagrams(to: peer), peer: peer, isSecure: false, forwarding: Forwarding()
    )
  }

  private static func begin(_ exchange: ActiveExchange, _ bounds: RouteBounds) {
    exchange.begin(
      machine: Exchange(isIdempotent: true, policy: ReplayPolicy()), bounds: bounds, at: Instant(nanoseconds: 5))
  }

  /// Sets all that an exchange may leave behind.
  private static func soil(_ exchange: ActiveExchange) throws {
    let settings = settings()
    let upstream = Upstream(settings: settings.upstreams[0], thread: 0, seed: 1)
    exchange.machine = Exchange(isIdempotent: false, policy: ReplayPolicy())
    exchange.route = Route(to: upstream, under: settings)
    exchange.bounds = RouteBounds(settings)
    exchange.stage = .judging
    exchange.method = .post
    exchange.version = .http10
    exchange.requestID = (1, 2)
    exchange.clientKeepsAlive = true
    exchange.asksForUpgrade = true
    exchange.requestBody = .discarded
    exchange.responseBody = .untilClose
    exchange.sendsChunks = true
    exchange.closesClient = true
    exchange.headLength = 1
    exchange.outgrowsRecord = true
    exchange.wasHeldBack = true
    exchange.answerIsBare = true
    exchange.answerIsEarly = true
    exchange.awaitsContinue = true
    exchange.hasWaited = true
    exchange.signsIn = true
    exchange.interimCount = 1
    exchange.mayHoldHead = true
    exchange.upstreamFate = .surplus
    exchange.isDelimitedByClose = true
    exchange.sentEndToServer = true
    exchange.sentEndToClient = true
    exchange.clientWasLost = true
    exchange.countsInLoad = true
    exchange.startedAt = Instant(nanoseconds: 9)
    exchange.leasedAt = Instant(nanoseconds: 9)
    exchange.sentAt = Instant(nanoseconds: 9)
    exchange.headAt = Instant(nanoseconds: 9)
    exchange.status = 200
    exchange.requestBodyBytes = 1
    exchange.responseBodyBytes = 1
    exchange.facts = LeaseFacts(
      connection: ConnectionID(slot: 1, generation: 1), idleAge: .zero, connectionAge: .zero, uses: 1)
    exchange.upstreamLogID = 1
    let record = ServerRecord(
      address: try #require(SocketAddress(literal: "127.0.0.1", port: 1)), name: "a",
      origin: .tcp(host: "127.0.0.1", port: 1), window: IdleWindow.Settings())
    let member = UpstreamMember(record: record, weight: 1, isBackup: false, group: ServerGroup())
    exchange.server = Server(member: member, index: 0, upstream: upstream, settings: PoolSettings())
    exchange.balanceKey = 1
    exchange.serverDeadline = Instant(nanoseconds: 9)
    exchange.serverDuty = .reset
    exchange.exchangeDeadline = Instant(nanoseconds: 9)
    exchange.silenceDeadline = Instant(nanoseconds: 9)
    var line = ByteBuffer(capacity: 64)
    line.append(Array("GET /a HTTP/1.1".utf8))
    exchange.record = consume line
    exchange.saveRequestLine()
  }

  private static func hasRecord(_ exchange: ActiveExchange) -> Bool {
    guard let record = exchange.record.take() else { return false }
    exchange.record = consume record
    return true
  }

  /// Each stored property by name; objects by their identity.
  private static func description(of exchange: ActiveExchange) -> [String: String] {
    var all: [String: String] = [:]
    for case (let name?, let value) in Mirror(reflecting: exchange).children {
      let isObject = type(of: value) is AnyClass
      all[name] = isObject ? "\(ObjectIdentifier(value as AnyObject))" : "\(value)"
    }
    return all
  }
}
