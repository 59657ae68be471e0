package import Core

/// How a scripted origin behaves. Every field can be said as a verb, `name=value`; ``help`` lists them.
package struct OriginScript: Equatable, Sendable {
  /// A word that is no verb, or a verb with a value that it does not take.
  package struct VerbError: Error, Equatable, Sendable, CustomStringConvertible {
    package var word: String
    package var fact: String
    package var fix: String
    package var description: String { "\(word): \(fact); \(fix)" }
  }

  package enum IdleEnd: String, CaseIterable, Sendable {
    /// `close()`: a FIN.
    case close
    /// A RST (SO_LINGER 0).
    case abort
    /// `shutdown(SHUT_WR)`, then reads on and counts what it reads, without an answer.
    case halfClose = "half-close"
    /// As half-close, but aborts as soon as it has read a request.
    case halfCloseAbort = "half-close-abort"
    /// An unasked 408 with `Connection: close`, then `close()`.
    case farewell
  }

  package enum Death: String, CaseIterable, Sendable {
    /// Reads the request, then `close()` without an answer.
    case close
    /// Reads the request, then aborts.
    case abort
    /// Leaves the request unread and closes, which makes the kernel send a RST.
    case unread
  }

  package enum Hint: Equatable, Sendable {
    case none
    /// `Keep-Alive: timeout=N` with the idle time in whole seconds, rounded down.
    case truthful
    /// Any other number of seconds.
    case seconds(Int)
  }

  package enum Language: String, CaseIterable, Sendable {
    case http
    /// Answers whatever comes with a TLS alert and closes.
    case tls
    /// Greets like an SSH server.
    case ssh
    /// Greets like a mail server.
    case smtp
    /// Answers like Redis, and closes.
    case redis
    /// Answers with HTTP/2 frames, as a server that speaks nothing older.
    case http2
  }

  /// Idle time before the origin ends a connection; nil for never.
  package var idle: Nanoseconds? = .seconds(2)
  /// The idle time is drawn anew for each response, evenly from `idle` plus or minus this.
  package var jitter = Nanoseconds.zero
  package var atIdle = IdleEnd.close
  /// Looks for a request that has just arrived before it ends an idle connection, and serves that instead. Without it,
  /// a request that arrives with the timer is closed upon unread, and its sender sees a RST.
  package var looks = true
  package var hint = Hint.none
  /// Requests after which a connection is closed.
  package var requests: Int?
  /// Whether the last response says `Connection: close`.
  package var announcesClose = true
  /// Before a response is begun.
  package var delay = Nanoseconds.zero
  /// Between the bytes of a response's head; zero sends it whole.
  package var headPause = Nanoseconds.zero
  package var death: Death?
  /// Share of the requests that meet `death`, 0 to 1.
  package var deathShare = 1.0
  /// Sends half of each body, then closes.
  package var truncates = false
  package var language = Language.http
  package var status = 200
  /// Answers `Expect: 100-continue` with a 100; otherwise it just waits for the body.
  package var continues = true
  /// Draws jitter and deaths.
  package var seed: UInt64 = 1
  /// What it does with its connections step by step; the settings above hold where there are no steps.
  package var plan = OriginPlan()

  package init() {}

  static let settings: [(name: String, takes: String, means: String)] = [
    ("idle", "2s | never", "how long it keeps an idle connection"),
    ("jitter", "25ms", "draws each idle time from idle plus or minus this"),
    (
      "at-idle", "close",
      "what it does then: close (FIN), abort (RST), half-close (FIN, and reads on), half-close-abort (the same, and RST once "
        + "it has read a request), farewell (an unasked 408, and FIN)"
    ),
    ("look", "yes | no", "whether it looks for a request before it does that"),
    ("hint", "none | truthful | 5s", "the Keep-Alive: timeout=N that it sends, kept or not"),
    ("requests", "100", "closes a connection after so many"),
    ("announce", "yes | no", "whether the last response says Connection: close"),
    ("delay", "10ms", "waits before it responds"),
    ("head-pause", "5ms", "sends the head of a response byte by byte"),
    ("truncate", "yes | no", "sends half of the body, then closes"),
    ("status", "503", "the status of its responses"),
    ("die", "close | abort | unread", "reads a request and closes or aborts; or closes it unread"),
    ("share", "0.1", "share of the requests that meet this, all by default"),
    ("speaks", "http | tls | ssh | smtp | redis | http2", "what it speaks"),
    ("continue", "yes | no", "whether it answers Expect: 100-continue"),
    ("seed", "1", "of the draws"),
  ]

  /// What can be said, for people.
  package static let help = """
    Settings; in the query of a request they hold for that one alone
    (/?delay=20ms&die=close):
    \(settings.map { line($0.name + "=", $0.takes, $0.means) }.joined(separator: "\n"))

    Steps, for connections that are not just served:
    \(OriginVerbs.steps.map { line($0.name, $0.takes, $0.means) }.joined(separator: "\n"))
    \(line("2:  2-5:  7+:  *:", "", "the steps behind are for these connections, counted from 1"))
    Behind its last step a connection is served as the settings say.
    """

  /// A line of the help, or several: what a word means stands in a column of its own.
  private static func line(_ name: String, _ takes: String, _ means: String) -> String {
    let column = 28
    let left = "  " + name + takes
    var lines: [String] = []
    var current = ""
    for word in means.split(separator: " ") {
      if !current.isEmpty, current.count + word.count + 1 > 76 - column {
        lines.append(current)
        current = ""
      }
      current += (current.isEmpty ? "" : " ") + word
    }
    lines.append(current)
    let space = String(repeating: " ", count: column)
    let first = left.count < column - 1 ? left + space.dropFirst(left.count) + lines.removeFirst() : left
    return ([first] + lines.map { space + $0 }).joined(separator: "\n")
  }

  /// - Parameter verbs: settings, `name=value`, of which a later one wins, and steps.
  package init(verbs: some Sequence<String>) throws(VerbError) {
    try take(verbs.map { ($0, "") })
  }

  /// - Parameters:
  ///   - text: of a file of verbs.
  ///   - name: of that file, for what is wrong with it.
  ///   - verbs: further ones, which win.
  package init(file text: String, named name: String, verbs: some Sequence<String>) throws(VerbError) {
    try take(try OriginVerbs.words(inFile: text, named: name))
    try take(verbs.map { ($0, "") })
  }

  private mutating func take(_ words: [(word: String, place: String)]) throws(VerbError) {
    for (word, place) in words {
      do throws(VerbError) { try take(word) } catch {
        throw VerbError(word: place + error.word, fact: error.fact, fix: error.fix)
      }
    }
  }

  private mutating func take(_ word: String) throws(VerbError) {
    if let connections = try OriginVerbs.section(word) {
      plan.sections.append(OriginPlan.Section(connections: connections, steps: []))
      return
    }
    guard let step = try OriginVerbs.step(word) else { return try apply(word) }
    guard plan.count < OriginPlan.stepLimit else {
      throw VerbError(
        word: word, fact: "is one step too many", fix: "repeat goes back; \(OriginPlan.stepLimit) are enough")
    }
    if plan.sections.isEmpty { plan.sections.append(OriginPlan.Section(connections: 1...Int.max, steps: [])) }
    let last = plan.sections.count - 1
    if let previous = plan.sections[last].steps.last, previous.isLast {
      throw VerbError(
        word: word, fact: "can never be reached: the connection is gone by then, or the steps go back before it",
        fix: "move it before, or begin other connections with 2+:")
    }
    if case .again = step, !plan.sections[last].steps.contains(where: { if case .read = $0 { true } else { false } }) {
      throw VerbError(word: word, fact: "has no read to go back to", fix: "write read before it")
    }
    plan.sections[last].steps.append(step)
  }

  /// Changes one setting.
  package mutating func apply(_ verb: String) throws(VerbError) {
    let parts = verb.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    let names = Self.settings.map(\.name)
    if parts.count == 2, names.contains(parts[0]) { return try apply(verb, parts[0], parts[1]) }
    if names.contains(verb) {
      let takes = Self.settings.first { $0.name == verb }?.takes ?? ""
      throw VerbError(
        word: verb, fact: "is a setting without a value", fix: "write \(verb)=VALUE, where VALUE is: \(takes)")
    }
    let near = OriginVerbs.nearest(to: parts[0], among: names + OriginVerbs.steps.map(\.name))
    throw VerbError(
      word: verb, fact: "is not a verb that the origin knows",
      fix: near.map { "did you mean \($0)?" } ?? "photofinish origin --help lists them")
  }

  private mutating func apply(_ verb: String, _ name: String, _ value: String) throws(VerbError) {
    switch name {
    case "idle": idle = value == "never" ? nil : try OriginVerbs.time(verb, value)
    case "at-idle": atIdle = try OriginVerbs.choice(verb, value)
    case "look": looks = try OriginVerbs.truth(verb, value)
    case "jitter": jitter = try OriginVerbs.time(verb, value)
    case "hint":
      switch value {
      case "none": hint = .none
      case "truthful": hint = .truthful
      default: hint = .seconds(Int(try OriginVerbs.time(verb, value).milliseconds / 1000))
      }
    case "requests": requests = try OriginVerbs.number(verb, value, in: 1...Int.max)
    case "announce": announcesClose = try OriginVerbs.truth(verb, value)
    case "delay": delay = try OriginVerbs.time(verb, value)
    case "head-pause": headPause = try OriginVerbs.time(verb, value)
    case "die": death = try OriginVerbs.choice(verb, value) as Death
    case "share":
      guard let share = Double(value), (0...1).contains(share) else {
        throw VerbError(word: verb, fact: "'\(value)' is not a share", fix: "give a number from 0 to 1")
      }
      deathShare = share
    case "truncate": truncates = try OriginVerbs.truth(verb, value)
    case "speaks": language = try OriginVerbs.choice(verb, value)
    case "status": status = try OriginVerbs.number(verb, value, in: 200...599)
    case "continue": continues = try OriginVerbs.truth(verb, value)
    case "seed": seed = UInt64(try OriginVerbs.number(verb, value, in: 0...Int.max))
    default: preconditionFailure("every setting of the list is known")
    }
  }

  /// The script of one request: this one, changed by the verbs in the query of its target (`/?delay=20ms&die=close`).
  /// What is no verb is left alone, since queries are for other things too.
  func script(for target: String) -> OriginScript {
    guard let mark = target.firstIndex(of: "?") else { return self }
    var result = self
    for part in target[target.index(after: mark)...].split(separator: "&") {
      do throws(VerbError) { try result.apply(String(part)) } catch { continue }
    }
    return result
  }

  /// The seconds that the hint names; nil when there is none.
  var hintedSeconds: Int? {
    switch hint {
    case .none: nil
    case .truthful: idle.map { Int($0.milliseconds / 1000) }
    case .seconds(let seconds): seconds
    }
  }
}
