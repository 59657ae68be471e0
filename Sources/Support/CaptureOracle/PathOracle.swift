import Analysis
import Core

/// Holds verdicts against what happened: bytes choose what two ends, their path and a capture do, step by step.
package enum PathOracle {
  /// Steps of one connection.
  private static let maximumSteps = 256

  private static let requests: [(text: String, saysClose: Bool)] = [
    ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", false),
    ("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", false),
    ("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", false),
    ("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n", false),
    ("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", true),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab", false),
    ("cdefghi", false),
    ("*1\r\n$4\r\nPING\r\n", false),
    ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", false),
    ("\u{16}\u{3}\u{1}\u{0}\u{4}abcd", false),
    ("\u{17}\u{3}\u{3}\u{0}\u{1e}abcdefghijklmnopqrstuvwxyzabcd", false),
    ("GET / HT", false), ("TP/1.1\r\nHost: a\r\n\r\n", false),
  ]

  private static let answers: [(text: String, saysClose: Bool)] = [
    ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false),
    ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok", true),
    ("HTTP/1.1 408 Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", true),
    ("HTTP/1.1 204 No Content\r\n\r\n", false),
    ("HTTP/1.1 100 Continue\r\n\r\n", false),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", false),
    ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", false), ("cdefghi", false),
    ("HTTP/1.0 200 OK\r\n\r\nuntil close", true),
    ("+PONG\r\n", false), ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", false),
    ("\u{16}\u{3}\u{3}\u{0}\u{4}abcd", false), ("\u{15}\u{3}\u{3}\u{0}\u{2}\u{1}\u{0}", true),
    ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\n\r\n", false),
  ]

  /// Plays what the bytes say, judges the capture of it, and compares.
  package static func check(_ bytes: [UInt8]) -> String? {
    let ends = play(bytes)
    if let violation = CaptureOracle.checkReport(of: ends.packets) { return violation }
    var analyser = CaptureAnalyser()
    for entry in ends.packets { analyser.packetRead(entry.packet, bytes: entry.bytes.rawSpan) }
    let startWasSeen = ends.packets.first.map { $0.bytes[33] == TCPSegment.Flags.syn.rawValue } ?? false
    for found in analyser.finish().findings where found.finding.confidence == .proved {
      if let contradiction = contradiction(found, ends, startWasSeen: startWasSeen) {
        return
          "\(found.finding.kind.rawValue), proved, frame \(found.frame): \(contradiction). \(found.finding.summary)"
      }
    }
    return nil
  }

  /// What the two ends did, for whoever looks into a violation.
  package static func packets(_ bytes: [UInt8]) -> [CaptureOracle.CapturedPacket] { play(bytes).packets }

  private static func play(_ bytes: [UInt8]) -> TwoEnds {
    let first = bytes.first ?? 0
    var ends = TwoEnds(isAtClient: first & 1 == 0, wraps: first & 2 != 0, capturesHandshake: first & 4 == 0)
    var index = 1
    while index + 1 < bytes.count, index < 2 * maximumSteps {
      step(&ends, bytes[index], Int(bytes[index + 1]))
      index += 2
    }
    return ends
  }

  private static func step(_ ends: inout TwoEnds, _ operation: UInt8, _ argument: Int) {
    ends.time = ends.time.advanced(by: .microseconds(100))
    let side: Side = argument & 1 == 0 ? .client : .server
    switch operation % 20 {
    case 0:
      let request = requests[argument % requests.count]
      ends.write(Array(request.text.utf8), from: .client, saysClose: request.saysClose)
    case 1:
      let answer = answers[argument % answers.count]
      ends.write(Array(answer.text.utf8), from: .server, saysClose: answer.saysClose)
    case 2: ends.close(.server)
    case 3: ends.shutDown(side)
    case 4: ends.abort(side)
    case 5: ends.close(.client)
    case 6, 7, 8:
      ends.time = ends.time.advanced(by: .milliseconds(10))
      ends.deliver(from: .client, delaysAcknowledgement: argument & 1 == 1)
    case 9, 10, 11:
      ends.time = ends.time.advanced(by: .milliseconds(10))
      ends.deliver(from: .server, delaysAcknowledgement: argument & 1 == 1)
    case 12: ends.lose(from: side)
    case 13: ends.swapNext(from: side)
    case 14: ends.retransmit(side)
    case 15: ends.time = ends.time.advanced(by: .milliseconds(1 << Int64(argument % 16)))
    case 16: ends.capturesNothing = argument % 3
    case 17: ends.readAll(side)
    case 18: if argument % 8 == 7 { ends.isForgotten = true } else { ends.probe(side) }
    default: ends.capturesTwice = true
    }
  }

  /// Why a proved verdict is not true; nil when it is.
  private static func contradiction(_ found: CaptureFinding, _ ends: TwoEnds, startWasSeen: Bool) -> String? {
    switch found.finding.kind {
    case .refused, .noAnswerToSYN: return "the connection was established"
    case .crossingGOAWAY, .streamRefused: return "nobody speaks HTTP/2"
    case .crossingFIN, .crossingRST, .closedWhileHandling, .serverTimer, .truncatedAnswer, .crossingHalfClose:
      if !ends.serverEnded { return "the server never ended the connection" }
    case .clientGaveUp:
      if !ends.clientEnded { return "the client never ended the connection" }
    case .closeIgnored:
      if !(ends.clientWritings + ends.serverWritings).contains(where: \.saysClose) { return "nobody announced a close" }
    case .staleReuse, .unaskedAnswer, .notHTTP, .resetUnread, .forgottenFlow, .inconclusive: break
    }
    // Offsets are those of the connection only where its beginning is in the capture.
    guard startWasSeen else { return nil }
    let start = found.requestStart
    switch found.finding.kind {
    case .crossingFIN, .crossingRST:
      if ends.server.took > start { return "the server took the request" }
    case .closedWhileHandling, .serverTimer, .crossingHalfClose, .resetUnread:
      if ends.server.took <= start { return "the server took nothing of the request" }
    case .staleReuse:
      guard let writing = ends.clientWritings.first(where: { $0.start <= start && start < $0.end }) else {
        return "nothing was written there"
      }
      if !writing.tookFIN { return "the client's kernel had no FIN when the request was written" }
    case .unaskedAnswer:
      if !ends.serverWritings.contains(where: { $0.took <= start }) {
        return "the server wrote nothing before it had the request"
      }
    case .clientGaveUp, .truncatedAnswer, .closeIgnored, .refused, .noAnswerToSYN, .notHTTP, .forgottenFlow,
      .crossingGOAWAY, .streamRefused, .inconclusive:
      break
    }
    return nil
  }
}
