internal import Core

/// Requests one after the other, each on a connection of its own: for faults that do not depend on the moment.
struct PlainTraffic {
  private let settings: DriveSettings

  init(_ settings: DriveSettings) { self.settings = settings }

  /// How a GET ends that is in no count.
  static func answer(of address: SocketAddress) -> DriveEnd {
    var settings = DriveSettings(target: address, host: "race.test")
    settings.method = "GET"
    settings.patience = .seconds(5)
    return PlainTraffic(settings).end(of: nil)
  }

  func drive(_ progress: (Int) -> Void) -> DriveLedger {
    var ledger = DriveLedger(idPrefix: settings.idPrefix)
    let start = MonotonicClock.now
    for number in 0..<settings.count {
      let began = MonotonicClock.now
      var outcome = DriveOutcome(number: number, end: .closed)
      outcome.end = end(of: ledger.id(of: outcome))
      outcome.latency = MonotonicClock.now.since(began)
      ledger.outcomes.append(outcome)
      ledger.latency.record(outcome.latency)
      progress(number + 1)
    }
    ledger.duration = MonotonicClock.now.since(start)
    return ledger
  }

  private func end(of id: String?) -> DriveEnd {
    let body = String(repeating: "x", count: settings.effectiveBodyBytes)
    var head = "\(settings.method) \(settings.path) HTTP/1.1\r\nHost: \(settings.host)\r\n"
    if let id { head += "X-Race-Id: \(id)\r\n" }
    if !body.isEmpty { head += "Content-Type: text/plain\r\nContent-Length: \(body.utf8.count)\r\n" }
    do {
      let socket = try BlockingSocket(to: settings.target, atMost: settings.patience)
      try socket.send(head + "Connection: close\r\n\r\n" + body)
      let answer = try socket.receiveAll(atMost: settings.patience)
      guard !answer.isEmpty else { return .closed }
      let words = answer.prefix { $0 != "\r\n" }.split(separator: " ")
      guard words.count > 1, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else { return .malformed }
      return (200..<300).contains(status) ? .answered : .status(status)
    } catch BlockingSocket.Failure.timedOut {
      return .timedOut
    } catch BlockingSocket.Failure.failed("connect", let code) {
      return .notConnected(code)
    } catch BlockingSocket.Failure.failed(_, 104) {
      return .reset
    } catch {
      return .closed
    }
  }
}
