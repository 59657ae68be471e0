/// What a tool can conclude about a request, a turn, or a connection that ended otherwise than it should have.
///
/// The raw value is the name on the command line and in every output; it never changes its meaning.
package enum FindingKind: String, CaseIterable, Hashable, Sendable {
  /// The server closed an idle connection; its FIN and the request crossed on the wire. Nothing was delivered.
  case crossingFIN = "crossing-fin"
  /// As ``crossingFIN``, but the server reset the idle connection instead of closing it.
  case crossingRST = "crossing-rst"
  /// The server shut down only its sending side; the request crossed the FIN and was delivered, but cannot be answered.
  case crossingHalfClose = "crossing-half-close"
  /// The server said GOAWAY (HTTP/2) on an idle connection, and it crossed the request; the stream was never processed.
  case crossingGOAWAY = "crossing-goaway"
  /// The server's kernel took the request, then the connection was reset at once: closed with the request unread.
  case resetUnread = "reset-unread"
  /// The client wrote on a connection whose FIN its own kernel had already acknowledged.
  case staleReuse = "stale-reuse"
  /// The path or the server no longer knew the connection: silence, or a reset from elsewhere.
  case forgottenFlow = "forgotten-flow"
  /// The request was received; the server closed or reset without a complete answer.
  case closedWhileHandling = "closed-while-handling"
  /// As ``closedWhileHandling``, after a length of time that a timer of the server explains.
  case serverTimer = "server-timer"
  /// The client closed or reset before the answer was complete.
  case clientGaveUp = "client-gave-up"
  /// The SYN was answered with a reset.
  case refused
  /// The SYN was not answered.
  case noAnswerToSYN = "no-answer-to-syn"
  /// The answer began and ended early.
  case truncatedAnswer = "truncated-answer"
  /// What the client took for the answer was sent before the server had received a byte of the request.
  case unaskedAnswer = "unasked-answer"
  /// A request was sent on a connection after `Connection: close`.
  case closeIgnored = "close-ignored"
  /// The server reset the stream of the request (HTTP/2) and says that it processed nothing of it.
  case streamRefused = "stream-refused"
  /// One side does not speak HTTP where the other does.
  case notHTTP = "not-http"
  /// The capture does not hold what a verdict would need.
  case inconclusive
}

extension FindingKind {
  /// The keep-alive race in one of its forms: the server closed for idleness while the request was under way.
  package var isRace: Bool {
    switch self {
    case .crossingFIN, .crossingRST, .crossingHalfClose, .crossingGOAWAY, .resetUnread, .unaskedAnswer: true
    case .staleReuse, .forgottenFlow, .closedWhileHandling, .serverTimer, .clientGaveUp, .refused, .noAnswerToSYN,
      .truncatedAnswer, .closeIgnored, .streamRefused, .notHTTP, .inconclusive:
      false
    }
  }

  /// Comes from using a connection after, or in the instant in which, it ceased to be usable. A fresh connection heals it.
  package var isReuseFailure: Bool {
    switch self {
    case .crossingFIN, .crossingRST, .crossingHalfClose, .crossingGOAWAY, .resetUnread, .staleReuse, .forgottenFlow,
      .closeIgnored, .unaskedAnswer:
      true
    case .closedWhileHandling, .serverTimer, .clientGaveUp, .refused, .noAnswerToSYN, .truncatedAnswer, .streamRefused,
      .notHTTP, .inconclusive:
      false
    }
  }

