/// ``RetrySettings``, ready to be asked. One for each route or upstream.
package struct RetryPolicy: Sendable, Hashable, BitwiseCopyable {
  /// Retries of one exchange; 0 switches them off.
  package let maximumRetries: UInt8
  private let statuses: FailureStatuses
  package let honoursIdempotencyKey: Bool
  let baseBackoff: Nanoseconds
  let longestBackoff: Nanoseconds
  let longestRetryAfter: Nanoseconds

  package static let off = RetryPolicy(RetrySettings())

  package init(_ settings: RetrySettings) {
    maximumRetries = UInt8(clamping: settings.limit)
    statuses = FailureStatuses(settings.statuses)
    honoursIdempotencyKey = settings.honoursIdempotencyKey
    baseBackoff = settings.baseBackoff
    longestBackoff = settings.longestBackoff
    longestRetryAfter = settings.longestRetryAfter
  }

  package var isOff: Bool { maximumRetries == 0 }

  /// Whether the settings name this status. The usual one, below 400, costs one comparison.
  @inline(__always)
  package func names(status: UInt16) -> Bool { status >= 400 && statuses.contains(status) }

  /// A random time up to a bound that doubles with each retry: full jitter, which spreads those who failed together best.
  func backoff(retriesBefore: UInt8, random: UInt64) -> Nanoseconds {
    let bound = baseBackoff * (Int64(1) << Int64(min(retriesBefore, 40)))
    return Jitter.part(of: min(bound, longestBackoff), random)
  }
}

/// A set of statuses from 400 to 599, in four words.
struct FailureStatuses: Sendable, Hashable, BitwiseCopyable {
  private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

  init(_ statuses: [UInt16]) {
    for status in statuses where status >= 400 && status < 600 {
      let bit = UInt64(1) << UInt64((status - 400) & 63)
      switch (status - 400) / 64 {
      case 0: words.0 |= bit
      case 1: words.1 |= bit
      case 2: words.2 |= bit
      default: words.3 |= bit
      }
    }
  }

  func contains(_ status: UInt16) -> Bool {
    guard status >= 400, status < 600 else { return false }
    let word: UInt64 =
      switch (status - 400) / 64 {
      case 0: words.0
      case 1: words.1
      case 2: words.2
      default: words.3
      }
    return word & (1 << UInt64((status - 400) & 63)) != 0
  }

  static func == (left: FailureStatuses, right: FailureStatuses) -> Bool { left.words == right.words }

  func hash(into hasher: inout Hasher) {
    hasher.combine(words.0)
    hasher.combine(words.1)
    hasher.combine(words.2)
    hasher.combine(words.3)
  }
}

/// What the Retry-After field of a response asks for (RFC 9110 section 10.2.3).
package enum RetryAfter: Sendable, Hashable, BitwiseCopyable {
  case notGiven
  case seconds(UInt32)
  /// A date, or what is not understood. It is passed on to the client, who may know what time it is there.
  case other

  package init(_ bytes: RawSpan, _ fields: borrowing FieldTable) {
    guard let value = fields.firstValue(of: .retryAfter) else {
      self = .notGiven
      return
    }
    self = bytes.decimal(value).map { .seconds($0) } ?? .other
  }
}

/// The `Idempotency-Key` field (draft-ietf-httpapi-idempotency-key-header).
package enum IdempotencyKey {
  package static func isPresent(_ bytes: RawSpan, _ fields: borrowing FieldTable) -> Bool {
    fields.firstValue(named: "idempotency-key", in: bytes).map { !$0.isEmpty } ?? false
  }
}

/// Why a failed request was not retried.
package enum NotRetried: UInt8, Sendable, Hashable, CaseIterable, BitwiseCopyable {
  case switchedOff
  /// The settings do not name the status.
  case statusNotNamed
  /// The cause is not the server's: another one, or another time, would not help.
  case notTheServer
  /// The method is not idempotent, and no key makes it so.
  case notIdempotent
  /// A part of a response, an interim one perhaps, has been passed on.
  case responsePassedOn
  /// A part of the request was not kept.
  case bodyNotKept
  case tooManyRetries
  /// The server wants to be left alone for longer than the settings wait.
  case retryAfterTooLong
  /// The exchange must be over before the retry could begin.
  case noTimeLeft
  /// The budget that retries share with replays is used up.
  case budgetExhausted
}
