import Core

/// Recognises the server's timer for idle connections behind a close that looks like one during handling.
///
/// A server that closes at once behind a request, just when it closes idle connections anyhow, closed for idleness: the request
/// lay in its kernel, or it had read it and gave it to nobody.
struct IdleTimerMatch {
  /// Closes for idleness after about this time that must have been seen, where the server does not advertise it.
  private static let leastCloses = 2
  private static let tolerance = (part: Int64(33), least: Nanoseconds.milliseconds(30))

  private let server: ServerStatistics

  init(_ server: ServerStatistics) { self.server = server }

  /// Turns the finding into the race, when its idle time is that of the server's timer. Returns whether it did.
  func recognise(_ found: inout CaptureFinding) -> Bool {
    guard found.finding.kind == .closedWhileHandling, found.endedAtOnce, let idle = found.idleAge,
      let why = reason(idle)
    else { return false }
    let isReset = found.finding.missing.contains { $0.contains("reset") }
    found.finding.kind = isReset ? .resetUnread : .crossingHalfClose
    found.finding.confidence = .likely
    found.finding.summary += ", just when its timer for idle connections fires"
    found.finding.evidence.append(EvidenceItem(text: why))
    return true
  }

  private func reason(_ idle: Nanoseconds) -> String? {
    let width =
      max(idle / IdleTimerMatch.tolerance.part, IdleTimerMatch.tolerance.least) + (server.roundTrip ?? .zero) * 2
    if let advertised = server.advertisedTimeout {
      let span = Nanoseconds.seconds(Int64(advertised))
      if abs(span.count - idle.count) <= width.count {
        return
          "the server advertises that it closes after \(advertised) s of idling; the request came after "
          + Display.duration(idle)
      }
    }
    let near = server.serverCloseAges.filter { abs($0.count - idle.count) <= width.count }
    guard near.count >= IdleTimerMatch.leastCloses, let first = near.min(), let last = near.max() else { return nil }
    return
      "the server closed \(near.count) idle connections after \(Display.duration(first)) to \(Display.duration(last)); the "
      + "request came after \(Display.duration(idle))"
  }
}
