internal import Core
internal import Glibc

/// One request on one connection.
extension Driver {
  /// What bodies consist of, a piece of them at a time.
  private static let filling = [UInt8](repeating: UInt8(ascii: "x"), count: 65_536)
  /// Bytes that are read at once.
  private static let readSize = 16_384

  /// Sends a client's request: at once when it is connected, else when it is.
  mutating func start(_ request: DriveClient.Request, on client: DriveClient) {
    client.request = request
    if case .idle = client.phase { send(client) } else { connect(client) }
  }

  private mutating func connect(_ client: DriveClient) {
    client.input.removeAll()
    client.lastAnswer = nil
    client.phase = .connecting
    client.generation = (client.generation &+ 1) & 0x7fff_ffff
    setDeadline(client, MonotonicClock.now.advanced(by: settings.patience))
    ledger.connects += 1
    do throws(SystemError) {
      let descriptor = try Socket.connect(to: settings.target).takeDescriptor()
      let token = client.generation << 32 | UInt64(client.index)
      try poller.register(descriptor.number, for: [.readable, .writable, .peerClosed], trigger: .edge, token: token)
      client.descriptor = consume descriptor
    } catch {
      requestEnded(client, .notConnected(error.code))
    }
  }

  private mutating func send(_ client: DriveClient) {
    guard var request = client.request else { preconditionFailure("a client sends a request that it has") }
    let now = MonotonicClock.now
    request.sentAt = now
    if case .openLoop = settings.traffic, request.retries == 0 { request.idleSince = client.lastAnswer }
    if request.retries == 0 { request.gap = request.idleSince.map { now.since($0) } }
    client.request = request
    client.output.removeAll()
    let method: String
    switch request.kind {
    case .warmUp:
      method = "GET"
      client.output.append(utf8: "GET \(settings.path) HTTP/1.1\r\nHost: \(settings.host)\r\n\r\n")
      client.bodyLeft = 0
    case .test(let number):
      method = settings.method
      client.output.append(utf8: testHead(number))
      client.bodyLeft = settings.effectiveBodyBytes
    }
    client.response = DriveResponse(to: method)
    client.phase = .exchanging
    setDeadline(client, now.advanced(by: settings.patience))
    flush(client)
  }

  private func testHead(_ number: Int) -> String {
    var head = "\(settings.method) \(settings.path) HTTP/1.1\r\nHost: \(settings.host)\r\n"
    head += "X-Race-Id: \(settings.idPrefix)-\(number)\r\n"
    for header in settings.headers { head += header + "\r\n" }
    let bytes = settings.effectiveBodyBytes
    let takesBody = ["POST", "PUT", "PATCH"].contains(settings.method)
    if bytes > 0 { head += "Content-Type: text/plain\r\n" }
    if bytes > 0 || takesBody { head += "Content-Length: \(bytes)\r\n" }
    return head + "\r\n"
  }

  /// Writes as much of the request as the kernel takes. A connection that fails here may hold an answer: reading tells.
  private mutating func flush(_ client: DriveClient) {
    while let number = client.descriptor?.number, !client.output.isEmpty || client.bodyLeft > 0 {
      if client.output.isEmpty {
        let count = min(client.bodyLeft, Self.filling.count)
        client.output.append(Self.filling.rawSpan.part(ByteRange(offset: 0, count: count)))
        client.bodyLeft -= count
      }
      switch Socket.send(number, client.output.readable) {
      case .bytes(let count): client.output.consume(count)
      case .wouldBlock, .endOfStream: return
      case .failed(ECONNRESET): return ended(client, .reset)
      case .failed:
        client.output.removeAll()
        client.bodyLeft = 0
        return receive(client)
      }
    }
  }

  mutating func descriptorReady(_ client: DriveClient, _ readiness: Readiness) {
    if client.phase == .connecting {
      guard let number = client.descriptor?.number else { return }
      let code = Socket.takeError(number)
      guard code == 0 else { return requestEnded(client, .notConnected(code)) }
      client.phase = .idle(since: MonotonicClock.now)
      send(client)
    } else if client.phase == .exchanging, readiness.contains(.writable) {
      flush(client)
    }
    receive(client)
  }

  private mutating func receive(_ client: DriveClient) {
    while let number = client.descriptor?.number {
      client.input.makeRoom(for: Self.readSize)
      switch Socket.receive(number, into: &client.input) {
      case .bytes: received(client, isEnded: false)
      case .wouldBlock: return
      case .endOfStream: return received(client, isEnded: true)
      case .failed(ECONNRESET): return ended(client, .reset)
      case .failed: return ended(client, .closed)
      }
    }
  }

  private mutating func received(_ client: DriveClient, isEnded: Bool) {
    guard client.phase == .exchanging else {
      if !client.input.isEmpty { ledger.unaskedAnswers += 1 }
      // Something unasked cannot be told from the answer to the next request: no client keeps such a connection.
      return ended(client, .closed)
    }
    switch client.response.read(&client.input, isEnded: isEnded) {
    case .incomplete:
      guard isEnded else { return }
      ended(client, client.input.isEmpty && !client.response.hasBegun ? .closed : .cutOff)
    case .malformed: ended(client, .malformed)
    case .finished:
      let status = client.response.status
      let isSent = client.output.isEmpty && client.bodyLeft == 0
      let keepsOpen = client.response.keepsOpen && !isEnded && isSent && client.input.isEmpty
      requestEnded(client, (200..<300).contains(status) ? .answered : .status(status), keepsOpen: keepsOpen)
    }
  }

  /// The connection is gone.
  private mutating func ended(_ client: DriveClient, _ end: DriveEnd) {
    switch client.phase {
    case .connecting, .exchanging: requestEnded(client, end)
    case .closed: break
    case .idle:
      ledger.idleCloses += 1
      client.descriptor = nil
      client.phase = .closed
      if case .openLoop = settings.traffic { connectionLost(client) }
    }
  }

  /// The one place at which a request ends.
  mutating func requestEnded(_ client: DriveClient, _ end: DriveEnd, keepsOpen: Bool = false) {
    guard var request = client.request else { preconditionFailure("only a request that was begun ends") }
    let now = MonotonicClock.now
    setDeadline(client, .distantFuture)
    client.request = nil
    if keepsOpen {
      client.phase = .idle(since: now)
      client.lastAnswer = now
    } else {
      client.descriptor = nil
      client.phase = .closed
    }
    watch(end)
    if case .test = request.kind, end.invitesRetry, request.retries < settings.retries, ending == nil {
      request.retries += 1
      return start(request, on: client)
    }
    switch settings.traffic {
    case .bursts: burstRequestEnded(client, request, end)
    case .openLoop: openLoopRequestEnded(client, request, end)
    }
  }
}
