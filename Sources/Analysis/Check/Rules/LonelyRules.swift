internal import Core

/// Applications for which nothing in these files is in front. Nobody can say that something is wrong there; what they would do behind
/// a balancer with the usual hold is told as a note.
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
    var findings: [CheckFinding] = []
    // Something is in front, or somebody chose the time: the mismatch is named. A default with nothing in sight is an assumption.
    if server.knowsAFront || !server.idle.isAssumed { findings.append(mismatch(server)) }
    let what =
      server.idle.isAssumed
      ? "nothing sets its keep-alive, so the default was assumed, \(server.idle.value.spoken)"
      : "only its own time of \(server.idle.value.spoken) is written"
    var assumed = CheckFinding(
      .assumedDefault, .note, .open, at: server.place,
      "What is in front of \(server.title) is not in these files, and \(what). Behind a balancer that holds idle connections for longer "
        + "(AWS ALB and ingress-nginx \(usualHold.spoken), Heroku 90 s, Google Cloud 600 s) requests that meet the close are lost. Give its configuration, "
        + "too, or say the chain with --chain.",
      evidence: [said(server)])
    assumed.changes = changes(server)
    return findings + [assumed]
  }

  private static func mismatch(_ server: CheckedServer) -> CheckFinding {
    CheckFinding(
      .holdLongerThanServer, .note, .open, at: server.idle.place ?? server.place,
      "\(server.title) closes idle connections after \(server.idle.value.spoken). What is in front of it is not in these files: behind anything "
        + "that holds longer (AWS ALB and ingress-nginx 60 s, Heroku 90 s, Google Cloud 600 s) requests that meet the close are lost.",
      evidence: [said(server)], changes: changes(server))
  }

  private static func changes(_ server: CheckedServer) -> [CheckChange] {
    server.remedy.text(CheckHop.advisedKeepAlive(for: usualHold)).map {
      [CheckChange($0, at: server.idle.place ?? server.place)]
    } ?? []
  }

  private static func thin(_ server: CheckedServer) -> CheckFinding {
    let isEqual = server.idle.value == .time(usualHold)
    return CheckFinding(
      .equalOrThinMargin, .note, .open, at: server.idle.place ?? server.place,
      "\(server.title) keeps idle connections for \(server.idle.value.spoken), "
        + (isEqual ? "exactly" : "hardly longer than")
        + " what AWS ALB, ingress-nginx and nginx hold by default (60 s): "
        + (isEqual ? "with equal times either side may close first." : "the margin is too thin."),
      evidence: [said(server)], changes: changes(server))
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
