internal import Core

/// One client of a drive, with at most one connection at a time.
final class DriveClient {
  enum Phase: Equatable {
    case closed
    /// The request leaves when the connection is there.
    case connecting
    /// Connected and silent, since then.
    case idle(since: Instant)
    /// A request is sent, and its answer is awaited.
    case exchanging
  }

  /// A request that a client is about to send or has sent.
  struct Request {
    enum Kind: Equatable {
      case warmUp
      case test(number: Int)
    }

    var kind: Kind
    /// When it was to leave.
    var intended: Instant
    var sentAt = Instant.distantFuture
    /// Since when the connection that it is to meet has been idle; nil for a new one.
    var idleSince: Instant?
    /// How long that was when it left for the first time.
    var gap: Nanoseconds?
    var retries = 0

    init(_ kind: Kind, intended: Instant) {
      self.kind = kind
      self.intended = intended
    }
  }

  let index: Int
  var descriptor: Descriptor?
  /// Tells the events of this connection from those of the client's earlier ones.
  var generation: UInt64 = 0
  var phase = Phase.closed
  var request: Request?
  var response = DriveResponse(to: "GET")
  var input = ByteBuffer(capacity: 1024)
  var output = ByteBuffer(capacity: 512)
  /// Bytes of the request's body that are not in `output` yet.
  var bodyLeft = 0
  /// The end of the last answer on this connection.
  var lastAnswer: Instant?
  var deadline = Instant.distantFuture
  /// When the timer queue will ask for this client.
  var armed = Instant.distantFuture

  // In bursts:
  var step = DriveStep.done
  /// Warm-ups of this round that failed.
  var failedWarmUps = 0

  init(index: Int) { self.index = index }
}

/// Where in a round a client is.
enum DriveStep: Equatable {
  case warmingUp
  /// The warm-up failed; another one follows.
  case pausing
  /// The warm-up was answered then; the request under test leaves at the deadline.
  case waiting(since: Instant)
  case testing
  /// This round's request has ended.
  case done
}
