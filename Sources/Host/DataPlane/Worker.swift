import Core
import DequeModule
import Logging
import Synchronization

/// One event loop with its thread, and everything that it owns: listeners, client connections, pools, buffers, counters.
///
/// Nothing here is shared but the ``ServerRecord``s and the mailbox, so nothing here is locked. Read it as the life of a
/// request: `+Accept`, `+Request`, `+Lease`, `+Attempt`, `+Response`, `+Retry`, `+Answer`; then `+Tunnel`, `+Timers`, `+Report`.
final class Worker {
  /// What other threads may ask of a worker.
  enum Message: Sendable {
    /// The servers that each upstream has now, in the order of the settings of this generation.
    case members([[UpstreamMember]], generation: UInt64)
    /// Other settings.
    case reload(Reload)
    /// A description of pools and counters.
    case report(@Sendable (WorkerReport) -> Void)
    /// Stop accepting, serve what is under way, then end; at the latest at the deadline.
    case drain(until: Instant)
    /// To be called by the loop, when it gets to it: it turns.
    case prove(@Sendable () -> Void)
    case stop
  }

  /// Where other threads leave messages.
  final class Mailbox: Sendable {
    private let messages = Mutex<[Message]>([])
    private let closed = Atomic(false)
    let wakeup: Wakeup

    init() throws(SystemError) { wakeup = try Wakeup() }

    func post(_ message: Message) {
      messages.withLock { $0.append(message) }
      wakeup.signal()
    }

    /// The worker has ended, in order; nobody reads any more.
    var isClosed: Bool { closed.load(ordering: .acquiring) }
    func close() { closed.store(true, ordering: .releasing) }

    func takeAll() -> [Message] {
      wakeup.clear()
      return messages.withLock { messages in
        let taken = messages
        messages = []
        return taken
      }
    }
  }

  /// Kinds of tokens, their uppermost byte.
  enum Kind {
    static let wakeup: UInt8 = 0
    static let listener: UInt8 = 1
    static let client: UInt8 = 2
    static let upstream: UInt8 = 3
    static let sweep: UInt8 = 4
    static let resumeAccepting: UInt8 = 5
    static let drainDeadline: UInt8 = 6
    static let closeListeners: UInt8 = 7
    static let exchange: UInt8 = 8
    static let carrier: UInt8 = 9
  }

  let index: Int
  /// Changed by a reload, as all that is made of them.
  var settings: ProxySettings
  var generation: UInt64 = 0
  var headLimits: HeadLimits
  let log: Logger
  var accessLog: LogWriter?
  var accessFormat: AccessFormat
  /// Whether requests leave lines in the access log.
  var logsRequests = false
  /// Whether these show fields of heads.
  var logsFields = false
  /// Counts the settings of the access log.
  var accessGeneration: UInt64 = 0
  let mailbox: Mailbox
  let load: SharedLoad
  /// Client connections that all workers together may hold.
  var clientLimit: Int

  var poller: Poller
  var timers = TimerQueue()
  var buffers = BufferPool()
  /// For bodies that are taken apart, and for large ones: fewer and larger system calls.
  var mediumBuffers = BufferPool(capacity: 16_384, limit: 64)
  var bulkBuffers = BufferPool(capacity: 65_536, limit: 64)
  var fields = FieldTable()
  var now = MonotonicClock.now
  /// Wall clock less monotonic clock, taken anew now and then.
  var wallOffset: Int64
  var wallTakenAt = Instant(nanoseconds: 0)
  var counters = Counters()

