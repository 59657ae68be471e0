internal import Core

/// One connection of a scripted origin.
final class OriginConnection {
  enum Phase {
    /// No byte of a request is there.
    case idle
    /// Bytes are there, but not a whole head.
    case readingHead
    case readingBody(OriginBody)
    /// The request is read; the response begins at the deadline.
    case delaying
    /// The head of the response leaves byte by byte; the next one at the deadline.
    case trickling
    /// The response leaves as fast as the peer takes it.
    case writing
    /// The next step is due.
    case stepping
    /// A step waits until the deadline; nothing is read.
    case pausing
    /// A step waits for bytes, and leaves them unread.
    case awaitingBytes
    /// The origin has sent its FIN while idle, and reads on.
    case halfClosed
    /// The last response is sent, and so is a FIN; what still comes is dropped until the peer ends.
    case draining
  }

  /// The request that is being read or answered.
  struct Request {
    var head: OriginHead
    var script: OriginScript
    var method: String
    var target: String
    var raceID: String?
    var body: [UInt8]?
  }

  /// What of a response's body is still to be made.
  struct Rest {
    var count = 0
    var isChunked = false
    /// The last chunk is still to be written.
    var needsEnd = false
    /// Close once `count` is used up, although the body is not whole.
    var isTruncated = false

    var isEmpty: Bool { count == 0 && !needsEnd }
  }

  let descriptor: Descriptor
  let token: UInt64
  /// From 1 on, in the order of accepting.
  let number: Int
  var input = ByteBuffer(capacity: 2048)
  var output = ByteBuffer(capacity: 1024)
  var phase = Phase.idle
  var request: Request?
  var rest = Rest()
  var exchanges = 0
  var closesAfterResponse: Close = .no
  var deadline = Instant.distantFuture
  /// When the timer queue will ask for this connection.
  var armed = Instant.distantFuture
  /// More has come, or may have, than ``input`` was to hold; no event will tell of it.
  var hasUnread = false
  /// Bytes of the head in ``output`` that leave one by one.
  var slowBytes = 0
  /// The peer has sent its FIN.
  var sawEnd = false

  /// What is done with this connection, step by step; empty when it is served as the settings say.
  var steps: [OriginStep] = []
  var nextStep = 0
  /// How often the steps went back.
  var repeats = 0
  var readsHeadOnly = false
  /// Of the request whose head alone a step has read.
  var unreadBody: OriginBody?

  var followsSteps: Bool { !steps.isEmpty }

  enum Close {
    case no
    /// FIN, then wait for the peer's: the response said that it would.
    case announced
    /// `close()` at once.
    case silent
  }

  init(descriptor: consuming Descriptor, token: UInt64, number: Int) {
    self.descriptor = descriptor
    self.token = token
    self.number = number
  }
}
