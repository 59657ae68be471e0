import Core

/// An exchange that is under way, as the data plane has it: its request, its attempts, and how far both messages have come.
///
/// What it decides belongs to the policy core's ``Exchange``, which it carries as ``machine``. The worker keeps the objects in
/// a slab (``ExchangeSlab``) and uses them again: none is made for a request while there are spare ones. A pool and a
/// connection to a server know it by its token.
final class ActiveExchange {
  /// How far the request's content has been read from the client.
  enum RequestBody {
    /// All of the request is here.
    case complete
    /// So many bytes are to come.
    case counted(UInt64)
    case chunked(ChunkedDecoder)
    /// What is still to come is of no use: the request was answered without it, or is malformed. The connection ends
    /// behind the answer.
    case discarded
  }

  /// How far the response has been read from the server.
  enum ResponseBody {
    /// No final head yet.
    case awaitingHead
    case counted(UInt64)
    case chunked(ChunkedDecoder)
    case untilClose
    /// All of it is here, or was made here.
    case complete
  }

  enum UpstreamFate {
    /// It can carry another request.
    case stays
    /// The response is its last: the server said so, or its end is the end of the connection.
    case lastAnswer
    /// It brought more than the response.
    case surplus
  }

  /// Where the exchange stands with its connection to a server.
  enum Stage {
    /// Nothing is asked of a pool: no request, or its response is complete.
    case none
    /// In a pool's queue.
    case waiting(WaitTicket, Server)
    /// A connect for it is under way.
    case connecting
    /// It leases a connection.
    case leased
    /// Its attempt ended, and the RST that would prove the race is awaited (``Exchange/AttemptEnd/awaitReset(until:)``).
    case judging
    /// It waits for a while before it asks a pool again: its last answer, or failure, is to be followed by a retry.
    case backingOff
  }

  /// What is expected of the server until ``serverDeadline``.
  enum ServerDuty {
    case none
    /// To take the connection.
    case connect
    /// To agree upon TLS.
    case handshake
    /// To have a connection free.
    case waiting
    /// To take more of the request.
    case sending
    case responseHead
    /// More of the response's content, which this proxy is ready to read.
    case responseBody
    /// The RST that would prove the race.
    case reset
    /// Nothing: it is left alone until a retry.
    case backoff
  }

  /// Names it to pools, connections and timers for as long as it lasts: the next exchange in this place has another.
  fileprivate(set) var token: UInt64
  /// Whose request it is. A spare one still holds its last client, until it is used again.
  fileprivate(set) var client: ClientConnection
  /// Between its beginning and its end: what is spare can be named by an event that came too late.
  fileprivate(set) var isActive = false

  /// Whether its messages still go to and fro: it has neither ended nor become a tunnel.
  var isServed: Bool { isActive && client.phase == .exchanging }

  /// What is to be done next, and when to give up.
  var machine: Exchange
  /// Where the request goes; nil before its head is understood.
  var route: Route?
  var bounds: RouteBounds
  var stage = Stage.none
  var method = Method.other
  var version = HTTPVersion.http11
  var requestID: (UInt64, UInt64) = (0, 0)
  var clientKeepsAlive = false
  var asksForUpgrade = false
  var requestBody = RequestBody.complete
  var responseBody = ResponseBody.complete
  /// Whether the content goes to the client in chunks, whatever it came in.
  var sendsChunks = false
  /// Whether the client connection ends behind this response.
  var closesClient = false
  /// Bytes of the request record that are its head: compaction and limits count from there.
  var headLength = 0
  /// The content is longer than what is kept for a replay, or may be: its length is not known.
  var outgrowsRecord = false
  /// The client did not take the response as fast as it came.
  var wasHeldBack = false
  /// The response has no content by rule, whatever its head announced (HEAD, 204, 304).
  var answerIsBare = false
  /// The response began before all of the request had arrived.
  var answerIsEarly = false
  /// The client said `Expect: 100-continue` and neither a 100 nor any content has passed since.
  var awaitsContinue = false
  /// Time has passed since the request came, and nothing of it was sent since: it waited for a connection, or is sent again.
  var hasWaited = false
  /// The request signs in the connection that it goes out on (``ConnectionAuthentication``).
  var signsIn = false
  /// Interim responses seen.
  var interimCount: UInt16 = 0
  /// The buffer may hold a whole head behind an interim one.
  var mayHoldHead = false
  /// What becomes of the server's connection behind this response.
  var upstreamFate = UpstreamFate.lastAnswer
  /// Whether only the end of the connection ends the content as the client gets it.
  var isDelimitedByClose = false
  /// Tunnels: our FIN went to that side.
  var sentEndToServer = false
  var sentEndToClient = false
  var clientWasLost = false
  /// Whether ``SharedLoad`` counts it.
  var countsInLoad = false

