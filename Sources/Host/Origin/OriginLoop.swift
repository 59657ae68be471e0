internal import Core
internal import Glibc

/// The event loop of a scripted origin.
struct OriginLoop: ~Copyable {
  private enum Token {
    static let listener: UInt64 = 0
    static let timer: UInt64 = 1
    static let wakeup: UInt64 = 2
    /// In the timer queue: accept again.
    static let acceptAgain: UInt64 = 3
  }

  private static let connectionKind: UInt8 = 1
  /// For a head that has begun, a body that stalls, a peer that does not end.
  private static let patience = Nanoseconds.seconds(30)
  private static let drainTime = Nanoseconds.seconds(1)
  /// Before accepting is tried again when descriptors have run out.
  private static let acceptPause = Nanoseconds.milliseconds(20)
  /// What bodies consist of, a piece of them at a time.
  private static let filling = (0..<65_536).map { 0x61 + UInt8($0 % 26) }
  private static let farewell: StaticString =
    "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

  private let shared: OriginShared
  private var poller: Poller
  private var timer: PreciseTimer
  private var timers = TimerQueue()
  private var connections = Slab<OriginConnection>(kind: OriginLoop.connectionKind)
  private var generator: SeededGenerator
  private var accepted = 0

  init(_ shared: OriginShared) throws(SystemError) {
    let poller = try Poller()
    let timer = try PreciseTimer()
    try poller.register(shared.listener.number, for: .readable, trigger: .level, token: Token.listener)
    try poller.register(timer.number, for: .readable, trigger: .level, token: Token.timer)
    try poller.register(shared.wakeup.number, for: .readable, trigger: .level, token: Token.wakeup)
    self.shared = shared
    self.poller = poller
    self.timer = timer
    generator = SeededGenerator(seed: shared.state.withLock { $0.script.seed })
  }

  mutating func run() {
    while !shared.state.withLock({ $0.isStopping }) {
      timer.set(timers.soonest)
      let count = poller.wait(atMost: nil)
      for index in 0..<count {
        switch poller.token(at: index) {
        case Token.listener: acceptAll()
        case Token.timer: timer.clear()
        case Token.wakeup: shared.wakeup.clear()
        case let token:
          if let connection = connections.element(token) { descriptorReady(connection, poller.readiness(at: index)) }
        }
      }
      fireTimers()
    }
  }

  // MARK: Connections

  private mutating func acceptAll() {
    while true {
      do throws(SystemError) {
        guard let incoming = try Socket.accept(shared.listener.number) else { return }
        accepted += 1
        let number = accepted
        let descriptor = incoming.takeDescriptor()
        Socket.sendPromptly(descriptor.number)
        var holder: Descriptor? = consume descriptor
        let connection = connections.insert { token in
          // The closure runs once.
          OriginConnection(descriptor: holder.take()!, token: token, number: number)
        }
        try poller.register(
          connection.descriptor.number, for: [.readable, .writable, .peerClosed], trigger: .edge,
          token: connection.token)
        shared.count {
          $0.accepted += 1
          $0.open += 1
        }
        opened(connection)
      } catch {
        // Out of descriptors: the listener stays ready, so that asking again at once would spin.
        poller.deregister(shared.listener.number)
        timers.schedule(Token.acceptAgain, at: MonotonicClock.now.advanced(by: Self.acceptPause))
        return
      }
    }
  }

  private mutating func opened(_ connection: OriginConnection) {
    let script = shared.state.withLock { $0.script }
    if script.language == .ssh {
      connection.output.append("SSH-2.0-OpenSSH_9.2\r\n")
      _ = send(connection)
    }
    becomeIdle(connection)
  }

  private mutating func close(_ connection: OriginConnection, aborting: Bool = false) {
    if aborting { Socket.abortOnClose(connection.descriptor.number) }
    connections.remove(connection.token)
    shared.count { $0.open -= 1 }
    // The slab held the last reference but the caller's: the descriptor is closed when that is given up.
  }

  // MARK: Timers

  private mutating func setDeadline(_ connection: OriginConnection, _ deadline: Instant) {
    connection.deadline = deadline
    guard deadline < connection.armed else { return }
    connection.armed = deadline
    timers.schedule(connection.token, at: deadline)
  }

