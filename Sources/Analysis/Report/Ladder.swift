import Core

/// The packets of one connection between two lines, with what each side believes.
///
/// A state stands where its owner sends, and changes when it can know more: so a client that writes into a closing connection
/// still says ESTABLISHED, while the server already says FIN-WAIT-1.
package struct Ladder: Sendable {
  package struct Row: Equatable, Sendable {
    package var step: LadderStep
    package var client: String
    package var server: String
    package var label: String
    /// The two sides' beliefs differ on whether the connection can be used.
    package var differs: Bool
    package var isRequest: Bool
  }

  package let rows: [Row]
  package let finding: CaptureFinding

  package init(_ finding: CaptureFinding) {
    self.finding = finding
    var client = "-"
    var server = "-"
    var rows: [Row] = []
    var finSeenByServer = false
    for step in finding.ladder {
      if step.side == .client {
        client = Ladder.next(client, sending: step.flags)
        client = Ladder.afterAcknowledging(
          client, step.acknowledges, fin: finding.serverFIN)
        if server == "FIN-WAIT-1", let fin = finding.serverFIN, let acknowledges = step.acknowledges, acknowledges > fin
        {
          server = step.flags.contains(.fin) ? "TIME-WAIT" : "FIN-WAIT-2"
        } else if server == "FIN-WAIT-2", step.flags.contains(.fin) {
          server = "TIME-WAIT"
        }
      } else {
        server = Ladder.next(server, sending: step.flags)
        if step.flags.contains(.fin) { finSeenByServer = true }
      }
      if client == "-", step.side == .client, !step.flags.contains(.syn) { client = "ESTABLISHED" }
      if server == "-", step.side == .server, !step.flags.contains(.syn) { server = "ESTABLISHED" }
      if server == "SYN-RECEIVED", step.side == .client, step.flags.contains(.ack) { server = "ESTABLISHED" }
      if client == "SYN-SENT", step.side == .server, step.flags.contains(.syn) { client = "ESTABLISHED" }
      if step.flags.contains(.rst) {
        if step.side == .server {
          (client, server) = ("CLOSED", "CLOSED")
        } else {
          (client, server) = ("CLOSED", "CLOSED")
        }
      }
      // Sent before the server had received this: when it arrives the FIN is already on its way, or has been taken.
      var shown = server
      if step.side == .client, !finSeenByServer, let acknowledged = finding.serverFINAcknowledges,
        finding.serverFIN != nil, step.offset >= acknowledged, step.count > 0
      {
        shown = "FIN-WAIT-1"
      }
      let closing = shown.hasPrefix("FIN") || ["CLOSED", "LAST-ACK", "TIME-WAIT"].contains(shown)
      let isRequest =
        step.side == .client && step.count > 0 && step.offset <= finding.requestStart
        && step.offset + Int64(step.count) > finding.requestStart && finding.exchange > 0
      rows.append(
        Row(
          step: step, client: client, server: shown, label: Ladder.label(step),
          differs: client == "ESTABLISHED" && closing, isRequest: isRequest))
    }
    self.rows = rows
  }

  private static func next(_ state: String, sending flags: TCPSegment.Flags) -> String {
    if flags.contains(.syn) { return flags.contains(.ack) ? "SYN-RECEIVED" : "SYN-SENT" }
    if flags.contains(.fin) { return state == "CLOSE-WAIT" ? "LAST-ACK" : "FIN-WAIT-1" }
    return state
  }

  private static func afterAcknowledging(_ state: String, _ acknowledged: Int64?, fin: Int64?) -> String {
    guard let acknowledged, let fin, acknowledged > fin else { return state }
    switch state {
    case "ESTABLISHED", "-": return "CLOSE-WAIT"
    case "FIN-WAIT-1": return "LAST-ACK"
    default: return state
    }
  }

  package static func label(_ step: LadderStep) -> String {
    var parts: [String] = []
    if step.flags.contains(.syn) { parts.append("SYN") }
    if step.flags.contains(.fin) { parts.append("FIN") }
    if step.flags.contains(.rst) { parts.append("RST") }
    if step.count > 0 {
      parts.append("\(step.count) bytes [\(step.offset)..\(step.offset + Int64(step.count)))")
    } else if step.flags.contains(.rst) || step.flags.contains(.fin) {
      parts.append("at \(step.offset)")
    }
    if let acknowledges = step.acknowledges { parts.append("ack \(acknowledges)") }
    switch step.nature {
    case .plain: break
    case .retransmission: parts.append("(again)")
    case .outOfOrder: parts.append("(out of order)")
    case .duplicate: parts.append("(captured twice)")
    case .keepAliveProbe: parts.append("(keep-alive probe)")
    }
    return parts.joined(separator: " ")
  }

  /// The diagram for a terminal, 100 columns wide or less.
  package func text(ink: Ink) -> String {
    let width = 44
    var lines = [
      "#\(finding.number) \(finding.finding.kind.rawValue): \(finding.finding.summary)", "",
      pad("", 25) + pad("\(finding.client)", width / 2) + padLeft("\(finding.server)", width - width / 2 + 16),
      pad("", 25) + pad("client", 15) + pad("", width - 26) + padLeft("server", 15),
    ]
    let origin = rows.first(where: \.isRequest)?.step.time ?? finding.time
    var marked = false
    for (index, row) in rows.enumerated() {
      if index == Connection.ladderHead, finding.ladderOmitted > 0 {
        lines.append(pad("", 25) + "... \(finding.ladderOmitted) segments not shown ...")
      }
      let span = row.step.time.since(origin)
      let time = (span.count >= 0 ? "+" : "") + Display.duration(span)
      let arrow = arrow(row, width: width)
      let left = pad("\(row.step.frame)", 8) + pad(time, 12)
      let client = pad(row.client, 13)
      var line = left + client + arrow + " " + row.server
      if row.isRequest { line += "  <- the request" }
      lines.append(row.isRequest ? ink.bold(line) : row.step.flags.contains(.rst) ? ink.red(line) : line)
      if row.differs, !marked {
        marked = true
        lines.append(
          ink.yellow(pad("", 20) + "^ here the two differ: the client still uses what the server has closed"))
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private func arrow(_ row: Row, width: Int) -> String {
    let room = width - 4
    let label = row.label.count > room ? String(row.label.prefix(room)) : row.label
    let dashes = max(0, width - label.count - 4)
    let (left, right) = (dashes / 2, dashes - dashes / 2)
    let body = String(repeating: "-", count: left) + " " + label + " " + String(repeating: "-", count: right)
    return row.step.side == .client ? "|" + body + ">|" : "|<" + body + "|"
  }

  private func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  private func padLeft(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(1, width - text.count)) + text
  }
}
