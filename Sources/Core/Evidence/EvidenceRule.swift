/// From what the kernel shows about an attempt to what that proves.
///
/// The first row that fits decides ("-" stands for anything):
///
/// | sent | response    | acknowledged | reading | error      | verdict                                  |
/// |------|-------------|--------------|---------|------------|------------------------------------------|
/// | no   | -           | -            | -       | -          | never sent                               |
/// | refused by the server's own word         | -       | -          | refused                                  |
/// | yes  | may answer  | -            | -       | -          | delivered                                |
/// | yes  | -           | moved        | -       | -          | delivered                                |
/// | yes  | -           | unavailable  | -       | -          | unknown                                  |
/// | yes  | -           | unmoved      | -       | EPIPE      | never delivered                          |
/// | yes  | -           | unmoved      | -       | another    | unknown                                  |
/// | yes  | -           | unmoved      | EOF     | none       | await the RST; unknown if it stays away  |
/// | yes  | cannot      | unmoved      | open    | none       | await FIN and RST; unknown if they do not come |
/// | yes  | none        | unmoved      | open    | none       | unknown                                  |
///
/// Why EPIPE proves it: Linux reports a RST as EPIPE only when the socket is in CLOSE_WAIT, so the peer's FIN came
/// first. That FIN acknowledges nothing of this request, so it left before the request arrived. The RST says that what
/// arrived after it met a socket that nobody can read from any more.
///
/// What it tolerates: a server that half-closes while idle, goes on to read, acts on what it read, and is gone before
/// its kernel's delayed ACK (40 ms) leaves. `close()` forgets that ACK, and a RST for the bytes that were not read, or
/// `SO_LINGER` 0, then looks the same (measured on Linux: the head read, `close()`, then the body arrives). Such a
/// server acts on a part of a request, or aborts, and has made itself unable to answer either way; none is known. One
/// that reads the whole request and closes in the ordinary way acknowledges it, and the verdict is "delivered".
package enum EvidenceRule {
  /// What to do about an attempt that ended without a usable response.
  package enum Judgement: Sendable, Hashable, BitwiseCopyable {
    case verdict(Verdict)
    /// The FIN was seen and the RST that would prove that the request met a closed socket has not come yet.
    /// Observe again as soon as the socket reports an error, at the latest after this time.
    case awaitReset(atMost: Nanoseconds)
  }

  /// The shortest wait for the confirming RST: covers a busy peer on loopback.
  package static let minimumResetWait = Nanoseconds.milliseconds(20)
  /// The longest wait for the confirming RST: a client waits meanwhile.
  package static let maximumResetWait = Nanoseconds.milliseconds(1_500)
  /// Added to what the connection's own times give: scheduling at both ends.
  package static let resetWaitSlack = Nanoseconds.milliseconds(10)

  /// A connection that idled for less is in the middle of a burst, as good as in use.
  package static let unguardedIdleAge = Nanoseconds.milliseconds(3)

  /// Judges an attempt as soon as it has ended.
  package static func judge(_ observation: Observation) -> Judgement {
    switch settle(observation) {
    case .settled(let verdict): .verdict(verdict)
    case .resetMissing: .awaitReset(atMost: resetWait(observation))
    }
  }

  /// Judges an attempt when the wait for the RST is over, whether it came or not.
  package static func judgeAfterWait(_ observation: Observation) -> Verdict {
    switch settle(observation) {
    case .settled(let verdict): verdict
    case .resetMissing: .unknown
    }
  }

  /// Whether a response that has arrived may be the answer to the request. Asked of every response.
  ///
  /// Every segment carries an ACK: a peer that answers a request has acknowledged a byte of it in the same segment at
  /// the latest.
  ///
  /// - Parameters:
  ///   - bytesWritten: bytes of this request that the kernel accepted.
  ///   - unacknowledgedBytes: SIOCOUTQ; `nil` where the socket cannot tell, which gives the response the benefit of the
  ///     doubt.
  package static func couldAnswer(bytesWritten: UInt64, unacknowledgedBytes: UInt64?) -> Bool {
    guard bytesWritten > 0 else { return false }
    guard let unacknowledgedBytes else { return true }
    return unacknowledgedBytes < bytesWritten
  }

  /// How long the RST that answers our bytes may take.
  ///
  /// Our bytes and the RST take one round trip. If one of them is lost it takes a retransmission timeout and a round
  /// trip more.
  static func resetWait(_ observation: Observation) -> Nanoseconds {
    let wait = observation.roundTripTime * 2 + observation.retransmissionTimeout + resetWaitSlack
    return min(max(wait, minimumResetWait), maximumResetWait)
  }

  private enum Settlement {
    case settled(Verdict)
    case resetMissing
  }

  private static func settle(_ observation: Observation) -> Settlement {
    if observation.connectFailed || observation.bytesSent == 0 || observation.isWithheld { return .settled(.neverSent) }
    if observation.isRefused { return .settled(.refused) }
    if observation.response == .mayAnswer { return .settled(.delivered) }
    switch observation.acknowledgement {
    case .moved: return .settled(.delivered)
    case .unavailable: return .settled(.unknown)
    case .unmoved: break
    }
    switch observation.error {
    case .brokenPipe: return .settled(.neverDelivered)
    case .connectionReset, .timedOut, .other: return .settled(.unknown)
    case nil: break
    }
    switch observation.reading {
    case .endOfFile: return .resetMissing
    case .open: return observation.response == .cannotAnswer ? .resetMissing : .settled(.unknown)
    case .failed: return .settled(.unknown)
    }
  }
}
