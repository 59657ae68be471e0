import Core

/// Keeps the last packets of every open connection, until it is known whether anybody will want them.
///
/// Of a connection it keeps the handshake, and everything since the beginning of the last exchange that was complete: what
/// a verdict on the next one needs. Limits bound each connection and all of them together.
package struct PacketKeeper: ~Copyable {
  package struct Limits: Sendable {
    package var packetsPerConnection = 1_024
    package var bytesPerConnection = 512 << 10
    package var bytesInAll = 64 << 20
    /// Packets of a connection that become needless before their room is taken back, so that this costs little.
    package var needlessPackets = 32

    package init() {}
  }

  /// Packets of a handshake that are kept as long as the connection is open.
  static let handshakePackets = 3
  /// What a packet costs beside its bytes.
  static let overhead = 32

  private struct Entry: Sendable {
    var packet: CapturePacket
    var count: Int
  }

  /// The kept packets of one connection.
  package struct Kept: Sendable {
    private var entries: [Entry] = []
    private var bytes: [UInt8] = []
    /// How many entries belong to exchanges before the last complete one, and how many to that one as well.
    private var needless = 0
    private var boundary = 0
    /// Packets that were kept no longer, though the verdict may rest on them.
    package private(set) var lost = 0
    /// Looked at since the last time that room was sought.
    fileprivate var isRecent = true

    package var count: Int { entries.count }
    package var size: Int { bytes.count + entries.count * PacketKeeper.overhead }

    fileprivate mutating func add(
      _ packet: CapturePacket, _ content: RawSpan, completesExchange: Bool, _ limits: Limits
    ) {
      // Safe: the bytes are copied during the call.
      unsafe content.withUnsafeBytes { content in unsafe bytes.append(contentsOf: content) }
      entries.append(Entry(packet: packet, count: content.byteCount))
      isRecent = true
      if completesExchange, boundary < entries.count {
        needless = boundary
        boundary = entries.count
      }
      if needless > PacketKeeper.handshakePackets + limits.needlessPackets { drop(upTo: needless) }
      if entries.count > limits.packetsPerConnection || bytes.count > limits.bytesPerConnection {
        drop(upTo: needless)
        var excess = PacketKeeper.handshakePackets
        var left = bytes.count
        while excess < entries.count,
          left > limits.bytesPerConnection || entries.count - excess >= limits.packetsPerConnection
        {
          left -= entries[excess].count
          excess += 1
        }
        lost += max(0, excess - PacketKeeper.handshakePackets)
        drop(upTo: excess)
      }
    }

    /// Removes entries behind the handshake.
    private mutating func drop(upTo last: Int) {
      let end = min(last, entries.count)
      let start = min(PacketKeeper.handshakePackets, entries.count)
      guard end > start else { return }
      let from = entries[..<start].reduce(0) { $0 + $1.count }
      let to = entries[start..<end].reduce(from) { $0 + $1.count }
      bytes.removeSubrange(from..<to)
      entries.removeSubrange(start..<end)
      let removed = end - start
      needless = max(start, needless - removed)
      boundary = max(start, boundary - removed)
    }

    fileprivate mutating func empty() {
      lost += entries.count
      entries = []
      bytes = []
      (needless, boundary) = (0, 0)
    }

    package func forEach(_ body: (CapturePacket, RawSpan) -> Void) {
      var offset = 0
      // Safe: every bit of a UInt8 is initialised.
      let all = unsafe bytes.span.bytes
      for entry in entries {
        body(entry.packet, all.extracting(offset..<(offset + entry.count)))
        offset += entry.count
      }
    }
  }

  private let limits: Limits
  private var connections: [Int: Kept] = [:]
  /// Connections in the order in which their room is sought back.
  private var queue: [Int] = []
  private var queueHead = 0
  package private(set) var size = 0

  package init(_ limits: Limits = Limits()) { self.limits = limits }

  package mutating func add(_ packet: CapturePacket, _ bytes: RawSpan, at place: PacketPlace) {
    if let index = connections.index(forKey: place.connection) {
      let before = connections.values[index].size
      connections.values[index].add(packet, bytes, completesExchange: place.completesExchange, limits)
      size += connections.values[index].size - before
    } else {
      var kept = Kept()
      kept.add(packet, bytes, completesExchange: place.completesExchange, limits)
      size += kept.size
      connections[place.connection] = kept
      queue.append(place.connection)
    }
    if size > limits.bytesInAll { seekRoom(sparing: place.connection) }
  }

  /// Gives the packets of a connection away, and forgets them.
  package mutating func take(_ connection: Int) -> Kept? {
    guard let kept = connections.removeValue(forKey: connection) else { return nil }
    size -= kept.size
    compactQueue()
    return kept
  }

  /// Empties connections that were quiet for longest, more or less.
  private mutating func seekRoom(sparing current: Int) {
    var looked = 0
    let most = (queue.count - queueHead) * 2
    while size > limits.bytesInAll, looked < most, queueHead < queue.count {
      looked += 1
      let number = queue[queueHead]
      queueHead += 1
      guard let index = connections.index(forKey: number) else { continue }
      queue.append(number)
      if connections.values[index].isRecent {
        connections.values[index].isRecent = false
      } else if number != current, connections.values[index].count > 0 {
        size -= connections.values[index].size
        connections.values[index].empty()
      }
    }
    compactQueue()
  }

  private mutating func compactQueue() {
    let waiting = queue.count - queueHead
    guard queue.count > 1_024, waiting > connections.count * 2 || queueHead > waiting else { return }
    queue = queue[queueHead...].filter { connections[$0] != nil }
    queueHead = 0
  }
}
