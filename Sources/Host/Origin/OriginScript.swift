package import Core

/// How a scripted origin behaves. Every field can be said as a verb, `name=value`; ``help`` lists them.
package struct OriginScript: Equatable, Sendable {
  /// A text that is no verb, or a verb with a value that it does not take.
  package struct VerbError: Error, Equatable, Sendable, CustomStringConvertible {
    package var text: String
    package var fact: String
    package var fix: String
    package var description: String { "'\(text)' \(fact); \(fix)" }
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

  package init() {}

  package static let help = """
    idle=2s | idle=never        how long it keeps an idle connection
    at-idle=close | abort | half-close | half-close-abort | farewell
                                what it does then: FIN, RST, FIN and read on, FIN and RST once
                                it has read a request, or an unasked 408 and FIN
    look=yes | no               whether it looks for a request before it does that
    jitter=25ms                 draws each idle time from idle plus or minus this
    hint=none | truthful | 5s   the Keep-Alive: timeout=N that it sends
    requests=100                closes a connection after so many
    announce=yes | no           whether the last response says Connection: close
    delay=10ms                  waits before it responds
    head-pause=5ms              sends the head of a response byte by byte
    die=close | abort | unread  reads a request and closes or aborts; or closes it unread
    share=0.1                   share of the requests that meet this, all by default
    truncate=yes | no           sends half of the body, then closes
    speaks=http | tls | ssh     what it speaks
    status=503                  the status of its responses
    continue=yes | no           whether it answers Expect: 100-continue
    seed=1                      of the draws
    """

  /// - Parameter verbs: each `name=value`; a later one wins.
  package init(verbs: some Sequence<String>) throws(VerbError) {
    for verb in verbs { try apply(verb) }
  }

  /// Changes one field.
  package mutating func apply(_ verb: String) throws(VerbError) {
    let parts = verb.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2 else {
      throw VerbError(text: verb, fact: "is not a verb", fix: "write name=value, for instance idle=2s")
    }
    try apply(parts[0], parts[1])
  }

  private mutating func apply(_ name: String, _ value: String) throws(VerbError) {
    switch name {
    case "idle": idle = value == "never" ? nil : try Self.time(value)
    case "at-idle": atIdle = try Self.choice(value)
    case "look": looks = try Self.truth(value)
    case "jitter": jitter = try Self.time(value)
    case "hint":
      switch value {
      case "none": hint = .none
      case "truthful": hint = .truthful
      default: hint = .seconds(Int(try Self.time(value).milliseconds / 1000))
      }
    case "requests": requests = try Self.number(value, in: 1...Int.max)
    case "announce": announcesClose = try Self.truth(value)
    case "delay": delay = try Self.time(value)
    case "head-pause": headPause = try Self.time(value)
    case "die": death = try Self.choice(value) as Death
    case "share":
      guard let share = Double(value), (0...1).contains(share) else {
        throw VerbError(text: value, fact: "is not a share", fix: "give a number from 0 to 1")
      }
      deathShare = share
    case "truncate": truncates = try Self.truth(value)
    case "speaks": language = try Self.choice(value)
    case "status": status = try Self.number(value, in: 200...599)
    case "continue": continues = try Self.truth(value)
    case "seed": seed = UInt64(try Self.number(value, in: 0...Int.max))
    default:
      throw VerbError(text: name, fact: "is not a verb that the origin knows", fix: "see photofinish origin --help")
    }
  }

  private static func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ value: String
  ) throws(VerbError) -> Choice {
    if let choice = Choice(rawValue: value) { return choice }
    let all = Choice.allCases.map(\.rawValue).joined(separator: ", ")
    throw VerbError(text: value, fact: "is not among the choices", fix: "choose one of \(all)")
  }

  private static func time(_ value: String) throws(VerbError) -> Nanoseconds {
    do { return try Nanoseconds(parsing: value) } catch {
      throw VerbError(text: error.text, fact: error.fact, fix: error.fix)
    }
  }

  private static func truth(_ value: String) throws(VerbError) -> Bool {
    switch value {
    case "yes": return true
    case "no": return false
    default: throw VerbError(text: value, fact: "is neither yes nor no", fix: "write yes or no")
    }
  }

  private static func number(_ value: String, in range: ClosedRange<Int>) throws(VerbError) -> Int {
    guard let number = Int(value), range.contains(number) else {
      throw VerbError(
        text: value, fact: "is not a number that fits",
        fix: range.upperBound == .max
          ? "give at least \(range.lowerBound)" : "give one from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
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