  /// A few words for a heading.
  package var title: String {
    switch self {
    case .crossingFIN: "keep-alive race: the request crossed the server's FIN"
    case .crossingRST: "keep-alive race: the request crossed the server's reset"
    case .crossingHalfClose: "keep-alive race against a half-close: delivered, yet never answered"
    case .crossingGOAWAY: "keep-alive race: the request crossed the server's GOAWAY"
    case .resetUnread: "the server closed with the request unread"
    case .staleReuse: "written on a connection that the server had already closed"
    case .forgottenFlow: "the path or the server had forgotten the connection"
    case .closedWhileHandling: "the server closed while handling the request"
    case .serverTimer: "a timer of the server ended the request"
    case .clientGaveUp: "the client gave up"
    case .refused: "connection refused"
    case .noAnswerToSYN: "no answer to the connection attempt"
    case .truncatedAnswer: "the answer was cut off"
    case .unaskedAnswer: "an answer that was not to this request"
    case .closeIgnored: "reused after the close had been announced"
    case .streamRefused: "the server refused the stream"
    case .notHTTP: "not HTTP"
    case .inconclusive: "the capture does not hold what would tell"
    }
  }

  /// What happened, why it can be known, and what it looks like from above.
  package var explanation: String {
    switch self {
    case .crossingFIN:
      """
      The server closed the connection because it had been idle for long enough. Before its FIN arrived, the client took \
      the connection from its pool and sent a request. The two crossed. The request's segment acknowledges nothing of the \
      FIN, so the client could not know; the server acknowledged no byte of the request, and its kernel answered the \
      request with a reset, because no socket was there any more. The application never saw the request: sending it again on a \
      fresh connection is safe for every method. The client or proxy reports it as "connection reset by peer", "EOF", \
      "socket hang up", "upstream prematurely closed connection" or a 502; the server's log shows nothing.
      """
    case .crossingRST:
      """
      The server, or something on the path in its name, reset the connection while it was idle. The reset carries an \
      acknowledgement that covers no byte of the request, so it was sent before the request arrived. The client cannot see \
      that (its kernel ignores the number), so to a proxy this looks like a server that died while it handled the request.
      """
    case .crossingHalfClose:
      """
      The server shut down its sending side while the connection was idle, and its FIN crossed the request. It kept its \
      receiving side open, so its kernel acknowledged the request: the application may have read it and acted on it, but can \
      no longer answer. Sending the request again may apply it twice.
      """
    case .crossingGOAWAY:
      """
      HTTP/2. The server said GOAWAY, mostly because the connection had been idle for long enough or had served its number of \
      requests. Before it arrived, the client opened a stream with an identifier above the last one that the GOAWAY names: \
      the server ignores it. RFC 9113 section 6.8 says that it was not processed and may be sent again, whatever its method. \
      Under TLS the GOAWAY shows only as a record of its size that acknowledges nothing of the request, so there this is never \
      more than likely. The client reports "GOAWAY received", "server's graceful shutdown", "connection closed" or a 502.
      """
    case .resetUnread:
      """
      The server's kernel received the request, and the connection was reset within about a round trip of that, after an idle \
      time, or the server had begun to take its leave before the request came. That is what a kernel does when a program closes \
      a connection in whose buffer bytes lie unread: the server's idle timer fired just when the request came in. (Some programs \
      shut down their sending side first: a FIN, and behind it a reset that nothing of the client caused.) A program that read \
      the request and then aborted at once would look the same on the wire, so this is never more than likely.
      """
    case .staleReuse:
      """
      The server's FIN had arrived, and the client's own kernel had acknowledged it, before the client wrote the request. No \
      crossing was needed: the client's pool kept a dead connection and did not look at it before writing. The server \
      answered with a reset.
      """
    case .forgottenFlow:
      """
      The connection had been idle; then the request was sent again and again without any answer, or was answered by a reset \
      that does not come from the server. Neither side had closed. Something on the path that keeps a table of flows \
      (a NAT gateway, a firewall, a load balancer) had dropped this one, or the server was replaced.
      """
    case .closedWhileHandling:
      """
      The server acknowledged the request, and closed or reset the connection afterwards without a complete answer. This is \
      not the keep-alive race: the request was received and may have been acted on. Look at the server: a crash, a restart, a \
      worker that was killed, a handler that aborts.
      """
    case .serverTimer:
      """
      The server received the request (or its beginning) and ended the connection after a length of time that is constant or \
      round. That is a timer: of a handler, of a worker, for the rest of a request, or of a proxy in between. Not the race.
      """
    case .clientGaveUp:
      """
      The client closed or reset the connection while the server still had to answer. A time limit of the client or proxy, or \
      a caller that went away. The server did not close first.
      """
    case .refused:
      "The connection attempt was answered with a reset: nothing listens on that port, or a firewall rejects it."
    case .noAnswerToSYN:
      "The connection attempt was repeated or abandoned without any answer: host down, packets dropped, or backlog full."
    case .truncatedAnswer:
      """
      The server began an answer and ended the connection before the length that it had announced, or before the last chunk. The \
      request was received and handled.
      """
    case .unaskedAnswer:
      """
      The server sent a response (usually a 408 with `Connection: close`) when its timer for the idle connection fired, and \
      then closed. It crossed the request, and arrives first: the client takes it for the answer. Every segment of the response \
      acknowledges no byte of the request, so it cannot be the answer; the server never got the request. Proxies hand this 408 \
      to their callers as if it were real.
      """
    case .closeIgnored:
      """
      A message on this connection said `Connection: close` (or was HTTP/1.0 without keep-alive). The client sent another \
      request on it nevertheless; the server owed no answer and gave none. A GOAWAY (HTTP/2) \
      or close_notify (TLS) that had arrived is such a message.
      """
    case .streamRefused:
      """
      HTTP/2. The server reset the stream with REFUSED_STREAM: it says that it processed nothing of the request (RFC 9113 section \
      8.7). Mostly more streams were open at once than the server allows. Sending it again is safe for every method.
      """
    case .notHTTP:
      "Where one side speaks HTTP/1.x, the other sends something that is not: TLS to a plain port, another protocol, or damage."
    case .inconclusive:
      "The request has no complete answer in the capture, and the capture does not hold what would tell why."
    }
  }

