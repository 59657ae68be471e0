/// What one connection of a probe was for.
package enum ProbePlan: Equatable, Sendable {
  /// So many requests, then nothing until the server closes.
  case idle(requests: Int)
  /// As `idle`; when the server has closed, one more request is written.
  case lateRequest
  /// Nothing is ever sent.
  case unused
  /// The beginning of a request, and nothing more.
  case halfSent
  /// One request after the other until the server closes, at most so many.
  case requests(limit: Int)
  /// A request in HTTP/1.0, with or without `Connection: keep-alive`.
  case version10(keepAlive: Bool)
  /// A HEAD request, and another one behind it.
  case head
  /// A request, the given idle time, and another request.
  case reuse(after: Nanoseconds)

  /// A few words for a heading.
  package var name: String {
    switch self {
    case .idle(let requests): "idle after \(requests) request\(requests == 1 ? "" : "s")"
    case .lateRequest: "request after the close"
    case .unused: "connection that is never used"
    case .halfSent: "half a request"
    case .requests: "requests per connection"
    case .version10(keepAlive: false): "HTTP/1.0"
    case .version10(keepAlive: true): "HTTP/1.0 with keep-alive"
    case .head: "HEAD"
    case .reuse(let age): "reuse after \(Double(age.milliseconds) / 1_000) s"
    }
  }
}

/// How a server ended a connection.
package enum ProbeEnding: String, Sendable {
  case fin = "FIN"
  case reset = "RST"
  /// TLS: close_notify, then the FIN.
  case notified = "close_notify"
  /// It did not, as long as the probe waited.
  case open
}

/// What came of a request that was written after the server's FIN.
package enum LateAnswer: String, Sendable {
  case reset
  case answered
  /// Acknowledged, and nothing more: the server lingers, or has closed one direction only.
  case silence
  /// Not even acknowledged.
  case vanished
}

/// Why a server cannot be measured at all.
package enum ProbeObstacle: Equatable, Sendable {
  /// No address accepted a connection.
  case unreachable(String)
  /// TLS was begun with a server that does not speak it.
  case plainServer
  /// HTTP was spoken to a server that wants TLS.
  case wantsTLS
  case certificate(String)
  case handshake(String)
  /// The server speaks something else, as far as that can be told.
  case notHTTP(String)
  /// The connection ended, or time ran out, before the first answer.
  case noAnswer(String)

  /// The fact and the likely fix.
  package var text: String {
    switch self {
    case .unreachable(let reason): reason
    case .plainServer: "it does not speak TLS on this port; if that is right, give http:// instead of https://"
    case .wantsTLS: "it wants TLS on this port; give https:// instead of http://"
    case .certificate(let reason):
      "its certificate is not accepted: \(reason); --insecure measures nevertheless"
    case .handshake(let reason): "the TLS handshake failed: \(reason)"
    case .notHTTP(let reason): "\(reason); --tcp measures any server"
    case .noAnswer(let reason): reason
    }
  }
}

/// What one connection of a probe showed.
package struct ProbeObservation: Equatable, Sendable {
  package var plan: ProbePlan
  /// From the connect to its success.
  package var connectTime: Nanoseconds?
  /// Requests that were sent, answers that came, and the status of the last.
  package var requests = 0
  package var answers = 0
  package var status: Int?
  /// Where a redirect leads.
  package var location: String?
  package var ending = ProbeEnding.open
  /// From the last byte received (or from the connect, or from the last byte sent, where none was) to the end.
  package var age: Nanoseconds?
  /// For how long it stayed open, from where ``age`` counts, when the probe waited no longer.
  package var watched: Nanoseconds?
  /// An answer announced the close.
  package var closeWasAnnounced = false
  package var advertisedTimeout: Int?
  package var advertisedMaximum: Int?
  /// Something came that was not asked for: its status, when it is HTTP.
  package var unaskedStatus: Int?
  /// Content followed an answer that may have none.
  package var hasContentBehindHead = false
  package var late: LateAnswer?
  /// The protocol that ALPN chose.
  package var protocolName: String?
  /// What is wrong with the server's certificate, where that was accepted nevertheless.
  package var certificateProblem: String?
  package var obstacle: ProbeObstacle?
  /// What went wrong with it.
  package var problem: String?

  package init(plan: ProbePlan) {
    self.plan = plan
  }
}

/// What a probe of a live server showed.
package struct ProbeResult: Sendable {
  package var target: String
  package var isHTTP: Bool
  package var observations: [ProbeObservation]
  /// How long it waited for closes.
  package var waited: Nanoseconds
  /// The longest by which the prober itself was late.
  package var lateness: Nanoseconds
  /// The address that was measured, and others of the same name.
  package var address = ""
  package var otherAddresses: [String] = []
  /// Why there is nothing to tell.
  package var obstacle: ProbeObstacle?
  /// Somebody ended the probe before it was complete.
  package var wasInterrupted = false

  package init(
    target: String, isHTTP: Bool, observations: [ProbeObservation], waited: Nanoseconds, lateness: Nanoseconds = .zero
  ) {
    self.target = target
    self.isHTTP = isHTTP
    self.observations = observations
    self.waited = waited
    self.lateness = lateness
  }

  /// Closes that come sooner than this, and two round trips, after an answer belong to the answer.
  package static let atOnce = Nanoseconds.milliseconds(50)

  private func isAtOnce(_ age: Nanoseconds) -> Bool { age < ProbeResult.atOnce + (roundTrip ?? .zero) * 2 }

  /// After so many answers it closes at once and without notice, where a connection with fewer answers stays open: a limit of
  /// requests, and no idle timeout. nil where none was seen.
  package var unannouncedRequestLimit: Int? {
    guard isHTTP else { return nil }
    let limit = observations.filter { seen in
      !seen.closeWasAnnounced && seen.ending != .open && seen.answers > 1 && seen.plan != .head
        && seen.age.map(isAtOnce) == true
    }.map(\.answers).min()
    guard let limit else { return nil }
    let isSurvivedWithFewer = observations.contains { seen in
      seen.answers > 0 && seen.answers < limit && (seen.age ?? seen.watched).map { !isAtOnce($0) } == true
    }
    return isSurvivedWithFewer ? limit : nil
  }

  /// Idle ages at which it closed connections that had been used.
  package var idleAges: [Nanoseconds] {
    let limit = unannouncedRequestLimit ?? .max
    return observations.compactMap { seen in
      guard !seen.closeWasAnnounced, seen.ending != .open else { return nil }
      if seen.answers >= limit, seen.age.map(isAtOnce) == true { return nil }
      switch seen.plan {
      case .idle, .lateRequest: return seen.answers > 0 || !isHTTP ? seen.age : nil
      case .unused: return isHTTP || requests > 0 ? nil : seen.age
      case .halfSent, .requests, .version10, .head, .reuse: return nil
      }
    }
  }

  /// How far a measured age may be from the truth: two round trips, ten milliseconds, and how late the prober was seen to be.
  package var error: Nanoseconds { (roundTrip ?? .zero) * 2 + .milliseconds(10) + lateness }

  /// The shortest connect: a round trip.
  package var roundTrip: Nanoseconds? { observations.compactMap(\.connectTime).min() }

  /// What it cost the server.
  package var connections: Int { observations.filter { $0.connectTime != nil }.count }
  package var requests: Int { observations.map(\.requests).reduce(0, +) }
}
