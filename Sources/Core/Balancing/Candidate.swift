/// What a balancer looks at in one server of its upstream, as it is at this moment.
package struct Candidate: Sendable, Hashable, BitwiseCopyable {
  /// Neither unhealthy by its health checks nor ejected, and its name still resolves to it.
  package var isAvailable: Bool
  /// Only asked when no other server can be.
  package var isBackup: Bool
  /// As the settings have it; 0 gets nothing.
  package var weight: UInt32
  /// Its share of that weight, of ``wholeShare``: less while it starts slowly (``SlowStart``). At least 1.
  package var share: UInt16
  /// Requests that are under way there: of the process where the threads count together, else of this thread.
  package var requestsUnderWay: UInt32

  package static let wholeShare: UInt16 = 1_024

  package init(
    isAvailable: Bool = true, isBackup: Bool = false, weight: UInt32 = 1, share: UInt16 = Candidate.wholeShare,
    requestsUnderWay: UInt32 = 0
  ) {
    self.isAvailable = isAvailable
    self.isBackup = isBackup
    self.weight = weight
    self.share = share
    self.requestsUnderWay = requestsUnderWay
  }

  /// Its weight in parts of ``wholeShare``.
  @inline(__always)
  var effectiveWeight: UInt64 { UInt64(weight) &* UInt64(max(share, 1)) }
}

/// The servers that one exchange has asked in vain, by their index.
///
/// One word: from the 65th server on, two share a bit, so that a server may be passed over which was not asked. Another one is
/// asked then.
package struct TriedServers: Sendable, Hashable, BitwiseCopyable {
  private var bits: UInt64 = 0

  package init() {}

  package var isEmpty: Bool { bits == 0 }

  @inline(__always)
  package mutating func insert(_ index: Int) { bits |= 1 &<< UInt64(truncatingIfNeeded: index & 63) }

  @inline(__always)
  package func contains(_ index: Int) -> Bool { bits & (1 &<< UInt64(truncatingIfNeeded: index & 63)) != 0 }
}
