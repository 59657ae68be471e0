package import Core
import Logging

/// What a worker says of itself when asked.
package struct WorkerReport: Sendable {
  package var index: Int
  package var clientConnections: Int
  package var counters: Counters
  package var pools: [PoolReport]
}

/// One server's pool as one worker has it.
package struct PoolReport: Sendable {
  package var server: String
  package var isActive: Bool
  package var counts: Pool.Counts
  package var window: IdleWindow.Description
  package var health: ServerHealth.Description
}

extension Worker {
  func report() -> WorkerReport {
    var counters = counters
    counters.noticesSuppressed = notices.suppressed
    return WorkerReport(
      index: index, clientConnections: clients.count, counters: counters,
      pools: servers.map {
        PoolReport(
          server: $0.record.name, isActive: $0.isActive, counts: $0.pool.counts, window: $0.record.description,
          health: $0.record.health.description(at: now))
      })
  }

  // MARK: - Failures

  /// Counts a failure and says in the log what happened and what would prevent it.
  func noteFailure(_ client: ClientConnection, _ failure: Failure) {
    client.call.failure = failure
    counters.failures["\(failure.proxyStatusError)", default: 0] &+= 1
    if client.call.machine.replays > 0 { counters.replaysFailed &+= 1 }
    notices.post(now) {
      let sentence = failure.sentence(server: serverName(client))
      let prevention = failure.prevention.isEmpty ? "" : " " + failure.prevention
      log.warning("\(client.requestLine): \(failure.status): \(sentence)\(prevention)")
    }
  }

  // MARK: - Access log

  /// The exchange is over, however it ended.
  func endCall(_ client: ClientConnection) {
    guard client.call.isActive else { return }
    noteFinished(client)
    client.call.isActive = false
    if client.call.countsInLoad {
      client.call.countsInLoad = false
      load.exchangeEnded()
    }
  }

  private func noteFinished(_ client: ClientConnection) {
    if client.call.machine.replays > 0, client.call.failure == nil, !client.call.clientWasLost {
      counters.replaysAnswered &+= 1
    }
    if client.call.machine.retries > 0 { noteRetried(client) }
    switch settings.logs.access {
    case .off: return
    case .text: AccessLine.appendText(record(client), to: &accessLines)
    case .json, .common, .combined, .custom: AccessLine.appendJSON(record(client), to: &accessLines)
    }
    if accessLines.count > Self.accessBatch { flushAccessLog() }
  }

  private static let accessBatch = 65_536

  func flushAccessLog() {
    guard let accessLog, !accessLines.isEmpty else { return }
    accessLog.write(accessLines)
    accessLines.removeAll(keepingCapacity: true)
  }

  private func record(_ client: ClientConnection) -> AccessLine.Record {
    let call = client.call
    return AccessLine.Record(
      wallNanoseconds: now.nanoseconds &+ wallOffset, client: client.peer.host, requestLine: client.requestLine,
      requestID: call.requestID, receivedRequestID: call.receivedRequestID, status: call.status,
      bytesIn: call.requestBodyBytes, bytesOut: call.responseBodyBytes,
      duration: now.since(call.startedAt),
      untilLeased: call.facts == nil ? nil : call.leasedAt.since(call.startedAt),
      untilHead: call.headAt.map { $0.since(call.startedAt) },
      server: call.server?.record.name, connection: call.upstreamLogID, facts: call.facts,
      attempts: call.machine.attempts, replays: call.machine.replays, retries: call.machine.retries,
      verdict: call.machine.lastVerdict,
      failure: call.failure, clientWasLost: call.clientWasLost)
  }

  // MARK: - Forwarding

  func forwarding(for peer: SocketAddress) -> Forwarding {
    var written: Forwarding.Fields = []
    if settings.forwarding.xForwarded { written.formUnion([.xForwardedFor, .xForwardedProto, .xForwardedHost]) }
    if settings.forwarding.forwarded { written.formUnion(.forwarded) }
    if settings.forwarding.via { written.formUnion(.via) }
    if settings.forwarding.requestID { written.formUnion(.xRequestID) }
    var isTrusted = false
    if !settings.forwarding.trustedPeers.isEmpty {
      let bytes = peer.ipBytes
      isTrusted = settings.forwarding.trustedPeers.contains { $0.contains(bytes) }
    }
    return Forwarding(
      clientAddress: peer.isUnix ? [] : Array(peer.host.utf8), clientPort: 0, scheme: scheme, peerIsTrusted: isTrusted,
      pseudonym: viaName, fields: written)
  }

  var viaName: [UInt8] { pseudonym }

  /// The value of Date, made anew each second.
  var dateValue: [UInt8] {
    if now.since(dateMadeAt) >= .seconds(1) || date.isEmpty {
      dateMadeAt = now
      takeWallClock()
      date = WallTime.httpDate(ofNanoseconds: now.nanoseconds &+ wallOffset)
    }
    return date
  }
}

extension IdleWindow.Description {
  /// In words, for the log.
  package var sentence: String {
    let limit = bounds.leaseLimit.rounded.text
    let proven = bounds.provenAge == .unlimited ? "any age" : bounds.provenAge.rounded.text
    let use = "connections are reused up to an idle age of \(limit), for non-idempotent requests up to \(proven)"
    switch source {
    case .off: return "the idle window is off; connections are reused up to \(limit)"
    case .configured: return "nothing is known yet of its idle timeout; \(use)"
    case .hint:
      return "says that it keeps idle connections for \(hintSeconds.map { "\($0) s" } ?? "a time"); \(use)"
    case .learned:
      let closed =
        estimate.map { "closes idle connections after about \($0.rounded.text)" } ?? "closes idle connections"
      return
        "\(closed) (\(samples) seen, spread \(jitter.rounded.text), round trip \(roundTripTime.rounded.text)); \(use)"
    case .reusePointless: return "closes its connections after every response; they are not reused"
    }
  }
}

extension Nanoseconds {
  /// To three figures or so, for people.
  var rounded: Nanoseconds {
    if self == .unlimited { return self }
    if count >= 10_000_000_000 { return Nanoseconds(count / 100_000_000 * 100_000_000) }
    if count >= 1_000_000 { return Nanoseconds(count / 1_000_000 * 1_000_000) }
    return Nanoseconds(count / 1_000 * 1_000)
  }
}