  private mutating func fireTimers() {
    guard let soonest = timers.soonest, soonest <= MonotonicClock.now else { return }
    let now = MonotonicClock.now
    while let token = timers.nextDue(at: now) {
      if token == Token.acceptAgain {
        try? poller.register(shared.listener.number, for: .readable, trigger: .level, token: Token.listener)
        continue
      }
      guard let connection = connections.element(token) else { continue }
      connection.armed = .distantFuture
      if connection.deadline > now {
        setDeadline(connection, connection.deadline)
      } else {
        deadlineReached(connection)
      }
    }
  }

  private mutating func deadlineReached(_ connection: OriginConnection) {
    switch connection.phase {
    case .idle: endIdle(connection)
    case .delaying:
      respond(connection)
      process(connection)
    case .trickling:
      trickle(connection)
      process(connection)
    case .readingHead, .readingBody, .writing, .halfClosed, .draining: close(connection)
    }
  }

  private mutating func becomeIdle(_ connection: OriginConnection) {
    connection.phase = .idle
    connection.request = nil
    let script = shared.state.withLock { $0.script }
    guard let idle = script.idle else { return setDeadline(connection, .distantFuture) }
    let jitter = script.jitter.count
    let drawn = jitter > 0 ? idle + Nanoseconds(Int64.random(in: -jitter...jitter, using: &generator)) : idle
    setDeadline(connection, MonotonicClock.now.advanced(by: drawn))
  }

  private mutating func endIdle(_ connection: OriginConnection) {
    if shared.state.withLock({ $0.script.looks }), case .bytes = Socket.glance(connection.descriptor.number) {
      setDeadline(connection, MonotonicClock.now.advanced(by: Self.patience))
      return descriptorReady(connection, [.readable, .peerClosed])
    }
    let way = shared.state.withLock { state in
      state.counters.idleEnds += 1
      if state.script.atIdle == .farewell { state.counters.farewells += 1 }
      return state.script.atIdle
    }
    switch way {
    case .close: close(connection)
    case .abort: close(connection, aborting: true)
    case .farewell:
      connection.output.append(Self.farewell)
      _ = send(connection)
      close(connection)
    case .halfClose, .halfCloseAbort:
      Socket.shutdownWriting(connection.descriptor.number)
      connection.phase = .halfClosed
      setDeadline(connection, MonotonicClock.now.advanced(by: Self.patience))
    }
  }

  // MARK: Reading

  private mutating func descriptorReady(_ connection: OriginConnection, _ readiness: Readiness) {
    if case .writing = connection.phase {
      flush(connection)
      process(connection)
      guard connections.element(connection.token) != nil else { return }
    }
    if case .idle = connection.phase, diesUnread(connection) { return close(connection) }
    read(connection, untilEnd: !readiness.isDisjoint(with: [.peerClosed, .hangUp, .failed]))
  }

  /// Draws whether the request that has just arrived is left unread.
  private mutating func diesUnread(_ connection: OriginConnection) -> Bool {
    let script = shared.state.withLock { $0.script }
    guard script.death == .unread, case .bytes = Socket.glance(connection.descriptor.number),
      generator.chance(script.deathShare)
    else { return false }
    shared.count { $0.deaths += 1 }
    return true
  }

  /// - Parameter untilEnd: the peer's end may lie behind the bytes; no further event will tell.
  private mutating func read(_ connection: OriginConnection, untilEnd: Bool) {
    while true {
      connection.input.compact()
      connection.input.reserve(2048)
      let before = connection.input.count
      let room = connection.input.writableCount
      switch Socket.receive(connection.descriptor.number, into: &connection.input) {
      case .bytes(let count):
        if case .halfClosed = connection.phase { shared.count { $0.bytesAfterHalfClose += count } }
        if case .draining = connection.phase { connection.input.removeAll() }
        process(connection)
        guard connections.element(connection.token) != nil else { return }
        if count < room && !untilEnd { return }
        // A peer that pipelines without end, while its first request is not answered.
        if before > 1 << 20 { return close(connection) }
      case .wouldBlock: return
      case .endOfStream:
        connection.sawEnd = true
        return peerEnded(connection)
      case .failed:
        shared.count { $0.peerEnds += 1 }
        return close(connection)
      }
    }
  }

