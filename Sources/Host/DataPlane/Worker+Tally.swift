import Core

/// What is counted for routes and servers, and the incidents that are told of. Plain integers of this thread: who wants to know
/// asks for a report.
extension Worker {
  // MARK: - Exchanges

  /// The exchange is over, however it ended.
  func tallyEnd(_ exchange: ActiveExchange) {
    var ended = ExchangeCounts.Ended(
      status: exchange.status, wasAborted: exchange.clientWasLost, duration: now.since(exchange.startedAt),
      firstByte: exchange.headAt?.since(exchange.startedAt), requestBytes: exchange.requestBodyBytes,
      responseBytes: exchange.responseBodyBytes)
    exchange.route?.tally.counts.record(ended)
    if let server = exchange.server {
      // A head that the server did not send is the proxy's own.
      ended.firstByte = exchange.failure == nil ? exchange.headAt?.since(exchange.sentAt) : nil
      server.counts.exchanges.record(ended)
    }
    if exchange.race != nil || exchange.failure != nil { tellEnd(exchange) }
  }

  /// An exchange that met the race, or failed.
  private func tellEnd(_ exchange: ActiveExchange) {
    let race = exchange.race
    let kind: Incident.Kind
    switch (race != nil, exchange.failure != nil) {
    case (true, false):
      // Nobody was there to take an answer.
      if exchange.clientWasLost { return }
      kind = .repaired
    case (true, true): kind = .lost
    case (false, _): kind = .failed
    }
    if let race {
      switch kind {
      case .repaired: race.server.counts.racesRepaired[race.verdict.label, default: 0] &+= 1
      case .lost: race.server.counts.racesLost[race.verdict.label, default: 0] &+= 1
      case .avoided, .unasked, .failed: break
      }
    }
    guard load.incidents.isRead else { return }
    var incident = incident(kind, of: exchange)
    incident.status = exchange.status
    incident.duration = now.since(exchange.startedAt)
    incident.verdict = (race?.verdict ?? exchange.machine.lastVerdict)?.label ?? ""
    if let race {
      incident.server = race.server.record.name
      incident.connection = race.connection
      note(race.facts, in: &incident)
      incident.evidence = race.evidence
    } else if let facts = exchange.facts {
      note(facts, in: &incident)
    }
    if let failure = exchange.failure {
      let name = serverName(exchange)
      incident.explanation = "\(failure.sentence(server: name)) \(failure.prevention(server: name))"
    }
    load.incidents.post(incident)
  }

  private func incident(_ kind: Incident.Kind, of exchange: ActiveExchange) -> Incident {
    var incident = Incident(kind, at: now.nanoseconds &+ wallOffset)
    incident.route = exchange.route?.name ?? ""
    incident.upstream = exchange.route?.upstream?.name ?? ""
    incident.server = exchange.server?.record.name ?? ""
    incident.request = requestLine(exchange)
    incident.requestID = String(decoding: requestID(exchange), as: UTF8.self)
    incident.connection = exchange.upstreamLogID
    incident.replays = exchange.machine.replays
    incident.retries = exchange.machine.retries
    return incident
  }

  private func note(_ facts: LeaseFacts, in incident: inout Incident) {
    incident.idleAge = facts.idleAge
    incident.connectionAge = facts.connectionAge
    incident.uses = facts.uses
  }

  // MARK: - The race

  /// The last look before the write found that the connection had ended, or that something could be read.
  func tallyAvoided(_ exchange: ActiveExchange, _ upstream: UpstreamConnection, _ facts: LeaseFacts, _ glance: Glance) {
    let how: String
    switch glance {
    case .quiet: return
    case .bytes: how = "unasked-bytes"
    case .endOfStream: how = "fin"
    case .failed: how = "reset"
    }
    upstream.server.counts.racesAvoided[how, default: 0] &+= 1
    guard load.incidents.isRead else { return }
    var incident = incident(.avoided, of: exchange)
    note(facts, in: &incident)
    incident.evidence = "seen before the write: \(how)"
    load.incidents.post(incident)
  }

  /// An attempt on a reused connection met its close, or silence. How the exchange ends says whether it was lost.
  func tallyRace(
    _ exchange: ActiveExchange, _ upstream: UpstreamConnection, _ observation: Observation, _ facts: LeaseFacts,
    _ verdict: Verdict
  ) {
    guard exchange.machine.lastEndWasRace || exchange.machine.lastEndWasSilent else { return }
    exchange.race = MetRace(
      server: upstream.server, connection: upstream.logID, facts: facts, verdict: verdict,
      evidence: load.incidents.isRead ? observation.sentence : "")
  }

  /// A server sent an answer that nobody had asked for.
  func tallyUnasked(of upstream: UpstreamConnection, seen place: UnaskedPlace) {
    upstream.server.counts.unasked[place.rawValue, default: 0] &+= 1
    guard load.incidents.isRead else { return }
    var incident = Incident(.unasked, at: now.nanoseconds &+ wallOffset)
    incident.upstream = upstream.server.upstream.name
    incident.server = upstream.server.record.name
    incident.connection = upstream.logID
    incident.evidence = "an answer without a request, seen \(place.rawValue)"
    load.incidents.post(incident)
  }
}

/// The race as an exchange met it, kept until it is known how the exchange ends.
struct MetRace {
  var server: Server
  var connection: UInt64
  var facts: LeaseFacts
  var verdict: Verdict
  var evidence: String
}

/// What one event loop has counted of a route. It outlasts the route's settings, as long as the name stays.
final class RouteTally {
  var counts = ExchangeCounts()
}

extension Observation {
  /// In words, for people.
  fileprivate var sentence: String {
    let end =
      switch reading {
      case .open: "open"
      case .endOfFile: "end of file"
      case .failed: "error"
      }
    let moved =
      switch acknowledgement {
      case .moved: "bytes of the request were acknowledged"
      case .unmoved: "no byte of the request was acknowledged"
      case .unavailable: "the socket does not say what was acknowledged"
      }
    let code =
      switch error {
      case .connectionReset: ", a RST (ECONNRESET)"
      case .brokenPipe: ", a RST behind the FIN (EPIPE)"
      case .timedOut: ", a timeout of the kernel (ETIMEDOUT)"
      case .other(let number): ", errno \(number)"
      case nil: ""
      }
    return "\(bytesSent) bytes sent; reading: \(end)\(code); \(moved)"
  }
}