  var listeners: [Listener] = []
  /// Those that are about to close, and when (``closingTime``).
  var leaving: [(listener: Listener, closesAt: Instant)] = []
  var clients = Slab<ClientConnection>(kind: Kind.client)
  var exchanges = ExchangeSlab(kind: Kind.exchange)
  var upstreamConnections = Slab<UpstreamConnection>(kind: Kind.upstream)
  /// Connections to servers that speak HTTP/2.
  var carriers = Slab<UpstreamCarrier>(kind: Kind.carrier)
  /// In the order of the settings.
  var upstreams: [Upstream] = []
  /// Gone from the settings, and some exchange may still ask them for a connection.
  var retired: [Upstream] = []
  /// All servers of all upstreams, those included that are gone and still serve what they have.
  var servers: [Server] = []
  /// In the order of the settings.
  var routes: [Route] = []
  var router = Router([])
  /// For requests that have come by TLS, and the places of its routes among all.
  var secureRouter = Router([])
  var secureRoutes: [Int] = []
  /// Where everything goes when there are no routes.
  var defaultRoute: Route
  var defaultBounds: RouteBounds
  /// Whether any guard is set.
  var hasGuards = false
  /// Whether some failures have pages of their own.
  var hasErrorPages = false
  var clientRates: ClientRates?
  var exempt = AddressBlocks([])
  var trustedProxies = TrustedProxies([])
  var nextUpstreamLogID: UInt64
  var identifiers: RequestIDs
  /// For choices of servers by chance.
  let choiceSeed: UInt64
  /// For the times between retries.
  var backoffRandomness: ChoiceRandomness

  /// Client connections that get another turn before the loop waits: a lease was handed to them, or a look was repeated.
  var queued: [UInt64] = []
  private var turns: [UInt64] = []
  /// The client connection that has its turn.
  var inTurn = UInt64.max
  /// Room in pools that waits to be used (``use(_:of:)``).
  var rooms: [(ConnectionID, ExchangeID, Server)] = []
  var isUsingRooms = false
  var accessLines: [UInt8] = []
  var pseudonym: [UInt8]
  /// By which the process knows a request that comes back.
  let loopMark: LoopMark
  let scheme = Array("http".utf8)
  let secureScheme = Array("https".utf8)
  let ciphertext = CiphertextBuffer()
  let waitingCarriers = WaitingCarriers()
  /// Client connections whose handshake gets a step, first come first served (``takeHandshakeTurns()``).
  var handshakes = Deque<UInt64>()
  var date: [UInt8] = []
  var dateMadeAt = Instant(nanoseconds: 0)
  var notices = NoticeLimiter()
  var acceptingIsPaused = false
  var pauseToldAt = Instant(nanoseconds: 0)
  /// Nothing new is begun any more.
  var drain: Drain?
  var isStopped = false

  struct Listener {
    let descriptor: Shared
    let address: SocketAddress
    let settings: ListenerSettings
    /// Other workers take connections from it as well.
    let isShared: Bool
    /// nil: HTTP without TLS.
    var tls: ListenerContext?
    var isRegistered = false

    /// A socket that listens, which closes when nobody holds it any more.
    final class Shared: Sendable {
      let descriptor: Descriptor
      private let isElsewhere: Atomic<Bool>

      /// - Parameter livesOn: another process holds it as well.
      init(_ descriptor: consuming Descriptor, livesOn: Bool = false) {
        self.descriptor = descriptor
        isElsewhere = Atomic(livesOn)
      }

      var number: Int32 { descriptor.number }

      /// Another process takes connections from it, or will: closing it here resets nobody.
      var livesOn: Bool {
        get { isElsewhere.load(ordering: .acquiring) }
        set { isElsewhere.store(newValue, ordering: .releasing) }
      }
    }
  }