  // For the log.
  var startedAt = Instant(nanoseconds: 0)
  var leasedAt = Instant(nanoseconds: 0)
  var sentAt = Instant(nanoseconds: 0)
  var headAt: Instant?
  var status: UInt16 = 0
  var requestBodyBytes: UInt64 = 0
  var responseBodyBytes: UInt64 = 0
  var facts: LeaseFacts?
  var upstreamLogID: UInt64 = 0
  var server: Server?
  fileprivate var notes: ExchangeNotes?

  /// The request as it goes to the server, kept whole while it may have to be sent again.
  var record: ByteBuffer?
  var upstream: UpstreamConnection?
  /// The right to use ``upstream``; given back exactly once.
  var lease: Lease?
  /// Method and target, for the logs, where the record no longer begins with them.
  private var savedRequestLine: [UInt8] = []

  // The client's deadline is its connection's: either side can be late on its own account, and one would hide the other.
  var serverDeadline = Instant.distantFuture
  var serverDuty = ServerDuty.none
  /// When it must be over as a whole.
  var exchangeDeadline = Instant.distantFuture
  /// When the worker looks whether the request has arrived at all (``Exchange/silencePatience(retransmissionTimeout:)``).
  var silenceDeadline = Instant.distantFuture
  /// When the earliest entry of its place in the timer queue comes up. It outlasts the exchange: the next one in the same
  /// place needs no new entry for a later deadline.
  var timerAt = Instant.distantFuture

  fileprivate init(token: UInt64, client: ClientConnection, bounds: RouteBounds) {
    self.token = token
    self.client = client
    self.bounds = bounds
    machine = Exchange(isIdempotent: false, policy: ReplayPolicy())
  }

  /// Makes ready for a request. Keeps nothing of the one before but memory and the place in the timer queue.
  func begin(machine: Exchange, bounds: RouteBounds, at now: Instant) {
    self.machine = machine
    self.bounds = bounds
    responseBody = .awaitingHead
    startedAt = now
    stage = .none
    route = nil
    method = Method.other
    version = HTTPVersion.http11
    requestID = (0, 0)
    clientKeepsAlive = false
    asksForUpgrade = false
    requestBody = RequestBody.complete
    sendsChunks = false
    closesClient = false
    headLength = 0
    outgrowsRecord = false
    wasHeldBack = false
    answerIsBare = false
    answerIsEarly = false
    awaitsContinue = false
    hasWaited = false
    signsIn = false
    interimCount = 0
    mayHoldHead = false
    upstreamFate = UpstreamFate.lastAnswer
    isDelimitedByClose = false
    sentEndToServer = false
    sentEndToClient = false
    clientWasLost = false
    countsInLoad = false
    leasedAt = Instant(nanoseconds: 0)
    sentAt = Instant(nanoseconds: 0)
    headAt = nil
    status = 0
    requestBodyBytes = 0
    responseBodyBytes = 0
    facts = nil
    upstreamLogID = 0
    server = nil
    notes = nil
    record = nil
    upstream = nil
    lease = nil
    forgetRequestLine()
    serverDeadline = .distantFuture
    serverDuty = .none
    exchangeDeadline = .distantFuture
    silenceDeadline = .distantFuture
  }

  /// Bytes of a request line that logs show.
  private static let longestRequestLine = 2_048

  /// Keeps method and target for the logs: the record is about to lose its head, or there will be none.
  func saveRequestLine() {
    guard savedRequestLine.isEmpty, let record = record.take() else { return }
    Self.appendRequestLine(in: record, to: &savedRequestLine)
    self.record = consume record
  }

  /// Keeps method and target as the client sent them: those in the record differ.
  func saveRequestLine(_ head: RequestHead, _ bytes: RawSpan) {
    savedRequestLine.removeAll(keepingCapacity: true)
    for range in [head.methodRange, head.target.range] {
      if range.start > head.methodRange.start { savedRequestLine.append(0x20) }
      let end = min(range.end, range.start + Self.longestRequestLine)
      for offset in range.start..<end { savedRequestLine.append(bytes.byte(at: offset)) }
    }
  }

