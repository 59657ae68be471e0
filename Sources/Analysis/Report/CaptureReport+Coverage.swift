import Core

extension CaptureCounts {
  /// Kinds of unread packets that are told apart.
  private static let maximumUnread = 64

  mutating func noteUnread(_ layer: UnreadLayer) {
    let isRoom = unread[layer] != nil || unread.count < CaptureCounts.maximumUnread
    unread[isRoom ? layer : .tooDeep, default: 0] += 1
  }

  /// Who was heard on a connection: of an answer that goes another way nothing can be said.
  mutating func noteDirections(of connection: Connection) {
    let (client, server) = (connection.clientStream.segments, connection.serverStream.segments)
    guard client + server > 0 else { return }
    talking += 1
    let last = connection.lastSegment
    if last.ofClient == nil || last.ofServer == nil { oneDirection += 1 }
  }
}

/// How much of a capture could be read, and so how far its answer goes.
extension CaptureReport {
  /// Why nothing can be answered, although there were packets: the words in front of the colon, and the rest.
  package struct Obstacle: Equatable, Sendable {
    package var lead: String
    package var text: String
  }

  /// Packets that may carry TCP and were not read, by the layer at which reading ended, the most frequent first.
  package var unreadLayers: [(layer: UnreadLayer, count: Int)] {
    counts.unread.map { (layer: $0.key, count: $0.value) }.sorted {
      ($1.count, $0.layer.text) < ($0.count, $1.layer.text)
    }
  }

  /// All packets in which TCP may be that was not seen.
  package var unreadPackets: Int {
    counts.unread.values.reduce(0, +) + counts.fragments + counts.cut + counts.malformed
  }

  /// Each kind of packet that was not read, with its number.
  package var unreadTexts: [String] {
    var texts = unreadLayers.map { "\(Display.count($0.count, "packet")) of \($0.layer.text)" }
    if counts.fragments > 0 { texts.append("\(Display.count(counts.fragments, "fragment")) of IP packets") }
    if counts.cut > 0 { texts.append("\(Display.count(counts.cut, "packet")) cut by the capture within the headers") }
    if counts.malformed > 0 { texts.append("\(Display.count(counts.malformed, "malformed packet"))") }
    return texts
  }

  package var oneDirectionText: String? {
    guard counts.oneDirection > 0 else { return nil }
    return "only one direction captured: \(Display.count(counts.oneDirection, "connection")) "
      + "of \(Display.grouped(counts.talking)) with data"
  }

  /// What keeps the capture from being judged; nil when the answer stands on what it holds.
  ///
  /// What was found stays found, so a finding leaves no obstacle; neither does a handful of unread packets beside many that were read.
  package var obstacle: Obstacle? {
    guard total == count(.inconclusive) else { return nil }
    if counts.oneDirection > 0, counts.oneDirection * 2 >= counts.talking {
      return Obstacle(
        lead: "Not to be judged",
        text:
          "of \(Display.grouped(counts.oneDirection)) of \(Display.count(counts.talking, "connection")) with data only "
          + "one direction is in the capture. Capture where both directions pass.")
    }
    guard unreadPackets > 0, unreadPackets >= counts.segments else { return nil }
    let what = unreadTexts.prefix(3).joined(separator: ", ")
    if counts.segments == 0 {
      return Obstacle(
        lead: "Nothing could be read",
        text:
          "\(Display.grouped(unreadPackets)) of \(Display.count(counts.frames, "packet")) may carry requests and cannot "
          + "be opened (\(what)).")
    }
    return Obstacle(
      lead: "Not to be judged",
      text: "\(Display.count(unreadPackets, "packet")) could not be read, more than those that could (\(what)).")
  }
}
