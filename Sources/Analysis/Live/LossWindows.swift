import Core

/// When a capture that goes on lost packets, as far back as matters to connections that are still to be judged.
struct LossWindows: Sendable {
  /// Windows that are remembered; beyond it the two oldest become one, which can only make more verdicts inconclusive.
  static let maximum = 256

  private struct Window: Sendable {
    var from: Instant
    var to: Instant
    var count: Int
  }

  private var windows: [Window] = []

  init() {}

  mutating func add(_ count: Int, from: Instant, to end: Instant) {
    guard count > 0 else { return }
    if let last = windows.last, from <= last.to {
      windows[windows.count - 1] = Window(from: last.from, to: max(last.to, end), count: last.count + count)
      return
    }
    windows.append(Window(from: from, to: end, count: count))
    if windows.count > LossWindows.maximum {
      let first = windows.removeFirst()
      windows[0] = Window(from: first.from, to: windows[0].to, count: first.count + windows[0].count)
    }
  }

  /// Makes a verdict inconclusive when a lost packet can have been an answer, an acknowledgement or a close that it rests on:
  /// one between the exchange before it and the end of the connection.
  func weaken(_ finding: inout CaptureFinding, connectionEnd: Instant) {
    let from = finding.time.nanoseconds - (finding.idleAge ?? .zero).count
    let hit = windows.filter { $0.to.nanoseconds >= from && $0.from <= connectionEnd }
    guard let first = hit.first, let last = hit.last else { return }
    let count = hit.map(\.count).reduce(0, +)
    var weaker = finding.finding
    if weaker.kind != .inconclusive { weaker.suspected = weaker.kind }
    weaker.kind = .inconclusive
    weaker.confidence = .open
    weaker.missing.append(
      "\(Display.count(count, "packet")) that the capture lost between \(Display.dateAndTime(first.from)) and "
        + "\(Display.dateAndTime(last.to)): one of them can have been an answer, an acknowledgement or a close")
    weaker.remedy = FindingKind.inconclusive.remedy
    finding.finding = weaker
  }
}