  /// The X-Request-Id in the first `length` bytes of the record; nil without one.
  func requestID(inHeadOf length: Int) -> [UInt8]? {
    guard let record = record.take() else { return nil }
    let found = Self.requestID(in: record, length)
    self.record = consume record
    return found
  }

  private static func requestID(in record: borrowing ByteBuffer, _ length: Int) -> [UInt8]? {
    let bytes = record.written
    guard let range = RequestID.written(bytes, within: length) else { return nil }
    return Array(bytes.text(range).utf8)
  }

  func forgetRequestLine() {
    if !savedRequestLine.isEmpty { savedRequestLine.removeAll(keepingCapacity: true) }
  }

  /// Method and target as the client sent them, their query as `policy` has it; "-" for a request that was not understood.
  func requestLine(_ policy: LogSettings.QueryPolicy) -> [UInt8] {
    if !savedRequestLine.isEmpty { return policy.shown(savedRequestLine) }
    guard let record = record.take() else { return [UInt8(ascii: "-")] }
    var line: [UInt8] = []
    Self.appendRequestLine(in: record, to: &line)
    self.record = consume record
    return policy.shown(line)
  }

  /// The record up to the second space.
  private static func appendRequestLine(in record: borrowing ByteBuffer, to line: inout [UInt8]) {
    let bytes = record.written
    let limit = min(bytes.byteCount, longestRequestLine)
    var end = 0
    var spaces = 0
    while end < limit {
      if bytes.byte(at: end) == 0x20 { spaces += 1 }
      if spaces == 2 { break }
      end += 1
    }
    line.reserveCapacity(end)
    for offset in 0..<end { line.append(bytes.byte(at: offset)) }
  }
}

/// Exchanges under small dense numbers. A place keeps its object when its exchange ends, so that the next one finds it.
///
/// A token is kind, generation and place, as a ``Slab``'s: an event that was meant for an earlier exchange finds nobody.
/// A timer is entered for the place alone, since its entry serves one exchange after the other.
struct ExchangeSlab {
  /// Objects that are kept for exchanges to come.
  private static let spareLimit = 256

  private let kind: UInt64
  private var places: ContiguousArray<ActiveExchange?> = []
  private var generations: ContiguousArray<UInt32> = []
  private var free: ContiguousArray<UInt32> = []
  private var spareCount = 0
  private(set) var count = 0

  init(kind: UInt8) { self.kind = UInt64(kind) << 56 }

  /// Begins an exchange for a client.
  mutating func take(for client: ClientConnection, bounds: RouteBounds) -> ActiveExchange {
    let place: UInt32
    if let reused = free.popLast() {
      place = reused
    } else {
      place = UInt32(places.count)
      places.append(nil)
      generations.append(0)
    }
    count += 1
    let token = kind | UInt64(generations[Int(place)]) << 32 | UInt64(place)
    if let spare = places[Int(place)] {
      spareCount -= 1
      spare.assume(token, for: client)
      return spare
    }
    let made = ActiveExchange(token: token, client: client, bounds: bounds)
    made.isActive = true
    places[Int(place)] = made
    return made
  }

  /// The exchange is over. Its object stays readable for who still holds it in this turn.
  mutating func giveBack(_ exchange: ActiveExchange) {
    guard exchange.isActive else { return }
    exchange.isActive = false
    let place = Int(exchange.token & 0xffff_ffff)
    generations[place] = (generations[place] &+ 1) & 0xff_ffff
    free.append(UInt32(place))
    count -= 1
    if spareCount < Self.spareLimit { spareCount += 1 } else { places[place] = nil }
  }

  @inline(__always)
  func element(_ token: UInt64) -> ActiveExchange? {
    let place = Int(token & 0xffff_ffff)
    guard place < places.count, UInt64(generations[place]) == token >> 32 & 0xff_ffff else { return nil }
    return places[place]
  }

  /// What stands at the place of a timer's token, under way or spare.
  func place(_ token: UInt64) -> ActiveExchange? {
    let place = Int(token & 0xffff_ffff)
    return place < places.count ? places[place] : nil
  }

  /// Those under way, in the order of their places. For dumps, drains and reloads, not for the hot path.
  var all: [ActiveExchange] { places.compactMap { $0?.isActive ?? false ? $0 : nil } }

