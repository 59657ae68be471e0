package import Core

/// What a probe's observations mean for a proxy in front of the server.
package struct ProbeReport {
  package enum Verdict: String, Sendable {
    /// The proxy gives connections up well before the server does.
    case safe
    /// It does, but not by a margin that delays and jitter allow for.
    case tight
    /// The server closes first: requests will be lost.
    case race
    /// The server did not close as long as the probe waited.
    case unknown
  }

  package let result: ProbeResult
  let proxyIdle: Nanoseconds?

  package init(_ result: ProbeResult, proxyIdle: Nanoseconds?) {
    self.result = result
    self.proxyIdle = proxyIdle
  }

  /// The idle age at which the server closes: the least that was seen.
  package var timeout: Nanoseconds? { result.idleAges.min() }
  package var latest: Nanoseconds? { result.idleAges.max() }
  var samples: Int { result.idleAges.count }
  var jitter: Nanoseconds { (latest ?? .zero) - (timeout ?? .zero) }

  /// How far the timeout may be from the least idle age at which the server ever closes: the error of a measured age, and as far
  /// as the true bound can lie, with 19 chances of 20, below the least of so many ages that vary evenly.
  package var error: Nanoseconds { result.error + beyondTheSeen }

  /// Of `n` values drawn evenly from a range the least lies more than `x` times their spread above the range's lower end with
  /// probability (1 + x)^(1 - n). That is 1/20 for x = 20^(1 / (n - 1)) - 1, in thousandths here.
  private static let thousandths: [Int64] = [
    19_000, 3_472, 1_714, 1_115, 820, 647, 534, 454, 395, 349, 313, 284, 259, 239, 221, 206, 193, 181, 171,
  ]

  private var beyondTheSeen: Nanoseconds {
    guard samples >= 2 else { return .zero }
    let factor = ProbeReport.thousandths[min(samples - 2, ProbeReport.thousandths.count - 1)]
    return min(Nanoseconds(jitter.count / 1_000 * factor), timeout ?? .zero)
  }

  package var hold: Nanoseconds? {
    timeout.map { TimeoutEstimate.hold(below: max(.zero, $0 - beyondTheSeen), roundTrip: result.roundTrip ?? .zero) }
  }

  package var closesAfterEachAnswer: Bool { announcesEachClose || closesUnannounced }

  /// Whether there is a time for which connections can be held at all.
  package var canHold: Bool { (hold ?? .zero) >= ProbeReport.leastHold }

  /// Holding connections for less than this saves next to nothing.
  private static let leastHold = Nanoseconds.milliseconds(100)

  /// Connections with ordinary answers, as a proxy would get them. An answer to HEAD has no content whose end a close could mark.
  private var used: [ProbeObservation] {
    result.observations.filter { seen in
      switch seen.plan {
      case .idle, .lateRequest, .requests, .reuse: seen.answers > 0
      case .unused, .halfSent, .version10, .head: false
      }
    }
  }

  private var announcesEachClose: Bool { !used.isEmpty && used.allSatisfy(\.closeWasAnnounced) }

  /// It closes right behind each answer without having said so.
  var closesUnannounced: Bool {
    guard result.isHTTP, let latest else { return false }
    return latest < ProbeResult.atOnce + (result.roundTrip ?? .zero) * 2 && used.allSatisfy { $0.answers == 1 }
  }

  /// The longest that a connection was seen idle without being closed. How long the probe took tells nothing of that: it may
  /// have waited for an answer.
  var survived: Nanoseconds {
    result.observations.compactMap { seen in
      guard seen.ending == .open, seen.answers > 0 || !result.isHTTP else { return nil }
      switch seen.plan {
      case .idle, .lateRequest, .reuse: return seen.watched
      case .unused: return result.isHTTP ? nil : seen.watched
      case .halfSent, .requests, .version10, .head: return nil
      }
    }.max() ?? .zero
  }

  /// Nothing was learned.
  var obstacle: String? {
    if let obstacle = result.obstacle { return obstacle.text }
    if result.wasInterrupted, result.isHTTP, result.observations.allSatisfy({ $0.answers == 0 }), timeout == nil {
      return "the probe was interrupted before the server had answered"
    }
    guard result.observations.allSatisfy({ $0.problem != nil }) else { return nil }
    if result.wasInterrupted { return "the probe was interrupted before anything was learned" }
    return result.observations.compactMap(\.problem).first ?? "no connection could be made"
  }

  package var verdict: Verdict? {
    guard let proxyIdle, obstacle == nil else { return nil }
    // Without an announcement a proxy will reuse a connection that is about to be closed.
    if closesUnannounced { return .race }
    if closesAfterEachAnswer { return .safe }
    if result.unannouncedRequestLimit != nil { return .race }
    guard let timeout, let hold else { return proxyIdle < survived / 5 * 4 ? .safe : .unknown }
    if proxyIdle <= hold { return .safe }
    return proxyIdle + error < timeout ? .tight : .race
  }

  package var wasInterrupted: Bool { result.wasInterrupted }

  /// 0 safe, or nothing was asked; 1 the proxy's time is too long; 2 the server could not be measured; 3 unknown.
  package var exitCode: Int32 {
    if obstacle != nil { return 2 }
    switch verdict {
    case .safe?: return 0
    case nil: return timeout != nil || closesAfterEachAnswer ? 0 : 3
    case .tight?, .race?: return 1
    case .unknown?: return 3
    }
  }

  /// The first line.
  func answer(_ ink: Ink) -> String {
    if let obstacle { return ink.red("\(result.target) could not be measured: ") + obstacle + "." }
    let line = finding(ink)
    guard let verdict, let proxyIdle else { return line }
    let idle = Display.duration(proxyIdle)
    switch verdict {
    case .safe: return ink.green("Safe: ") + "holding idle connections for \(idle) is within the limit. " + line
    case .tight:
      return ink.yellow("Tight: ") + "\(idle) is below the server's timeout, without a margin. " + line
    case .race: return ink.red("Race: ") + "a proxy that holds idle connections for \(idle) will lose requests. " + line
    case .unknown: return ink.yellow("Unknown: ") + line + " Wait longer (--max-wait)."
    }
  }

  private func finding(_ ink: Ink) -> String {
    if closesUnannounced {
      return "\(result.target) closes the connection right behind each answer without announcing it "
        + "(no Connection: close); a proxy must not reuse its connections at all."
    }
    if closesAfterEachAnswer {
      return
        "\(result.target) closes the connection after each answer, and says so: there is nothing to reuse, and no race."
    }
    guard let timeout, let hold else {
      let line =
        "\(result.target) has no idle limit that was seen: none within \(Display.duration(survived))." + limitText
      let advertised = result.observations.compactMap(\.advertisedTimeout).max()
      guard let advertised, .seconds(Int64(advertised)) + .seconds(2) > survived else { return line }
      return line + " It announces \(advertised) s: wait longer than that (--max-wait)."
    }
    return "\(result.target) closes idle connections after \(Display.duration(timeout)) +-\(Display.duration(error)); "
      + (canHold
        ? "a proxy may hold them for at most " + ink.bold(Display.duration(hold)) + "."
        : "no proxy should hold them: no time is safely below that.") + limitText
  }

  private var limitText: String {
    guard let limit = result.unannouncedRequestLimit else { return "" }
    return " It also closes after \(Display.count(limit, "request")) without announcing it (no Connection: close): "
      + "a proxy that sends another at once loses it."
  }
}
