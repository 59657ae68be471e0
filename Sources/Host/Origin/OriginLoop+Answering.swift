internal import Core

/// What an origin answers.
extension OriginLoop {
  /// What bodies consist of, a piece of them at a time.
  private static let filling = (0..<65_536).map { 0x61 + UInt8($0 % 26) }

  mutating func requestRead(_ connection: OriginConnection) {
    guard let request = connection.request else { preconditionFailure("a body belongs to a request") }
    connection.exchanges += 1
    note(connection, "read \(request.method) \(request.target)\(request.raceID.map { " (\($0))" } ?? "")")
    if connection.followsSteps {
      record(connection, request, .read)
      connection.phase = .stepping
      return setDeadline(connection, .distantFuture)
    }
    let isControl = request.target.hasPrefix("/__")
    let death = isControl ? nil : request.script.death
    if let death, death != .unread, generator.chance(request.script.deathShare) {
      record(connection, request, .died)
      note(connection, "dies with it: \(death.rawValue)")
      shared.count { $0.deaths += 1 }
      return close(connection, aborting: death == .abort)
    }
    record(connection, request, .answered)
    if request.script.delay > .zero && !isControl {
      connection.phase = .delaying
      setDeadline(connection, MonotonicClock.now.advanced(by: request.script.delay))
    } else {
      respond(connection)
    }
  }

  func record(
    _ connection: OriginConnection, _ request: OriginConnection.Request, _ answer: LedgerEntry.Answer
  ) {
    let entry: LedgerEntry? = shared.state.withLock { state in
      state.counters.requests += 1
      guard let id = request.raceID else { return nil }
      guard state.ledger.count < OriginShared.ledgerLimit else {
        state.counters.unrecorded += 1
        return nil
      }
      let entry = LedgerEntry(
        id: id, method: request.method, target: request.target, answer: answer, connection: connection.number,
        exchange: connection.exchanges, at: MonotonicClock.now)
      state.ledger.append(entry)
      return entry
    }
    if let entry, let journal = shared.journal, !journal.append(entry.json + "\n") {
      shared.count { $0.unrecorded += 1 }
    }
  }

  mutating func respond(_ connection: OriginConnection) {
    guard let request = connection.request else { preconditionFailure("a response answers a request") }
    let script = request.script
    let body = responseBody(request)
    note(connection, "responds \(script.status)\(script.truncates ? ", with half of the body" : "")")
    let isLast = script.requests.map { connection.exchanges >= $0 } ?? false
    let saysClose =
      request.head.saysClose || (request.head.isHTTP10 && !request.head.saysKeepAlive)
      || (isLast && script.announcesClose) || connection.sawEnd
    connection.closesAfterResponse = saysClose ? .announced : isLast || script.truncates ? .silent : .no
    writeHead(connection, script, body, saysClose: saysClose, isHTTP10: request.head.isHTTP10)
    connection.slowBytes = connection.output.count
    if request.method == "HEAD" || script.status == 204 || script.status == 304 {
      connection.rest = OriginConnection.Rest()
    } else {
      connection.output.append(body.text)
      connection.rest = body.rest
      if script.truncates {
        connection.rest.count /= 2
        connection.rest.needsEnd = false
        connection.rest.isTruncated = true
      }
    }
    if script.headPause > .zero {
      connection.phase = .trickling
      trickle(connection)
    } else {
      connection.phase = .writing
      flush(connection)
    }
  }

  struct Body {
    var text: [UInt8] = []
    var rest = OriginConnection.Rest()
    var isChunked = false
    var count: Int { text.count + rest.count }
  }

  func responseBody(_ request: OriginConnection.Request) -> Body {
    let path = request.target.prefix { $0 != "?" }
    if path == "/" { return Body(text: Array("ok\n".utf8)) }
    if path == "/__ledger" {
      let lines = shared.state.withLock { $0.ledger }
      return Body(text: lines.flatMap { Array($0.json.utf8) + [0x0a] })
    }
    if path == "/__counters" { return Body(text: Array((shared.state.withLock { $0.counters }.json + "\n").utf8)) }
    if path == "/echo" { return Body(text: request.body ?? []) }
    let parts = path.split(separator: "/")
    if parts.count == 2, let count = Int(parts[1]), count >= 0 {
      if parts[0] == "bytes" { return Body(rest: OriginConnection.Rest(count: count)) }
      if parts[0] == "chunked" {
        return Body(rest: OriginConnection.Rest(count: count, isChunked: true, needsEnd: true), isChunked: true)
      }
    }
    return Body(text: Array("ok\n".utf8))
  }