  /// Lets go of what spare objects hold: servers and upstreams that a reload took away.
  mutating func dropSpare() {
    for place in free { places[Int(place)] = nil }
    spareCount = 0
  }
}

extension ActiveExchange {
  /// Serves a further client, under a new token.
  fileprivate func assume(_ token: UInt64, for client: ClientConnection) {
    self.token = token
    self.client = client
    isActive = true
  }
}

/// What only some exchanges have: in a box of its own, so that the others do not carry it.
final class ExchangeNotes {
  /// What its server is chosen by, where the upstream hashes requests.
  var balanceKey: UInt64?
  /// The one that the client's cookie names, where the upstream keeps clients with their servers.
  var stickyServer: Server?
  /// Whether the request has an Idempotency-Key; known only where that matters.
  var hasIdempotencyKey = false
  /// Whom trusted proxies name as the one whose request it is; nil where that is the peer.
  var namedClient: IPAddress?
  /// The protocols that the server was asked to change to; empty where there are none.
  var askedProtocols: [UInt8] = []
  /// What the client asked for as Host, where edits of the response name it.
  var askedHost: [UInt8] = []
  /// A valid X-Request-Id of the client, for the access log and edits of the response; empty when the proxy made one.
  var receivedRequestID: [UInt8] = []
  /// In which forms the client takes an error page; known only where there are any.
  var acceptedForms: AcceptedForms?
  /// Fields that the access log asks for.
  var loggedFields: LoggedFields?
  /// Servers that refused a connection for this exchange, or failed it and are not to have its retry, by
  /// ``Server/position``.
  var refusedBy = TriedServers()
  /// How fast its content comes; nil where there is no least rate.
  var bodyRate: BodyRateMeter?
  /// Why the proxy had to answer itself.
  var failure: Failure?
  /// The close that an attempt met.
  var race: MetRace?
}

extension ActiveExchange {
  private var writableNotes: ExchangeNotes {
    get {
      if let notes { return notes }
      let made = ExchangeNotes()
      notes = made
      return made
    }
  }

  var balanceKey: UInt64? {
    get { notes?.balanceKey }
    set { if notes != nil || newValue != nil { writableNotes.balanceKey = newValue } }
  }

  var stickyServer: Server? {
    get { notes?.stickyServer }
    set { if notes != nil || newValue != nil { writableNotes.stickyServer = newValue } }
  }

  var hasIdempotencyKey: Bool {
    get { notes?.hasIdempotencyKey ?? false }
    set { if notes != nil || newValue { writableNotes.hasIdempotencyKey = newValue } }
  }

  var namedClient: IPAddress? {
    get { notes?.namedClient }
    set { if notes != nil || newValue != nil { writableNotes.namedClient = newValue } }
  }

  var askedProtocols: [UInt8] {
    get { notes?.askedProtocols ?? [] }
    set { if notes != nil || !newValue.isEmpty { writableNotes.askedProtocols = newValue } }
  }

  var askedHost: [UInt8] {
    get { notes?.askedHost ?? [] }
    set { if notes != nil || !newValue.isEmpty { writableNotes.askedHost = newValue } }
  }

  var receivedRequestID: [UInt8] {
    get { notes?.receivedRequestID ?? [] }
    set { if notes != nil || !newValue.isEmpty { writableNotes.receivedRequestID = newValue } }
  }

  var refusedBy: TriedServers {
    get { notes?.refusedBy ?? TriedServers() }
    set { if notes != nil || !newValue.isEmpty { writableNotes.refusedBy = newValue } }
  }

  var bodyRate: BodyRateMeter? {
    get { notes?.bodyRate }
    set { if notes != nil || newValue != nil { writableNotes.bodyRate = newValue } }
  }

  var failure: Failure? {
    get { notes?.failure }
    set { if notes != nil || newValue != nil { writableNotes.failure = newValue } }
  }

  var race: MetRace? {
    get { notes?.race }
    set { if notes != nil || newValue != nil { writableNotes.race = newValue } }
  }

  var acceptedForms: AcceptedForms {
    get { notes?.acceptedForms ?? AcceptedForms() }
    set { writableNotes.acceptedForms = newValue }
  }

  var loggedFields: LoggedFields? {
    get { notes?.loggedFields }
    set { if notes != nil || newValue != nil { writableNotes.loggedFields = newValue } }
  }
}