  /// What to do about it in general; a finding has a remedy with the figures of its case.
  package var remedy: String {
    switch self {
    case .crossingFIN, .crossingRST, .crossingGOAWAY, .resetUnread, .crossingHalfClose:
      """
      Let the side that opens connections give them up first: hold idle upstream connections for less time than the server \
      does, with a margin of a second or a fifth. Where the server can be changed, raise its keep-alive timeout above the \
      proxy's. Neither closes the window wholly; a proxy that proves that nothing was delivered and replays does.
      """
    case .staleReuse:
      "The client's pool must watch idle connections for a close, or look before each write. Shorten its idle time meanwhile."
    case .forgottenFlow:
      """
      Hold idle connections for less time than the shortest flow table on the path (350 s for AWS NLB and NAT gateways, \
      4 minutes for Azure), or send TCP keep-alive probes more often than that.
      """
    case .closedWhileHandling:
      "Look at the server's own log at that moment: crash, restart, out of memory, deploy, abort."
    case .serverTimer:
      "Find the timer of that length; raise it, or make the work shorter. Changing keep-alive times will not help."
    case .clientGaveUp: "Compare the duration with the client's or proxy's time limit; the server was slower than that."
    case .refused: "Start the server, or correct the port, the address or the firewall's rule."
    case .noAnswerToSYN:
      "Check that the host is up, that routes and firewalls pass the port, and that its backlog is not full."
    case .truncatedAnswer: "Look at the server's log: a crash in the middle of a response, or a wrong Content-Length."
    case .unaskedAnswer:
      """
      Hold idle connections for less time than the server's timer. A proxy must compare acknowledgements before it passes on a \
      response on a reused connection.
      """
    case .closeIgnored:
      "The client or proxy must not use a connection again after `Connection: close`, nor open a stream on it after GOAWAY."
    case .streamRefused:
      "Send it again, on another connection or when fewer streams are open; respect SETTINGS_MAX_CONCURRENT_STREAMS."
    case .notHTTP: "Check scheme and port on both sides (https to a plain port is the usual one)."
    case .inconclusive:
      "Capture again with what is missing: a longer capture, no snap length, the other side, no drops."
    }
  }
}
