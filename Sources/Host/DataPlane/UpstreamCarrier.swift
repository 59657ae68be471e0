import Core
import HTTP2

/// A connection to a server that speaks HTTP/2, as one event loop has it. Each of its streams is an ``UpstreamConnection``.
final class UpstreamCarrier {
  let token: UInt64
  let logID: UInt64
  let server: Server
  var transport = Transport.none()
  let session: HTTP2ClientSession
  /// What its streams know of it.
  let link: StreamCarrier
  /// Frames that wait for the kernel.
  var outbound: ByteBuffer?
  let openedAt: Instant
  /// Since when no exchange uses it.
  var idleSince: Instant
  /// Exchanges that have a stream of it.
  var users = 0
  /// Streams that it has carried.
  var uses: UInt32 = 0
  /// Exchanges under way on it that could not be sent again whatever the verdict.
  var unrepairable = 0
  /// Connections-to-be that wait for its first SETTINGS; tokens.
  var waiting: [UInt64] = []
  /// Neither has the server said that it takes no more streams, nor do we want to open any.
  var takesStreams = true
  private var offsets: [(produced: UInt64, wire: UInt64)] = []

  init(
    token: UInt64, logID: UInt64, server: Server, isSecure: Bool, among waiting: WaitingCarriers, now: Instant
  ) {
    self.token = token
    self.logID = logID
    self.server = server
    session = HTTP2ClientSession(limits: .ofServers, isSecure: isSecure, now: now)
    link = StreamCarrier(token: token, among: waiting)
    openedAt = now
    idleSince = now
  }

  var isIdle: Bool { users == 0 && waiting.isEmpty }

  /// How long no exchange has used it; zero while one does.
  func idleAge(at now: Instant) -> Nanoseconds { isIdle ? now.since(idleSince) : .zero }

  // MARK: - Offsets

  /// The bytes that the session has produced from `produced` on go out from here on.
  func noteOffset(ofProduced produced: UInt64) {
    if offsets.count >= 256 {
      // What no stream in use began before is asked for by nobody.
      let first = session.earliestHeaders ?? produced
      let kept = offsets.lastIndex { $0.produced <= first } ?? 0
      offsets.removeFirst(kept)
    }
    offsets.append((produced, transport.nextOffset))
  }

  /// Where on the wire what the session produced at an offset begins, or before that.
  func wireOffset(ofProduced produced: UInt64) -> UInt64 {
    guard let last = offsets.last(where: { $0.produced <= produced }) else { return 0 }
    return transport.tls == nil ? last.wire &+ (produced &- last.produced) : last.wire
  }

  /// Whether anything from this offset on was handed over.
  func hasHandedOver(_ produced: UInt64) -> Bool {
    session.producedOffset &- UInt64(outbound?.count ?? 0) > produced
  }
}

extension HTTP2Limits {
  /// For servers, which are chosen and not met: they may reset what they have answered early, and refuse whole bursts.
  fileprivate static var ofServers: HTTP2Limits {
    var limits = HTTP2Limits()
    limits.resets = Rate(burst: 10_000, perSecond: 10_000)
    limits.provokedResets = Rate(burst: 1_000, perSecond: 1_000)
    return limits
  }
}

/// After how many streams a server says GOAWAY, if it does so after the same number each time.
struct StreamLifetime {
  private var last: UInt32 = 0
  private var repeats = 0

  /// The number, once it has shown itself often enough.
  var limit: UInt32? { repeats >= 2 ? last : nil }

  /// A GOAWAY came without an error.
  ///
  /// - Parameter streams: those that the server has acted upon on the connection.
  mutating func ended(after streams: UInt32) {
    guard streams > 0 else { return }
    if streams == last {
      if repeats < 2 { repeats += 1 }
    } else {
      last = streams
      repeats = 1
    }
  }
}