  /// A half-closing peer still gets its answer.
  private mutating func peerEnded(_ connection: OriginConnection) {
    switch connection.phase {
    case .delaying, .trickling, .writing: break
    case .idle, .readingHead, .readingBody, .halfClosed, .draining:
      shared.count { $0.peerEnds += 1 }
      close(connection)
    }
  }

  /// Takes requests out of the input for as long as none of them has to wait.
  private mutating func process(_ connection: OriginConnection) {
    while connections.element(connection.token) != nil {
      switch connection.phase {
      case .idle, .readingHead:
        guard !connection.input.isEmpty else { return }
        guard readHead(connection) else { return }
      case .readingBody(var body):
        var kept = connection.request?.body
        connection.request?.body = nil
        let progress = body.read(&connection.input, keepingIn: &kept)
        connection.request?.body = kept
        connection.phase = .readingBody(body)
        switch progress {
        case .incomplete: return
        case .malformed: return reject(connection)
        case .finished: requestRead(connection)
        }
      case .halfClosed:
        guard readAfterHalfClose(connection) else { return }
      case .delaying, .trickling, .writing, .draining: return
      }
    }
  }

  /// True when there is more to be done.
  private mutating func readHead(_ connection: OriginConnection) -> Bool {
    let script = shared.state.withLock { $0.script }
    guard script.language == .http else {
      answerInAnotherLanguage(connection, script.language)
      return false
    }
    switch OriginHead.parse(connection.input) {
    case .incomplete:
      if case .idle = connection.phase {
        connection.phase = .readingHead
        setDeadline(connection, MonotonicClock.now.advanced(by: Self.patience))
      }
      return false
    case .malformed:
      reject(connection)
      return false
    case .head(let head):
      let request = Self.request(head, connection.input, script)
      connection.input.consume(head.length)
      if head.expectsContinue && request.script.continues {
        connection.output.append("HTTP/1.1 100 Continue\r\n\r\n")
        _ = send(connection)
      }
      connection.request = request
      connection.phase = .readingBody(OriginBody(head))
      setDeadline(connection, MonotonicClock.now.advanced(by: Self.patience))
      return true
    }
  }

  private static func request(
    _ head: OriginHead, _ buffer: borrowing ByteBuffer, _ script: OriginScript
  ) -> OriginConnection.Request {
    let bytes = buffer.readable
    let target = bytes.text(head.target)
    return OriginConnection.Request(
      head: head, script: script.script(for: target), method: bytes.text(head.method), target: target,
      raceID: head.raceID.map { bytes.text($0) }, body: target.hasPrefix("/echo") ? [] : nil)
  }

