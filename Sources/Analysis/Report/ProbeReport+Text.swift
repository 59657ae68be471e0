import Core

extension ProbeReport {
  private static let nameWidth = 31

  package func text(ink: Ink) -> String {
    var lines = [answer(ink)]
    if obstacle == nil {
      lines.append("")
      lines += facts()
      let settings = settings(ink)
      if !settings.isEmpty { lines += [""] + settings }
    }
    if result.wasInterrupted { lines += ["", "Interrupted: this is what was known until then."] }
    return lines.joined(separator: "\n") + "\n"
  }

  private func facts() -> [String] {
    var lines: [String] = []
    func add(_ name: String, _ text: String) {
      lines.append("  " + name + String(repeating: " ", count: max(1, ProbeReport.nameWidth - name.count)) + text)
    }
    for (name, text) in connectionFacts() + idleFacts() { add(name, text) }
    if let timeout, !closesAfterEachAnswer {
      let names = FactTable.servers(keeping: timeout, within: error)
      if !names.isEmpty { add("such is the default of", names.joined(separator: ", ")) }
    }
    for seen in ordered { if let text = fact(seen) { add(seen.plan.name, text) } }
    add(
      "asked of the server",
      "\(Display.count(result.connections, "connection")), \(Display.count(result.requests, "request")), "
        + "\(Display.duration(result.waited))")
    return lines
  }

  /// In the order of their plans, whatever was done first.
  private var ordered: [ProbeObservation] {
    func rank(_ plan: ProbePlan) -> Int {
      switch plan {
      case .idle: 0
      case .reuse: 1
      case .lateRequest: 2
      case .requests: 3
      case .unused: 4
      case .halfSent: 5
      case .version10(keepAlive: false): 6
      case .version10(keepAlive: true): 7
      case .head: 8
      }
    }
    // Sorting keeps no order among equals of itself.
    return result.observations.enumerated()
      .sorted { (rank($0.element.plan), $0.offset) < (rank($1.element.plan), $1.offset) }.map(\.element)
  }

  private func connectionFacts() -> [(String, String)] {
    var facts: [(String, String)] = []
    if !result.address.isEmpty {
      let others = result.otherAddresses
      let more =
        others.isEmpty
        ? ""
        : " (the name has \(others.count) more, which may be other servers: "
          + others.prefix(4).joined(separator: ", ") + (others.count > 4 ? ", ..." : "") + ")"
      facts.append(("address", result.address + more))
    }
    if let time = result.roundTrip { facts.append(("round trip", Display.duration(time))) }
    if let name = result.observations.compactMap(\.protocolName).first {
      facts.append(("ALPN", name.isEmpty ? "nothing chosen of http/1.1" : name))
    }
    if let problem = result.observations.compactMap(\.certificateProblem).first {
      facts.append(("certificate", "not valid, and accepted because of --insecure: \(problem)"))
    }
    if let status = result.observations.compactMap(\.status).first, !(200..<300).contains(status) {
      let location = result.observations.compactMap(\.location).first.map { ", to \($0)" } ?? ""
      let hint = (300..<400).contains(status) ? "; it was not followed: this server was measured" : ""
      facts.append(("status", "\(status)\(location)\(hint)"))
    }
    return facts
  }

  private func idleFacts() -> [(String, String)] {
    var facts: [(String, String)] = []
    let ages = result.idleAges.sorted()
    if let first = ages.first, let last = ages.last {
      let range =
        ages.count == 1
        ? "1, after \(Display.duration(first)): one says nothing about jitter"
        : "\(ages.count), from \(Display.duration(first)) to \(Display.duration(last)): jitter "
          + Display.duration(last - first)
      facts.append(("idle closes", range))
    }
    let endings = Set(result.observations.filter { $0.age != nil && $0.plan != .halfSent }.map(\.ending.rawValue))
    if !endings.isEmpty { facts.append(("closes with", endings.sorted().joined(separator: ", "))) }
    guard result.isHTTP else { return facts }
    facts.append(("advertises", advertised))
    return facts
  }

  private var advertised: String {
    guard let seconds = result.observations.compactMap(\.advertisedTimeout).first else {
      return "no Keep-Alive timeout"
    }
    let maximum = result.observations.compactMap(\.advertisedMaximum).max().map { ", max=\($0)" } ?? ""
    let text = "Keep-Alive: timeout=\(seconds)\(maximum)"
    guard let timeout, !closesAfterEachAnswer else { return text }
    let difference = timeout - .seconds(Int64(seconds))
    if difference < .zero - error { return text + ", and closes before that: the announcement misleads" }
    if difference > error + .milliseconds(100) { return text + ", and closes \(Display.duration(difference)) later" }
    return text + ", and keeps to it"
  }

  private func fact(_ seen: ProbeObservation) -> String? {
    if let problem = seen.problem { return problem }
    switch seen.plan {
    case .idle: return nil
    case .lateRequest:
      switch seen.late {
      case nil: return nil
      case .reset?: return "is answered by a reset"
      case .answered?: return "is answered in spite of the close"
      case .silence?: return "is received and met by silence: it lingers, or has closed one direction only"
      case .vanished?: return "vanishes: nothing acknowledges it within a second"
      }
    // Where nothing is ever sent, this is the idle close itself.
    case .unused: return !result.isHTTP && result.requests == 0 && timeout != nil ? nil : limit(seen, "stays open")
    case .halfSent: return limit(seen, "is waited for,")
    case .requests(let limit):
      if seen.answers >= limit { return "at least \(limit)" }
      if seen.ending == .open, !seen.closeWasAnnounced { return "at least \(seen.answers)" }
      return "\(seen.answers), then \(seen.closeWasAnnounced ? "Connection: close" : "closed without notice")"
    case .version10:
      if seen.answers == 0 { return "no answer" }
      if seen.closeWasAnnounced { return "closes behind the answer" }
      return (seen.age ?? .seconds(1)) < .milliseconds(50) ? "closes at once behind the answer" : "keeps the connection"
    case .head: return headFact(seen)
    case .reuse:
      if seen.answers == 2 { return "answered" }
      return seen.closeWasAnnounced || seen.watched != nil ? nil : "failed"
    }
  }

  private func headFact(_ seen: ProbeObservation) -> String {
    if seen.hasContentBehindHead {
      return "sends content behind the answer, which has none (RFC 9110 section 9.3.2): what follows is misread"
    }
    if seen.answers == 2 { return "keeps the connection" }
    return seen.closeWasAnnounced ? "closes behind the answer" : "did not answer twice"
  }

  /// A limit of something else than idling between requests.
  private func limit(_ seen: ProbeObservation, _ stays: String) -> String {
    let unasked = seen.unaskedStatus.map { ", with an unasked \($0) first" } ?? ""
    guard let age = seen.age else {
      return "\(stays) for \(Display.duration(seen.watched ?? result.waited)) at least"
    }
    var text = "closed after \(Display.duration(age)) (\(seen.ending.rawValue))\(unasked)"
    if result.isHTTP, let timeout, seen.plan == .unused, abs((age - timeout).count) > (error + jitter).count {
      text += age < timeout ? ": sooner than a used one" : ": later than a used one"
    }
    return text
  }
}
