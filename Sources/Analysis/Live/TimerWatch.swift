import Core

/// Recognises a timer of a server while a capture goes on: closes during handling after the same time, again and again.
struct TimerWatch: Sendable {
  static let maximumServers = 256
  /// Lengths of one server that are remembered, the last ones.
  static let maximumLengths = 32
  private static let least = Nanoseconds.milliseconds(500)

  private var lengths: [Endpoint: [Nanoseconds]] = [:]

  init() {}

  /// Turns a close during handling into the work of a timer, when its length is round or was seen at least twice before.
  mutating func recognise(_ finding: inout CaptureFinding) {
    guard finding.finding.kind == .closedWhileHandling, let length = finding.duration, length >= TimerWatch.least else {
      return
    }
    let alike = remember(length, of: finding.server)
    let round = CaptureReport.roundLength(near: length)
    guard alike >= 3 || round != nil else { return }
    let why =
      alike >= 3
      ? "\(alike) requests to this server ended after the same time, about \(Display.duration(length))"
      : "the time is \(Display.duration(length)), within a hundredth of \(Display.duration(round ?? length))"
    finding.finding.kind = .serverTimer
    finding.finding.confidence = .likely
    finding.finding.evidence.append(EvidenceItem(text: why))
  }

  /// Returns how many of the server's last lengths, this one among them, are the same; 0 when they are not the most of them.
  private mutating func remember(_ length: Nanoseconds, of server: Endpoint) -> Int {
    guard lengths[server] != nil || lengths.count < TimerWatch.maximumServers else { return 0 }
    var all = lengths[server] ?? []
    all.append(length)
    if all.count > TimerWatch.maximumLengths { all.removeFirst() }
    lengths[server] = all
    let near = all.filter { abs($0.count - length.count) <= max(length.count / 50, 20_000_000) }.count
    return near * 2 >= all.count ? near : 0
  }
}