  init(
    index: Int, settings: ProxySettings, listeners: [Listener], members: [[UpstreamMember]], clientLimit: Int,
    load: SharedLoad, loopMark: LoopMark, log: Logger, accessLog: LogWriter?, seed: (UInt64, UInt64)
  ) throws(SystemError) {
    self.index = index
    self.settings = settings
    self.clientLimit = clientLimit
    self.load = load
    self.loopMark = loopMark
    self.log = log
    self.accessLog = accessLog
    accessFormat = AccessFormat(settings.logs)
    pseudonym = Array(settings.forwarding.name.utf8)
    headLimits = HeadLimits(settings.limits)
    let choiceSeed = seed.0 ^ seed.1
    self.choiceSeed = choiceSeed
    backoffRandomness = ChoiceRandomness(seed: ~choiceSeed)
    upstreams = settings.upstreams.map { Upstream(settings: $0, thread: index, seed: choiceSeed) }
    defaultRoute = Route(to: upstreams[0], under: settings)
    defaultBounds = RouteBounds(settings)
    mailbox = try Mailbox()
    poller = try Poller()
    wallOffset = MonotonicClock.wallNanoseconds &- now.nanoseconds
    nextUpstreamLogID = UInt64(index) << 48
    identifiers = RequestIDs(seed: seed)
    self.listeners = listeners
    try poller.register(mailbox.wakeup.number, for: .readable, trigger: .level, token: UInt64(Kind.wakeup) << 56)
    makeRoutes()
    adopt(members)
    try resumeAccepting()
  }

  // MARK: - The loop

  /// Serves until told to stop. Called on the worker's own thread.
  func run() {
    while !isStopped {
      let isBusy = !queued.isEmpty || !waitingCarriers.isEmpty || !handshakes.isEmpty
      let patience = isBusy ? .zero : timers.soonest.map { $0.since(MonotonicClock.now) }
      let count = poller.wait(atMost: patience)
      now = MonotonicClock.now
      for event in 0..<count {
        // A batch can take a while; idle ages and deadlines are measured in milliseconds.
        if event & 31 == 31 { now = MonotonicClock.now }
        dispatch(poller.token(at: event), poller.readiness(at: event))
      }
      takeQueuedTurns()
      takeHandshakeTurns()
      now = MonotonicClock.now
      while let token = timers.nextDue(at: now) {
        timerFired(token)
      }
      flushCarriers()
      if !accessLines.isEmpty {
        if now.since(wallTakenAt) >= .seconds(1) { takeWallClock() }
        flushAccessLog()
      }
      if let drain, (clients.count == 0 && leaving.isEmpty) || now >= drain.deadline { isStopped = true }
    }
    closeEverything()
    flushAccessLog()
    mailbox.close()
  }

  /// The wall clock can be set, and the monotonic one stands still while the machine sleeps.
  func takeWallClock() {
    wallTakenAt = now
    wallOffset = MonotonicClock.wallNanoseconds &- now.nanoseconds
  }

  @inline(__always)
  private func dispatch(_ token: UInt64, _ readiness: Readiness) {
    switch UInt8(token >> 56) {
    case Kind.client:
      if let client = clients.element(token) { clientEvent(client, readiness) }
    case Kind.upstream:
      if let upstream = upstreamConnections.element(token) { upstreamEvent(upstream, readiness) }
    case Kind.carrier:
      if let carrier = carriers.element(token) { carrierEvent(carrier, readiness) }
    case Kind.listener:
      accept(from: Int(token & 0xffff_ffff))
    case Kind.wakeup:
      for message in mailbox.takeAll() { received(message) }
    case let kind:
      // Unreachable: tokens are made of these kinds, here, and of nothing that comes from outside.
      preconditionFailure("no descriptor is registered with the kind \(kind)")
    }
  }

  private func clientEvent(_ client: ClientConnection, _ readiness: Readiness) {
    client.transport.noteReadiness(readiness)
    if readiness.contains(.failed) {
      // A RST: nobody reads an answer any more. (A hang-up without it means that both sides have sent their FIN; what the
      // client sent before its own is still to be read.)
      clientBroke(client)
      return
    }
    if client.transport.firstError != 0 {
      // What waited to be sent is not taken any more.
      clientBroke(client)
      return
    }
    advance(client)
  }

