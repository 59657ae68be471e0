import Core

/// The exchange that a client connection carries: what of it does not belong to the policy core's ``Exchange``.
struct Call {
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
  var isActive = false
  fileprivate var notes: CallNotes?

  init(machine: Exchange = Exchange(isIdempotent: false, policy: ReplayPolicy()), bounds: RouteBounds) {
    self.machine = machine
    self.bounds = bounds
  }
}

/// What only some exchanges have: in a box of its own, so that idle clients do not carry it.
final class CallNotes {
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
}

extension Call {
  private var writableNotes: CallNotes {
    mutating get {
      if let notes { return notes }
      let made = CallNotes()
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

  var acceptedForms: AcceptedForms {
    get { notes?.acceptedForms ?? AcceptedForms() }
    set { writableNotes.acceptedForms = newValue }
  }

  var loggedFields: LoggedFields? {
    get { notes?.loggedFields }
    set { if notes != nil || newValue != nil { writableNotes.loggedFields = newValue } }
  }
}