  private mutating func reject(_ connection: OriginConnection) {
    shared.count { $0.malformed += 1 }
    connection.output.append("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    connection.closesAfterResponse = .announced
    connection.rest = OriginConnection.Rest()
    connection.phase = .writing
    flush(connection)
  }

  private mutating func answerInAnotherLanguage(_ connection: OriginConnection, _ language: OriginScript.Language) {
    // A fatal alert, "unexpected message"; SSH has sent its greeting already and says why it leaves.
    let answer: [UInt8] = language == .tls ? [21, 3, 3, 0, 2, 2, 10] : Array("Protocol mismatch.\r\n".utf8)
    connection.output.append(answer)
    _ = send(connection)
    connection.input.removeAll()
    Socket.shutdownWriting(connection.descriptor.number)
    connection.phase = .draining
    setDeadline(connection, MonotonicClock.now.advanced(by: Self.drainTime))
  }

  /// Reads whole requests without their being answerable. True when there may be more.
  private mutating func readAfterHalfClose(_ connection: OriginConnection) -> Bool {
    let script = shared.state.withLock { $0.script }
    if connection.request == nil {
      guard case .head(let head) = OriginHead.parse(connection.input) else { return false }
      connection.request = Self.request(head, connection.input, script)
      connection.input.consume(head.length)
    }
    guard let request = connection.request else { return false }
    // What follows is read at once or not at all: these requests are small.
    var body = OriginBody(request.head)
    var kept: [UInt8]?
    guard body.read(&connection.input, keepingIn: &kept) == .finished else { return false }
    connection.exchanges += 1
    connection.request = nil
    shared.count { $0.requestsAfterHalfClose += 1 }
    record(connection, request, .halfClosed)
    if script.atIdle == .halfCloseAbort {
      close(connection, aborting: true)
      return false
    }
    return true
  }

  // MARK: Answering

  private mutating func requestRead(_ connection: OriginConnection) {
    guard let request = connection.request else { preconditionFailure("a body belongs to a request") }
    connection.exchanges += 1
    let isControl = request.target.hasPrefix("/__")
    let death = isControl ? nil : request.script.death
    if let death, death != .unread, generator.chance(request.script.deathShare) {
      record(connection, request, .died)
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

  private func record(
    _ connection: OriginConnection, _ request: OriginConnection.Request, _ answer: LedgerEntry.Answer
  ) {
    shared.state.withLock { state in
      state.counters.requests += 1
      guard let id = request.raceID else { return }
      guard state.ledger.count < OriginShared.ledgerLimit else {
        state.counters.unrecorded += 1
        return
      }
      state.ledger.append(
        LedgerEntry(
          id: id, method: request.method, target: request.target, answer: answer, connection: connection.number,
          exchange: connection.exchanges, at: MonotonicClock.now))
    }
  }

  private mutating func respond(_ connection: OriginConnection) {
    guard let request = connection.request else { preconditionFailure("a response answers a request") }
    let script = request.script
    let body = responseBody(request)
    let isLast = script.requests.map { connection.exchanges >= $0 } ?? false
    let saysClose =
      request.head.saysClose || (request.head.isHTTP10 && !request.head.saysKeepAlive)
      || (isLast && script.announcesClose) || connection.sawEnd
    connection.closesAfterResponse = saysClose ? .announced : isLast || script.truncates ? .silent : .no
    writeHead(connection, script, body, saysClose: saysClose, isHTTP10: request.head.isHTTP10)
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

  private struct Body {
    var text: [UInt8] = []
    var rest = OriginConnection.Rest()
    var isChunked = false
    var count: Int { text.count + rest.count }
  }

  private func responseBody(_ request: OriginConnection.Request) -> Body {
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

  private func writeHead(
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
  private mutating func trickle(_ connection: OriginConnection) {
    guard Self.sendFirstByte(connection) else {
      shared.count { $0.peerEnds += 1 }
      return close(connection)
    }
    guard !connection.output.isEmpty else {
      connection.phase = .writing
      return flush(connection)
    }
    let pause = connection.request?.script.headPause ?? .zero
    setDeadline(connection, MonotonicClock.now.advanced(by: pause))
  }

  private static func sendFirstByte(_ connection: OriginConnection) -> Bool {
    guard !connection.output.isEmpty else { return true }
    switch sendBytes(connection.descriptor.number, connection.output, atMost: 1) {
    case .bytes(let count): connection.output.consume(count)
    case .wouldBlock, .endOfStream: break
    case .failed: return false
    }
    return true
  }

  private static func sendBytes(_ number: Int32, _ buffer: borrowing ByteBuffer, atMost limit: Int = .max) -> Transfer {
    Socket.send(number, buffer.readable.part(ByteRange(offset: 0, count: min(buffer.count, limit))))
  }

  private enum Sent {
    case all
    case some
    case failed
  }

  /// Writes what the output holds.
  private func send(_ connection: OriginConnection) -> Sent {
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
  private mutating func flush(_ connection: OriginConnection) {
    while true {
      if connection.output.count < 1024, !connection.rest.isEmpty { refill(connection) }
      switch send(connection) {
      case .all where connection.rest.isEmpty: return responseSent(connection)
      case .all: continue
      case .some: return setDeadline(connection, MonotonicClock.now.advanced(by: Self.patience))
      case .failed:
        shared.count { $0.peerEnds += 1 }
        return close(connection)
      }
    }
  }

  private func refill(_ connection: OriginConnection) {
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

  private mutating func responseSent(_ connection: OriginConnection) {
    shared.count { $0.responses += 1 }
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
