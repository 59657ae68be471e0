/// What became of a request that a log shows as failed, or as saved.
///
/// The raw value is the name in every output; it never changes its meaning.
package enum LogClass: String, CaseIterable, Sendable {
  /// The server closed a kept-alive connection while the request was on its way: the keep-alive race.
  case race
  /// An attempt failed in that way and the proxy sent the request again, with success.
  case repaired
  /// The server had received the request, and ended the connection without an answer.
  case died
  /// No answer, or no connection, in the time allowed.
  case timeout
  /// No connection: nothing listened, or nothing was reachable.
  case refused
  /// The proxy had no server to send to.
  case noServer = "no-server"
  /// The client left first.
  case clientGone = "client-gone"
  /// The answer began and ended early.
  case cut
  /// The head of the answer was larger than the proxy takes.
  case headTooBig = "head-too-big"
  /// The two sides do not speak the same protocol, or the answer broke it.
  case wrongProtocol = "wrong-protocol"
  /// The proxy's own answer: no server was asked.
  case local

  package static let count = 11

  package var index: Int {
    switch self {
    case .race: 0
    case .repaired: 1
    case .died: 2
    case .timeout: 3
    case .refused: 4
    case .noServer: 5
    case .clientGone: 6
    case .cut: 7
    case .headTooBig: 8
    case .wrongProtocol: 9
    case .local: 10
    }
  }

  package var title: String {
    switch self {
    case .race: "keep-alive race: the server closed the idle connection under the request"
    case .repaired: "failed once and sent again by the proxy, with success"
    case .died: "received by the server, which then ended the connection without an answer"
    case .timeout: "no answer, or no connection, in time"
    case .refused: "connection refused or impossible"
    case .noServer: "no server to send to"
    case .clientGone: "the client left first"
    case .cut: "the answer was cut off"
    case .headTooBig: "the head of the answer was too big for the proxy"
    case .wrongProtocol: "the sides do not speak the same protocol"
    case .local: "the proxy's own answer"
    }
  }

  /// What to do about it in general; a report has the figures of its case.
  package var remedy: String {
    switch self {
    case .race:
      "Let the proxy give up idle connections before the server does: raise the server's keep-alive timeout above the proxy's, or lower the proxy's below the server's."
    case .repaired:
      "Nothing was lost, but each of these cost a second attempt: align the two keep-alive timeouts as for the race."
    case .died:
      "Look at the server's own log at that moment: crash, restart, out of memory, a worker's time limit. Keep-alive settings do not help."
    case .timeout: "Find what took so long, or raise the limit. Keep-alive settings do not help."
    case .refused: "Look whether the server runs, listens on that address and port, and accepts fast enough."
    case .noServer: "Look at the health checks and at the registration of servers."
    case .clientGone: "Compare the durations with the time limit of the client or of the layer in front."
    case .cut: "Look at the server's log: a crash in the middle of an answer, or a wrong Content-Length."
    case .headTooBig: "Raise the proxy's buffer for response heads, or send smaller cookies and fields."
    case .wrongProtocol: "Compare scheme, port and HTTP version of both sides."
    case .local: "Look at the proxy's own rules and limits: the request was not sent to a server."
    }
  }
}

/// How far one log line carries a verdict.
package enum LogConfidence: String, CaseIterable, Comparable, Sendable {
  /// The line says so, or two logs together do.
  case high
  /// The line fits, and what else would fit is less usual.
  case medium
  /// The line fits several causes.
  case low

  private var rank: Int {
    switch self {
    case .low: 0
    case .medium: 1
    case .high: 2
    }
  }

  package static func < (left: LogConfidence, right: LogConfidence) -> Bool { left.rank < right.rank }
}
