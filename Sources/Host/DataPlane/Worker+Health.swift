import Core
import Logging

/// What the ends of attempts say about a server's health.
extension Worker {
  /// Tells the group of the server how an attempt ended. Where all are healthy a success costs one relaxed load.
  func noteOutcome(_ outcome: Ejection.Outcome, at server: Server) {
    guard let settings = server.upstream.settings.ejection,
      outcome.isFailure(settings) || server.record.health.needsSuccess
    else { return }
    switch server.group.ended(outcome, at: server.record, now: now) {
    case .unchanged: break
    case .ejected(let until):
      let name = server.record.name
      notices.post(now) {
        log.warning(
          "server \(name) of upstream \(server.upstream.name) is ejected for \(until.since(now).rounded.text): requests to it failed, last \(outcome.spoken)"
        )
      }
    case .admitted:
      let name = server.record.name
      notices.post(now) {
        log.info("server \(name) of upstream \(server.upstream.name) has stood the test behind its ejection")
      }
    }
  }

  /// The connection ended without a response, or with something that is none. That of one which had been used before says
  /// nothing: servers may close idle connections.
  func noteFailedAttempt(_ exchange: ActiveExchange, at server: Server) {
    noteOutcome(exchange.facts?.isReused == true ? .diedOnReuse : .failedAfresh, at: server)
  }

  /// The server took too long, unless the path to it has forgotten the connection, or it is the exchange as a whole that took
  /// long.
  func noteLateness(_ exchange: ActiveExchange, _ cause: FailureCause, at server: Server) {
    guard exchange.headAt == nil, !exchange.machine.lastEndWasSilent else { return }
    switch cause {
    case .responseTimeout, .sendTimeout: noteOutcome(.timedOut, at: server)
    default: break
    }
  }
}

extension Ejection.Outcome {
  fileprivate var spoken: String {
    switch self {
    case .answered(let status): "with the status \(status)"
    case .connectFailed: "because it could not be connected to"
    case .failedAfresh: "because a fresh connection ended without a response"
    case .diedOnReuse: "because a reused connection ended"
    case .timedOut: "because no response came in time"
    }
  }
}