  func writeHead(
    _ connection: OriginConnection, _ script: OriginScript, _ body: Body, saysClose: Bool, isHTTP10: Bool
  ) {
    connection.output.append("HTTP/1.1 ")
    connection.output.append(decimal: UInt64(script.status))
    connection.output.append(script.status == 200 ? " OK\r\n" : " Scripted\r\n")
    if body.isChunked {
      connection.output.append("Transfer-Encoding: chunked\r\n")
    } else if script.status != 204 {
      connection.output.append("Content-Length: ")
      connection.output.append(decimal: UInt64(body.count))
      connection.output.append("\r\n")
    }
    connection.output.append("X-Origin-Connection: ")
    connection.output.append(decimal: UInt64(connection.number))
    connection.output.append("\r\nX-Origin-Exchange: ")
    connection.output.append(decimal: UInt64(connection.exchanges))
    connection.output.append("\r\n")
    if saysClose {
      connection.output.append("Connection: close\r\n")
    } else {
      if isHTTP10 { connection.output.append("Connection: keep-alive\r\n") }
      if let seconds = script.hintedSeconds {
        connection.output.append("Keep-Alive: timeout=")
        connection.output.append(decimal: UInt64(max(seconds, 0)))
        connection.output.append("\r\n")
      }
    }
    connection.output.append("\r\n")
  }

  /// Sends one byte of the head; once all are sent, the body follows at once.
  mutating func trickle(_ connection: OriginConnection) {
    let before = connection.output.count
    guard Self.sendFirstByte(connection) else {
      return peerGone(connection)
    }
    connection.slowBytes -= before - connection.output.count
    guard connection.slowBytes > 0 else {
      connection.phase = .writing
      return flush(connection)
    }
    let pause = connection.request?.script.headPause ?? .zero
    setDeadline(connection, MonotonicClock.now.advanced(by: pause))
  }

  static func sendFirstByte(_ connection: OriginConnection) -> Bool {
    guard !connection.output.isEmpty else { return true }
    switch sendBytes(connection.descriptor.number, connection.output, atMost: 1) {
    case .bytes(let count): connection.output.consume(count)
    case .wouldBlock, .endOfStream: break
    case .failed: return false
    }
    return true
  }

  static func sendBytes(_ number: Int32, _ buffer: borrowing ByteBuffer, atMost limit: Int = .max) -> Transfer {
    Socket.send(number, buffer.readable.part(ByteRange(offset: 0, count: min(buffer.count, limit))))
  }

  enum Sent {
    case all
    case some
    case failed
  }

  /// Writes what the output holds.
  func send(_ connection: OriginConnection) -> Sent {
    while !connection.output.isEmpty {
      switch Self.sendBytes(connection.descriptor.number, connection.output) {
      case .bytes(let count): connection.output.consume(count)
      case .wouldBlock, .endOfStream: return .some
      case .failed: return .failed
      }
    }
    return .all
  }

  /// Writes output and the rest of the body until all is sent or the peer takes no more.
  mutating func flush(_ connection: OriginConnection) {
    while true {
      if connection.output.count < 1024, !connection.rest.isEmpty { refill(connection) }
      switch send(connection) {
      case .all where connection.rest.isEmpty: return responseSent(connection)
      case .all: continue
      case .some: return setDeadline(connection, MonotonicClock.now.advanced(by: Self.patience))
      case .failed: return peerGone(connection)
      }
    }
  }

  func refill(_ connection: OriginConnection) {
    let count = min(connection.rest.count, Self.filling.count)
    if count > 0 {
      if connection.rest.isChunked {
        connection.output.append(hexadecimal: UInt64(count))
        connection.output.append("\r\n")
      }
      connection.output.reserve(count + 16)
      connection.output.append(Self.filling.rawSpan.part(ByteRange(offset: 0, count: count)))
      if connection.rest.isChunked { connection.output.append("\r\n") }
      connection.rest.count -= count
    }
    if connection.rest.count == 0, connection.rest.needsEnd {
      connection.output.append("0\r\n\r\n")
      connection.rest.needsEnd = false
    }
  }

  mutating func responseSent(_ connection: OriginConnection) {
    shared.count { $0.responses += 1 }
    if connection.followsSteps {
      // Answered before its content was read: a later step may still read that.
      if connection.unreadBody == nil { connection.request = nil }
      connection.rest = OriginConnection.Rest()
      connection.phase = .stepping
      return setDeadline(connection, .distantFuture)
    }
    if connection.rest.isTruncated { return close(connection) }
    switch connection.closesAfterResponse {
    case .silent: close(connection)
    case .announced:
      Socket.shutdownWriting(connection.descriptor.number)
      connection.phase = .draining
      connection.input.removeAll()
      if connection.sawEnd { return close(connection) }
      setDeadline(connection, MonotonicClock.now.advanced(by: Self.drainTime))
    case .no:
      becomeIdle(connection)
    }
  }
}
