internal import Core

/// Rules that need nothing but one source of Node.js.
enum NodeRules {
  /// From here on the time for a head no longer counts while a connection is idle.
  static let headsMended = VersionRange(from: SoftwareVersion(18, 2))
  /// From here on `server.close()` closes idle connections itself.
  static let closesIdle = VersionRange(from: SoftwareVersion(19))

  static func wrongObject(_ settings: [NodeReader.Setting]) -> [CheckFinding] {
    settings.compactMap { setting in
      guard let kind = setting.kind, kind.isApplication else { return nil }
      let right = kind == .nest ? "app.getHttpServer().\(setting.timer)" : "server.\(setting.timer)"
      let how = kind == .nest ? "" : "const server = \(setting.receiver).listen(...); "
      return CheckFinding(
        .settingOnWrongObject, .warning, setting.isGuess ? .likely : .proved, at: setting.place,
        "`\(setting.receiver).\(setting.timer)` has no effect: `\(setting.receiver)` is \(kind.title), not the server, and nothing reads "
          + "that property. The server keeps Node's default (5 s up to Node 25).",
        changes: [CheckChange("\(how)\(right) = \(setting.written);", at: setting.place)])
    }
  }

  /// `headersTimeout` at or below `keepAliveTimeout`: up to 18.1 it ends idle connections.
  static func heads(_ settings: [NodeReader.Setting], _ version: VersionRange) -> [CheckFinding] {
    guard let idle = settings.last(where: { $0.timer == "keepAliveTimeout" }), let time = idle.value.number, time > 0,
      !(idle.kind?.isApplication ?? false), !version.isWithin(headsMended)
    else { return [] }
    let head = settings.last { $0.timer == "headersTimeout" }
    if let head, head.value.number == nil { return [] }
    let limit = head?.value.number ?? 60_000
    guard limit > 0, limit <= time else { return [] }
    // A default that nobody wrote is told only where the version is known to be old.
    let isOld = !version.overlaps(headsMended)
    guard head != nil || isOld else { return [] }
    let place = head?.place ?? idle.place
    let milliseconds = Nanoseconds.milliseconds(Int64(min(limit, 1e12)))
    let keeps = Nanoseconds.milliseconds(Int64(min(time, 1e12)))
    let wanted = Int64(min(time, 1e12)) + 1_000
    var findings = [
      CheckFinding(
        .secondTimer, .warning, isOld ? .proved : .likely, at: place,
        "`headersTimeout` (\(milliseconds.spoken)) is \(limit == time ? "no longer than" : "shorter than") `keepAliveTimeout` (\(keeps.spoken)): "
          + "Node 10.15 to below 18.2 counts it from the last response and closes idle connections after \(milliseconds.spoken), although "
          + "keepAliveTimeout is longer.",
        evidence: [CheckEvidence("keepAliveTimeout", at: idle.place), CheckEvidence("nodejs/node#27363")],
        changes: [
          CheckChange(
            "headersTimeout = \(wanted)", at: head?.valuePlace ?? idle.place,
            edit: head.map { .replace(old: $0.written, new: "\(wanted)") })
        ])
    ]
    if !isOld {
      findings.append(
        CheckFinding(
          .versionFlipsDefault, .note, .likely, at: place,
          "Node's version decides, and is not known here: from 18.2 on `headersTimeout` leaves idle connections alone.")
      )
    }
    return findings
  }

  /// A raised keep-alive, and a shutdown that waits for every idle connection.
  static func drain(_ reader: NodeReader, _ version: VersionRange) -> [CheckFinding] {
    let source = reader.source
    guard
      let raised = reader.settings.last(where: { $0.timer == "keepAliveTimeout" && !($0.kind?.isApplication ?? false) }
      ),
      let time = raised.value.number, time > 5_000, !version.isWithin(closesIdle),
      !source.mentions("closeIdleConnections"), !source.mentions("closeAllConnections"),
      source.tokens.contains(where: { $0.kind == .string && ($0.text == "SIGTERM" || $0.text == "SIGINT") })
    else { return [] }
    let close = source.tokens.indices.first { index in
      source.isWord(index, "close") && source.isMark(index - 1, ".") && source.isMark(index + 1, "(")
        && (reader.kinds[source.text(index - 2)] == .httpServer
          || source.text(index - 2).lowercased().hasSuffix("server"))
    }
    guard let close else { return [] }
    let keeps = Nanoseconds.milliseconds(Int64(min(time, 1e12)))
    return [
      CheckFinding(
        .blindDrain, .warning, version.overlaps(closesIdle) ? .likely : .proved, at: source.place(close),
        "`close()` at SIGTERM waits for idle keep-alive connections, now up to \(keeps.spoken): below Node 19 it closes none "
          + "of them, and the drain runs into terminationGracePeriodSeconds (30 s by default), which kills requests.",
        evidence: [CheckEvidence("keep-alive was raised here", at: raised.place)],
        changes: [
          CheckChange(
            "server.closeIdleConnections(); behind close(), again until it has ended", at: source.place(close))
        ])
    ]
  }
}
