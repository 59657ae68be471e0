package import Core

/// The connections of one trace that are still open, and the ends of those that were.
///
/// Memory grows with open connections, up to ``maximumOpen``: about 4 KiB each, and more while packets are missing or requests
/// wait, up to ``maximumHeldBytes`` for all together. Beyond either the connection that was quiet for longest is given up and
/// judged with what is known of it.
package struct ConnectionTable {
  /// Connections that are followed at once.
  package static let maximumOpen = 131_072
  /// Bytes that all connections together hold besides their fixed size: behind holes, in unfinished heads, of open requests.
  package static let maximumHeldBytes = 256 << 20
  /// How long, in the capture's time, a closed connection is kept for what still belongs to it.
  package static let linger = Nanoseconds.seconds(10)
  /// Closed connections that are kept for that long; beyond it the first closed goes at once.
  private static let maximumClosed = 16_384

  private struct Key: Hashable {
    var low: Endpoint
    var high: Endpoint

    init(_ one: Endpoint, _ other: Endpoint) {
      (low, high) = one < other ? (one, other) : (other, one)
    }

    func hash(into hasher: inout Hasher) {
      hasher.combine(low.address.high ^ high.address.high &* 3)
      hasher.combine(low.address.low)
      hasher.combine(high.address.low)
      hasher.combine(UInt32(low.port) << 16 | UInt32(high.port))
    }
  }

  private struct Closed {
    var slot: Int
    var number: Int
    var due: Instant
  }

  private let trace: Int
  private let limit: Int
  private let heldLimit: Int
  package private(set) var heldBytes = 0
  private let linger: Nanoseconds
  private var slots: [Connection?] = []
  private var freeSlots: [Int] = []
  private var index: [Key: Int] = [:]
  private var oldest = -1
  private var newest = -1
  private var closed: [Closed] = []
  private var closedHead = 0
  /// Endpoints to which somebody connected: they are servers also where a handshake was not seen.
  private var servers: Set<Endpoint> = []
  package private(set) var opened = 0
  package private(set) var open = 0
  /// Connections that were given up because of the limit.
  package private(set) var givenUp = 0

  package init(
    trace: Int, maximumOpen: Int = ConnectionTable.maximumOpen, linger: Nanoseconds = ConnectionTable.linger,
    maximumHeldBytes: Int = ConnectionTable.maximumHeldBytes
  ) {
    self.trace = trace
    limit = maximumOpen
    heldLimit = maximumHeldBytes
    self.linger = linger
  }

  /// Takes one segment.
  ///
  /// - Parameters:
  ///   - events: what the exchanges did; belongs to the returned connection.
  ///   - ended: gets every connection that will not change any more.
  /// - Returns: the connection of the segment.
  package mutating func take(
    _ segment: TCPSegment, bytes: RawSpan, frame: Int64, time: Instant, events: inout [TurnEvent],
    ended: (Connection) -> Void
  ) -> Connection {
    let key = Key(segment.source, segment.destination)
    var found: Connection?
    if let slot = index[key] { found = slots[slot] }
    if let known = found, known.isReused(by: segment) {
      remove(known, key: key)
      ended(known)
      found = nil
    }
    let connection = found ?? add(segment, key: key, frame: frame, time: time, ended: ended)
    touch(connection)
    let wasClosed = connection.closedAt != nil
    connection.take(segment, bytes: bytes, frame: frame, time: time, events: &events)
    weigh(connection, ended: ended)
    if !wasClosed, connection.closedAt != nil {
      closed.append(
        Closed(slot: connection.slot, number: connection.number, due: time.advanced(by: linger)))
    }
    expire(now: time, keeping: connection, ended: ended)
    return connection
  }

  /// Gives every connection that is left to `ended`, in the order in which they were last used.
  package mutating func finish(ended: (Connection) -> Void) {
    var slot = oldest
    while slot >= 0, let connection = slots[slot] {
      slot = connection.newer
      ended(connection)
    }
    index.removeAll()
    slots.removeAll()
    freeSlots.removeAll()
    (oldest, newest, open) = (-1, -1, 0)
  }

  /// For a capture that goes on: gives to `ended` what time alone ends.
  ///
  /// - Parameters:
  ///   - abandoned: how long a connection may be quiet that the client has closed, or that was never established.
  ///   - quiet: how long any other may be.
  package mutating func timePassed(
    _ now: Instant, abandoned: Nanoseconds, quiet: Nanoseconds, ended: (Connection) -> Void
  ) {
    expire(now: now, keeping: nil, ended: ended)
    var slot = oldest
    while slot >= 0, let connection = slots[slot] {
      slot = connection.newer
      let age = now.since(connection.lastTime)
      // The list is in the order of the last use.
      guard age > abandoned else { break }
      let isAbandoned = connection.clientEnding != nil || (connection.syn != nil && connection.synAck == nil)
      guard isAbandoned || age > quiet else { continue }
      remove(connection, key: ConnectionTable.key(of: connection))
      ended(connection)
    }
  }

  // MARK: -

  /// Counts what a connection holds now, and gives others up while that is too much.
  private mutating func weigh(_ connection: Connection, ended: (Connection) -> Void) {
    let footprint = connection.footprint
    heldBytes += footprint - connection.countedBytes
    connection.countedBytes = footprint
    while heldBytes > heldLimit, oldest >= 0, let victim = slots[oldest], victim !== connection {
      givenUp += 1
      remove(victim, key: ConnectionTable.key(of: victim))
      ended(victim)
    }
  }

  private mutating func add(
    _ segment: TCPSegment, key: Key, frame: Int64, time: Instant, ended: (Connection) -> Void
  ) -> Connection {
    if open >= limit, oldest >= 0, let victim = slots[oldest] {
      givenUp += 1
      remove(victim, key: ConnectionTable.key(of: victim))
      ended(victim)
    }
    let (client, server, isKnown) = roles(segment)
    let connection = Connection(
      number: opened, trace: trace, client: client, server: server, rolesAreKnown: isKnown, frame: frame, time: time)
    opened += 1
    open += 1
    let slot = freeSlots.popLast() ?? slots.count
    if slot == slots.count { slots.append(connection) } else { slots[slot] = connection }
    connection.slot = slot
    connection.older = newest
    connection.newer = -1
    if newest >= 0 { slots[newest]?.newer = slot }
    newest = slot
    if oldest < 0 { oldest = slot }
    index[key] = slot
    return connection
  }

  private mutating func roles(_ segment: TCPSegment) -> (client: Endpoint, server: Endpoint, isKnown: Bool) {
    if segment.flags.contains(.syn) {
      let isAnswer = segment.flags.contains(.ack)
      let (client, server) =
        isAnswer ? (segment.destination, segment.source) : (segment.source, segment.destination)
      if servers.count < 65_536 { servers.insert(server) }
      return (client, server, true)
    }
    if servers.contains(segment.destination) { return (segment.source, segment.destination, true) }
    if servers.contains(segment.source) { return (segment.destination, segment.source, true) }
    // The lower port is more often the server's.
    if segment.source.port < segment.destination.port {
      return (segment.destination, segment.source, false)
    }
    return (segment.source, segment.destination, false)
  }

  private static func key(of connection: Connection) -> Key {
    Key(connection.client, connection.server)
  }

  private mutating func remove(_ connection: Connection, key: Key) {
    heldBytes -= connection.countedBytes
    connection.countedBytes = 0
    unlink(connection)
    index[key] = nil
    slots[connection.slot] = nil
    freeSlots.append(connection.slot)
    open -= 1
  }

  private mutating func unlink(_ connection: Connection) {
    if connection.older >= 0 { slots[connection.older]?.newer = connection.newer } else { oldest = connection.newer }
    if connection.newer >= 0 { slots[connection.newer]?.older = connection.older } else { newest = connection.older }
  }

  private mutating func touch(_ connection: Connection) {
    guard newest != connection.slot else { return }
    unlink(connection)
    connection.older = newest
    connection.newer = -1
    if newest >= 0 { slots[newest]?.newer = connection.slot }
    newest = connection.slot
    if oldest < 0 { oldest = connection.slot }
  }

  private mutating func expire(now: Instant, keeping current: Connection?, ended: (Connection) -> Void) {
    while closedHead < closed.count {
      let isCrowded = closed.count - closedHead > ConnectionTable.maximumClosed
      let entry = closed[closedHead]
      guard isCrowded || entry.due < now else { break }
      closedHead += 1
      guard let connection = slots[entry.slot], connection.number == entry.number else { continue }
      let due = connection.lastTime.advanced(by: linger)
      if connection === current || (due >= now && !isCrowded) {
        closed.append(Closed(slot: entry.slot, number: entry.number, due: max(due, now)))
        if due >= now { continue } else { break }
      }
      remove(connection, key: ConnectionTable.key(of: connection))
      ended(connection)
    }
    if closedHead > 4_096, closedHead * 2 > closed.count {
      closed.removeFirst(closedHead)
      closedHead = 0
    }
  }
}
