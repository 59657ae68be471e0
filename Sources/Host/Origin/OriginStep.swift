package import Core

/// One thing that an origin does with a connection, in a script that says what it does in order.
package enum OriginStep: Equatable, Sendable {
  /// Takes the connection, with which every script begins.
  case accept
  /// Reads one request; only its head, when the body is to stay unread.
  case read(headOnly: Bool)
  /// Answers what was read; with this status, or with that of the settings.
  case respond(status: Int?)
  /// Does nothing. What comes in the meantime stays unread until a later step reads it.
  case wait(Nanoseconds)
  /// Waits until something has come, and leaves it unread.
  case unread
  /// Sends these bytes as they are.
  case say([UInt8])
  /// Sends an unasked 408 with `Connection: close`.
  case farewell
  /// `shutdown(SHUT_WR)`: a FIN, while reading goes on.
  case halfClose
  /// `close()`: a FIN, or a RST when something was left unread.
  case fin
  /// A RST (SO_LINGER 0).
  case reset
  /// Ends the whole origin, as a crash would.
  case die
  /// Goes back to the first `read`, so many times; nil for ever.
  case again(times: Int?)

  /// Whether the connection is gone after it.
  var isLast: Bool {
    switch self {
    case .fin, .reset, .die, .again(times: nil): true
    case .accept, .read, .respond, .wait, .unread, .say, .farewell, .halfClose, .again: false
    }
  }
}

/// What an origin does with which of its connections, counted from 1 in the order of accepting.
package struct OriginPlan: Equatable, Sendable {
  package struct Section: Equatable, Sendable {
    package var connections: ClosedRange<Int>
    package var steps: [OriginStep]
  }

  /// Steps of one script, over all its sections.
  package static let stepLimit = 10_000

  package var sections: [Section] = []

  package init() {}

  /// The steps for a connection; empty for one that is served as the settings say.
  func steps(for connection: Int) -> [OriginStep] {
    sections.last { $0.connections.contains(connection) }?.steps ?? []
  }

  var count: Int { sections.reduce(0) { $0 + $1.steps.count } }
}
