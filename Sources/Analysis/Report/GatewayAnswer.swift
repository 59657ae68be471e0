package import Core

/// An answer by which a proxy says that its own server failed it, or is not there (RFC 9110 sections 15.6.3 to 15.6.5).
package struct GatewayAnswer: Sendable {
  package static let statuses: Set<Int> = [502, 503, 504]
  /// Kept one by one; beyond it they are counted only.
  static let maximum = 4_096

  package var trace: Int
  package var identity: ConnectionIdentity
  package var client: Endpoint
  package var server: Endpoint
  package var status: Int
  package var method: String
  package var target: String
  package var asked: Instant
  package var answered: Instant
  package var frame: Int64
  /// Number of the finding about the request that the proxy sent on, and lost.
  package var finding: Int?

  /// A 502 or 504 comes from a proxy, and says that something behind it failed. A 503 can come from the server itself.
  package var isFailureBehind: Bool { status != 503 }

  func isSame(as other: GatewayAnswer) -> Bool {
    trace != other.trace && identity.isWhole && identity == other.identity && status == other.status
      && target == other.target && method == other.method
  }
}

extension CaptureReport {
  /// Answers of a proxy that say that something behind it failed, which no finding explains.
  package var unexplainedGatewayAnswers: Int {
    gatewayAnswers.count { $0.isFailureBehind && $0.finding == nil }
  }

  /// Joins each 502, 503 and 504 with the request behind it that was lost, where the capture holds both.
  mutating func linkGatewayAnswers() {
    var taken: Set<Int> = []
    for index in gatewayAnswers.indices {
      let answer = gatewayAnswers[index]
      if let place = findings.firstIndex(where: {
        $0.gateway?.frame == answer.frame && $0.gateway?.trace == answer.trace
      }) {
        gatewayAnswers[index].finding = findings[place].number
        taken.insert(findings[place].number)
        continue
      }
      guard let place = findingBehind(answer, taken) else { continue }
      taken.insert(findings[place].number)
      gatewayAnswers[index].finding = findings[place].number
      findings[place].gateway = answer
      findings[place].finding.evidence.append(
        EvidenceItem(
          frame: answer.frame, time: answer.answered,
          text:
            "\(answer.client) was told \(answer.status) for it (\(answer.method) \(answer.target)) by the proxy at \(answer.server)"
        ))
    }
  }

  /// The finding whose request was sent between the client's request and its answer, from the proxy's host or for the same target.
  private func findingBehind(_ answer: GatewayAnswer, _ taken: Set<Int>) -> Int? {
    var best: (index: Int, score: Int)?
    for index in findings.indices {
      let finding = findings[index]
      guard finding.time >= answer.asked else { continue }
      guard finding.time <= answer.answered else { break }
      guard !taken.contains(finding.number), finding.exchange > 0, finding.identity != answer.identity,
        finding.method.isEmpty || answer.method.isEmpty || finding.method == answer.method
      else { continue }
      let isSameHost = finding.client.address == answer.server.address
      let isSameTarget = !answer.target.isEmpty && finding.request == "\(answer.method) \(answer.target)"
      let score = (isSameHost ? 1 : 0) + (isSameTarget ? 2 : 0)
      if score > best?.score ?? 0 { best = (index, score) }
    }
    return best?.index
  }

  /// What to say first of answers that come from a proxy: one line for each server that gave any.
  package var gatewayLines: [String] {
    servers.compactMap { server in
      let counted = GatewayAnswer.statuses.sorted().compactMap { status in
        server.statuses[status].map { (status, $0) }
      }
      let total = counted.reduce(0) { $0 + $1.1 }
      guard total > 0 else { return nil }
      let statuses = counted.map { "\($0.1) \($0.0)" }.joined(separator: ", ")
      let all = server.statuses.values.reduce(0, +)
      let line = "\(total) of \(Display.count(all, "answer")) of \(server.server) are \(statuses)"
      let linked = gatewayAnswers.filter { $0.server == server.server }.compactMap(\.finding)
      guard linked.count < total else {
        return line + ": a proxy gave them; the requests behind them that were lost are "
          + linked.prefix(8).map { "#\($0)" }.joined(separator: ", ") + (linked.count > 8 ? ", ..." : "")
      }
      let found =
        linked.isEmpty ? "" : "; for \(linked.count) of them this capture holds the request that was lost behind it"
      if counted.allSatisfy({ $0.0 == 503 }) {
        return line + found + ": an overloaded server gives them, or a proxy that has no server to ask"
      }
      return line + found
        + ": a proxy gives them when its own server failed it. Capture between that proxy and its server to see why"
    }
  }
}
