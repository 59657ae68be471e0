package import Core

/// From how a server ended a connection behind a request that its kernel had taken, to what that says of the request.
///
/// The first row that fits decides ("-" stands for anything):
///
/// | sender     | goodbye        | form        | pace    | before  | kind                  | confidence |
/// |------------|----------------|-------------|---------|---------|-----------------------|------------|
/// | elsewhere  | -              | a reset     | -       | -       | forgotten-flow        | likely     |
/// | -          | -              | bare reset  | -       | -       | inconclusive          | open       |
/// | -          | before request | unread      | -       | -       | reset-unread          | likely     |
/// | -          | before request | read        | -       | -       | crossing-half-close   | likely     |
/// | -          | none           | unread      | at once | idle    | reset-unread          | likely     |
/// | -          | none           | unread      | at once | unknown | inconclusive          | open       |
/// | -          | none           | unread      | unknown | -       | inconclusive          | open       |
/// | -          | none           | unread      | -       | -       | closed-while-handling | likely     |
/// | -          | none           | read        | at once | unknown | inconclusive          | open       |
/// | -          | none           | read        | unknown | -       | inconclusive          | open       |
/// | -          | none           | read        | at once | idle    | closed-while-handling | likely (*) |
/// | -          | none           | read        | -       | -       | closed-while-handling | proved     |
///
/// (*) The race, likely, when the idle time is the one after which this server closes (``CaptureReport``).
///
/// Why an active reset is no proof of handling: a kernel sends it of its own accord when a program closes a connection in whose
/// buffer bytes lie unread (RFC 2525 section 2.17), and when a program asks for it. Who had begun to say goodbye before the
/// request came did not close while handling it.
package enum EndingRule {
  /// Who sent what ended the connection.
  package enum Sender: Equatable, CaseIterable {
    case server
    /// Something on the path, in the server's name.
    case elsewhere
  }

  package enum Form: Equatable, CaseIterable {
    /// A FIN, and no reset that nothing of the client caused: everything had been read, or was read afterwards.
    case read
    /// A reset with an acknowledgement, at once or behind the FIN, which nothing of the client caused.
    case unread
    /// A reset without an acknowledgement: a kernel answers with it what finds no connection.
    case bareReset
  }

  /// How soon it came behind the request.
  package enum Pace: Equatable, CaseIterable {
    /// Within about the time that the two need to know of each other.
    case atOnce
    case later
    case unknown
  }

  /// What was on the connection before the request.
  package enum Before: Equatable, CaseIterable {
    case idle
    case busy
    case unknown
  }

  package struct Facts: Equatable {
    package var sender: Sender
    /// The server had begun to take its leave before it received the request.
    package var saidGoodbye: Bool
    package var form: Form
    package var pace: Pace
    package var before: Before

    package init(sender: Sender, saidGoodbye: Bool, form: Form, pace: Pace, before: Before) {
      (self.sender, self.saidGoodbye, self.form) = (sender, saidGoodbye, form)
      (self.pace, self.before) = (pace, before)
    }
  }

  package enum Judgement: Equatable {
    case forgottenFlow
    case resetUnread
    case crossingHalfClose
    case closedWhileHandling(Confidence)
    /// It looks as if the request lay unread; what is missing could tell.
    case inconclusive
  }

  package static func judge(_ facts: Facts) -> Judgement {
    switch (facts.form, facts.sender) {
    case (.bareReset, .elsewhere), (.unread, .elsewhere): return .forgottenFlow
    case (.bareReset, .server): return .inconclusive
    case (.unread, .server):
      if facts.saidGoodbye { return .resetUnread }
      switch (facts.pace, facts.before) {
      case (.atOnce, .idle): return .resetUnread
      case (.atOnce, .unknown), (.unknown, _): return .inconclusive
      case (.atOnce, .busy), (.later, _): return .closedWhileHandling(.likely)
      }
    case (.read, _):
      if facts.saidGoodbye { return .crossingHalfClose }
      switch (facts.pace, facts.before) {
      case (.atOnce, .unknown), (.unknown, _): return .inconclusive
      case (.atOnce, .idle): return .closedWhileHandling(.likely)
      case (.atOnce, .busy), (.later, _): return .closedWhileHandling(.proved)
      }
    }
  }
}