  private func upstreamEvent(_ upstream: UpstreamConnection, _ readiness: Readiness) {
    let wasReadable = upstream.transport.isReadable
    upstream.transport.noteReadiness(readiness)
    if !wasReadable, upstream.transport.isReadable { upstream.readableSince = now }
    // Writing finds out what broke it.
    if !readiness.isDisjoint(with: [.hangUp, .failed]) { upstream.transport.isWritable = true }
    if upstream.isConnecting {
      connectProgressed(upstream, readiness)
      return
    }
    guard let token = upstream.exchange, let exchange = exchanges.element(token) else {
      idleConnectionStirred(upstream)
      return
    }
    advance(exchange.client)
  }

  /// Gives a client connection another turn before the loop waits again.
  func queue(_ client: ClientConnection) {
    guard !client.isQueued, client.token != inTurn else { return }
    client.isQueued = true
    queued.append(client.token)
  }

  /// Gives a client connection another turn although it has one: what came for it may be behind what this one looks at.
  func queueAgain(_ client: ClientConnection) {
    guard !client.isQueued else { return }
    client.isQueued = true
    queued.append(client.token)
  }

  /// One turn for each that is queued now. Who queues up again waits for the next round of the loop, behind the others' events.
  private func takeQueuedTurns() {
    guard !queued.isEmpty else { return }
    swap(&queued, &turns)
    for token in turns {
      guard let client = clients.element(token) else { continue }
      client.isQueued = false
      advance(client)
      // Turns can be long ones, and idle ages are measured in milliseconds.
      now = MonotonicClock.now
    }
    turns.removeAll(keepingCapacity: true)
  }

  // MARK: - Progress

  /// Lets a client connection and its exchange go as far as they can without waiting.
  ///
  /// Every step looks at what is ready and moves bytes one buffer further; when none moves, an event or a timer goes on.
  func advance(_ client: ClientConnection) {
    // One client may not keep the loop for itself: after so many rounds the others come first.
    var rounds = 0
    inTurn = client.token
    defer { inTurn = UInt64.max }
    while client.phase != .closed {
      var moved = false
      switch client.phase {
      case .idle, .readingHead:
        moved = readHead(client)
      case .exchanging:
        guard let exchange = client.exchange else { break }
        if readRequestBody(exchange) { moved = true }
        if client.transport.peerClosed, endsForClosedClient(exchange) { return }
        if exchange.isServed, sendRequest(exchange) { moved = true }
        if exchange.isServed, readResponse(exchange) { moved = true }
        if exchange.isServed, sendResponse(exchange) { moved = true }
      case .tunnelling:
        guard let exchange = client.exchange else { break }
        moved = pumpTunnel(exchange)
      case .lingering:
        moved = readLeftovers(client)
      case .multiplexing:
        moved = readFrames(client)
      case .closed:
        break
      }
      guard moved else { return }
      rounds += 1
      if rounds >= Self.roundsPerTurn {
        inTurn = UInt64.max
        queue(client)
        return
      }
    }
  }

  private static let roundsPerTurn = 16

  /// Takes back a buffer that is not needed any more.
  func recycle(_ buffer: consuming ByteBuffer) {
    switch buffer.capacity {
    case buffers.capacity: buffers.give(buffer)
    case mediumBuffers.capacity: mediumBuffers.give(buffer)
    case bulkBuffers.capacity: bulkBuffers.give(buffer)
    default: break
    }
  }

  // MARK: - Messages

  private func received(_ message: Message) {
    switch message {
    case .members(let members, let generation):
      // Those of settings that were replaced since are of no use.
      if generation == self.generation { adopt(members) }
    case .reload(let reload): adopt(reload)
    case .report(let reply): reply(report())
    case .drain(let deadline): beginDrain(until: deadline)
    case .prove(let reply): reply()
    case .stop: isStopped = true
    }
  }

  private func closeEverything() {
    pauseAccepting()
    leaving = []
    for client in clients.all {
      if let exchange = client.exchange { cutOff(exchange) }
    }
    // Behind them, so that the answers on streams go out.
    flushCarriers()
    for client in clients.all { closeClient(client) }
    for server in servers { closeIdleConnections(of: server) }
    flushCarriers()
  }
}
