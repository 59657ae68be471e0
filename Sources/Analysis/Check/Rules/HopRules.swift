internal import Core

/// Rules that look at a pool and a server together.
enum HopRules {
  static func findings(_ hop: CheckHop, hasFlipped: Bool) -> [CheckFinding] {
    switch hop.verdict {
    case .safe, .noReuse, .open: return rivals(hop)
    case .race: return [mismatch(hop)] + assumptions(hop) + flips(hop)
    case .thin: return [thin(hop)] + assumptions(hop)
    case .versionDecides:
      guard case .versions(let range) = hop.pool.use else { return [] }
      // A pool that somebody asked for will hurt as soon as the version lets it; one that nobody asked for is told as a note.
      if hasFlipped {
        var finding = hop.whenUsed == .thin ? thin(hop) : mismatch(hop)
        finding.confidence = .open
        finding.level = .warning
        finding.message = "With nginx \(range.text): " + finding.message
        return [finding] + assumptions(hop)
      }
      return [
        CheckFinding(
          .versionFlipsDefault, .note, .open, at: hop.pool.place,
          "\(hop.pool.title) reuses no connection below \(hop.pool.software.title) \(range.from?.text ?? ""); from that version on it does "
            + "by default, holds them for \(hop.pool.idle.value.spoken), and \(hop.server.title) closes after \(hop.server.idle.value.spoken).",
          evidence: evidence(hop))
      ]
    }
  }

  // MARK: - The mismatch

  private static func mismatch(_ hop: CheckHop) -> CheckFinding {
    let confidence = confidence(hop)
    let hold = hop.pool.idle.value == .never ? "without limit" : "for \(hop.pool.idle.value.spoken)"
    return CheckFinding(
      .holdLongerThanServer, confidence == .open ? .warning : .error, confidence, at: hop.pool.place,
      "\(hop.pool.title) holds idle connections \(hold)\(note(hop.pool.idle)), and \(hop.server.title) closes them after "
        + "\(hop.server.idle.value.spoken)\(note(hop.server.idle)): a request that meets the close is lost, as a 502 or a reset.",
      evidence: evidence(hop), changes: changes(hop))
  }

  private static func thin(_ hop: CheckHop) -> CheckFinding {
    let isEqual = hop.pool.idle.value == hop.server.idle.value
    let margin = (hop.server.idle.value.length ?? .zero) - (hop.pool.idle.value.length ?? .zero)
    return CheckFinding(
      .equalOrThinMargin, .warning, confidence(hop), at: hop.server.idle.place ?? hop.server.place,
      "\(hop.server.title) keeps idle connections for \(hop.server.idle.value.spoken), \(hop.pool.title) holds them for "
        + "\(hop.pool.idle.value.spoken): "
        + (isEqual
          ? "with equal times either side may close first, and requests are lost."
          : "a margin of \(margin.spoken) is eaten up by timers' steps and the way; 5 s is the least."),
      evidence: evidence(hop), changes: changes(hop))
  }

  private static func note(_ timer: CheckTimer) -> String { timer.note.isEmpty ? "" : " (\(timer.note))" }

  /// As sure as the least sure of its parts.
  private static func confidence(_ hop: CheckHop) -> Confidence {
    var least = hop.link
    for timer in [hop.pool.idle, hop.server.idle] where timer.isAssumed {
      let isSure = timer.rivals.isEmpty && (timer.fact?.isVerified ?? false)
      if least == .proved { least = isSure ? .likely : .likely }
    }
    return least
  }

  static func evidence(_ hop: CheckHop) -> [CheckEvidence] {
    [
      said(hop.pool.idle, "\(hop.pool.title) holds", hop.pool.place),
      said(hop.server.idle, "\(hop.server.title) keeps", hop.server.place),
      CheckEvidence("joined because \(hop.reason)"),
    ]
  }

  private static func said(_ timer: CheckTimer, _ who: String, _ place: CheckPlace) -> CheckEvidence {
    guard let fact = timer.fact, timer.isAssumed else {
      return CheckEvidence("\(who): `\(timer.setting)` \(timer.value.spoken)", at: timer.place ?? place)
    }
    return CheckEvidence(
      "\(who): \(timer.value.spoken), the default (\(fact.versions == .all ? "any version" : "version \(fact.versions.text)"); \(fact.source))",
      at: place)
  }

  static func changes(_ hop: CheckHop) -> [CheckChange] {
    var changes: [CheckChange] = []
    if let server = hop.server.idle.value.length, server != .unlimited {
      let isNginx = hop.pool.software == .nginx && hop.pool.idle.isAssumed && hop.pool.use != .unused
      changes += change(
        hop.pool.idle, hop.pool.remedy, CheckHop.advisedHold(for: server), hop.pool.place, mayInsert: isNginx)
    }
    if let hold = hop.pool.idle.value.length, hold != .unlimited {
      changes += change(
        hop.server.idle, hop.server.remedy, CheckHop.advisedKeepAlive(for: hold), hop.server.place, mayInsert: false)
    }
    // Holds of a second or two cost nearly all reuse: then the server is the side to change.
    if changes.count == 2, let server = hop.server.idle.value.length, server < .seconds(10), hop.pool.software != .nginx
    {
      changes.reverse()
    }
    return changes
  }

  private static func change(
    _ timer: CheckTimer, _ remedy: ServerRemedy, _ time: Nanoseconds, _ place: CheckPlace, mayInsert: Bool
  ) -> [CheckChange] {
    guard let text = remedy.text(time) else { return [] }
    var edit: CheckChange.Edit?
    if !timer.written.isEmpty, timer.place != nil, let value = remedy.value(time, like: timer.written) {
      edit = .replace(old: timer.written, new: value)
    } else if mayInsert {
      edit = .insertAfter(text)
    }
    return [CheckChange(text, at: timer.place ?? place, edit: edit)]
  }

  // MARK: - What was assumed

  private static func assumptions(_ hop: CheckHop) -> [CheckFinding] {
    [(hop.pool.idle, hop.pool.title, hop.pool.place), (hop.server.idle, hop.server.title, hop.server.place)].compactMap
    { timer, title, place in
      guard timer.isAssumed, let fact = timer.fact else { return nil }
      return CheckFinding(
        .assumedDefault, .note, timer.rivals.isEmpty ? .likely : .open, at: place,
        "Nothing sets `\(fact.setting)` of \(title): the default was taken, \(timer.value.spoken) "
          + "(\(fact.software.title), \(fact.versions == .all ? "any version" : "version \(fact.versions.text)"); \(fact.source))."
      )
    }
  }

  /// The server's default has changed from version to version, and only some of them lose requests.
  private static func flips(_ hop: CheckHop) -> [CheckFinding] {
    guard
      let rival = hop.server.idle.rivals.first(where: {
        CheckHop.compare(hold: hop.pool.idle.value, server: TimerValue($0.value)) != .race
      }),
      let fact = hop.server.idle.fact
    else { return [] }
    return [
      CheckFinding(
        .versionFlipsDefault, .note, .likely, at: hop.server.place,
        "The version of \(hop.server.software.title) decides, and is not known here: \(fact.versions.text) it closes after "
          + "\(hop.server.idle.value.spoken), \(rival.versions.text) after \(TimerValue(rival.value).spoken).")
    ]
  }

  private static func rivals(_ hop: CheckHop) -> [CheckFinding] { [] }
}
