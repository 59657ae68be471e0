internal import Core

/// Applications for which nothing in these files is in front: judged against what is usually there, and told as such.
enum LonelyRules {
  /// What most balancers and proxies hold: AWS ALB, ingress-nginx, nginx.
  static let usualHold = Nanoseconds.seconds(60)

  static func findings(_ servers: [CheckedServer]) -> [CheckFinding] {
    var findings: [CheckFinding] = []
    var told: Set<String> = []
    for server in servers where !server.isProxy {
      let verdict = CheckHop.compare(hold: .time(usualHold), server: server.idle.value)
      guard verdict == .race || verdict == .thin && !server.idle.isAssumed else { continue }
      // Many places with the same default say the same thing.
      if server.idle.isAssumed, !told.insert(server.software.rawValue).inserted { continue }
      findings += verdict == .thin ? [thin(server)] : race(server)
    }
    return findings
  }

  private static func race(_ server: CheckedServer) -> [CheckFinding] {
    let keeps = server.idle.value.spoken
    var finding = CheckFinding(
      .holdLongerThanServer, .warning, .open, at: server.idle.place ?? server.place,
      "\(server.title) closes idle connections after \(keeps). What is in front of it is not in these files: behind anything that holds "
        + "longer (AWS ALB and ingress-nginx 60 s, Heroku 90 s, Google Cloud 600 s) requests that meet the close are lost.",
      evidence: [said(server)])
    if let text = server.remedy.text(CheckHop.advisedKeepAlive(for: usualHold)) {
      finding.changes = [CheckChange(text, at: server.idle.place ?? server.place)]
    }
    let what = server.idle.isAssumed ? "and its own time is the default" : "and only its own time is written"
    let assumed = CheckFinding(
      .assumedDefault, .note, .open, at: server.place,
      "What is in front of \(server.title) was assumed, \(what): a balancer with the usual hold of \(usualHold.spoken) (AWS ALB, any version). "
        + "Give its configuration, too, or say the chain with --chain.",
      evidence: [said(server)])
    return [finding, assumed]
  }

  private static func thin(_ server: CheckedServer) -> CheckFinding {
    let isEqual = server.idle.value == .time(usualHold)
    var finding = CheckFinding(
      .equalOrThinMargin, .warning, .open, at: server.idle.place ?? server.place,
      "\(server.title) keeps idle connections for \(server.idle.value.spoken), "
        + (isEqual ? "exactly" : "hardly longer than")
        + " what AWS ALB, ingress-nginx and nginx hold by default (60 s): "
        + (isEqual ? "with equal times either side may close first." : "the margin is too thin."),
      evidence: [said(server)])
    if let text = server.remedy.text(CheckHop.advisedKeepAlive(for: usualHold)) {
      finding.changes = [CheckChange(text, at: server.idle.place ?? server.place)]
    }
    return finding
  }

  private static func said(_ server: CheckedServer) -> CheckEvidence {
    guard let fact = server.idle.fact, server.idle.isAssumed else {
      return CheckEvidence("`\(server.idle.setting)` \(server.idle.value.spoken)", at: server.idle.place)
    }
    return CheckEvidence(
      "\(server.idle.value.spoken) is the default (\(fact.software.title), \(fact.versions == .all ? "any version" : "version \(fact.versions.text)"); "
        + "\(fact.source))", at: server.place)
  }
}
