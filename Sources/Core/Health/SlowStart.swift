/// The share of its weight that a server gets while it warms up: from a tenth, evenly up to all of it.
///
/// It starts when the server joins those that were there already, becomes healthy again, or returns from an ejection. What is
/// there when the proxy starts does not start slowly: somebody has to serve.
package struct SlowStart: Sendable, Hashable, BitwiseCopyable {
  private let span: Nanoseconds
  private var start: Instant?

  /// - Parameter span: ``UpstreamSettings/slowStart``; zero switches it off.
  package init(_ span: Nanoseconds) {
    self.span = span
  }

  package mutating func begin(at now: Instant) { start = now }

  /// For ``Candidate/share``.
  package func share(now: Instant) -> UInt16 {
    guard let start, span > .zero else { return Candidate.wholeShare }
    let elapsed = now.since(start)
    if elapsed >= span { return Candidate.wholeShare }
    let whole = Int64(Candidate.wholeShare)
    // The span is at most 292 years, and a whole share is a thousand: divide before it overflows.
    let grown = elapsed.count / max(span.count / whole, 1)
    return UInt16(min(max(grown, whole / 10), whole))
  }
}
