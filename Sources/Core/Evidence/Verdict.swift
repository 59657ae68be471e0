/// What the evidence proves about the delivery of one attempt's request.
package enum Verdict: UInt8, Sendable, Hashable, CaseIterable, BitwiseCopyable {
  /// Not one byte of the request was handed to the kernel, or the connect failed.
  case neverSent
  /// The peer's socket was closed in both directions before the request reached it: no application can have read it.
  case neverDelivered
  /// Some byte of the request was acknowledged: the application may have read it.
  case delivered
  /// Neither is proved.
  case unknown
  /// No evidence, but testimony: the server says in the protocol that it has not acted on the request (RFC 9113 section 8.7).
  case refused

  /// Whether a replay would be the request's first delivery.
  package var provesNoDelivery: Bool {
    switch self {
    case .neverSent, .neverDelivered, .refused: true
    case .delivered, .unknown: false
    }
  }
}

extension Verdict: CustomStringConvertible {
  package var description: String {
    switch self {
    case .neverSent: "never sent"
    case .neverDelivered: "never delivered"
    case .delivered: "delivered"
    case .unknown: "unknown"
    case .refused: "refused"
    }
  }
}
