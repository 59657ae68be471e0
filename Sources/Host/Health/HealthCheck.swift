internal import Core
internal import Glibc
internal import TLS

/// One check of one server: a connection, a request where the settings have one, and what came of it.
final class HealthCheck {
  /// What the check found, for the state machine and for people.
  struct Finding {
    var result: ActiveHealth.CheckResult
    var text: String

    init(_ result: ActiveHealth.CheckResult, _ text: String) {
      self.result = result
      self.text = text
    }

    func isSuccess(_ settings: ActiveHealthSettings) -> Bool {
      switch result {
      case .answered(let status): settings.statuses.contains(status)
      case .connected: true
      case .failed: false
      }
    }
  }

  /// Bytes of a response head; a longer one is a failure.
  private static let headBytes = 16_384
  /// Bytes behind the head that are read before the connection is closed, so that small answers end in order.
  private static let contentBytes = 65_536
  /// Interim responses before the final one.
  private static let interimLimit = 16

  private enum Phase {
    case connecting
    /// TLS is being agreed upon.
    case shakingHands
    case sending
    case awaitingHead
    /// The answer is known; the rest of it is dropped. Bytes that still may be.
    case dropping(Finding, left: Int)
  }

  let token: UInt64
  let entry: HealthLoop.Entry
  let deadline: Instant
  private var transport: Transport
  private var phase = Phase.connecting
  private var outbound: ByteBuffer
  private var inbound = ByteBuffer(capacity: 2_048)
  private var scan = HeadScan()
  private var interims = 0

  init(token: UInt64, entry: HealthLoop.Entry, descriptor: consuming Descriptor, deadline: Instant) {
    self.token = token
    self.entry = entry
    self.deadline = deadline
    transport = Transport(descriptor, isWritable: false)
    outbound = ByteBuffer(capacity: 512)
    Self.writeOpening(entry.target.proxyProtocol, to: &outbound)
    // Before TLS begins; what is behind it goes through TLS.
    if entry.target.tls == nil { Self.writeRequest(entry.target, to: &outbound) }
  }

  var isOpen: Bool { !transport.isClosed }

  var number: Int32 { transport.number }

  func close() { transport.close() }

  /// What it means when the time is over now.
  var late: Finding {
    let time = entry.target.settings.timeout.text
    switch phase {
    case .connecting: return Finding(.failed, "no connection within \(time)")
    case .shakingHands: return Finding(.failed, "TLS was not agreed upon within \(time)")
    case .sending, .awaitingHead: return Finding(.failed, "no response within \(time)")
    case .dropping(let finding, _): return finding
    }
  }

  /// - Returns: what the check found, when it is over.
  func progressed(_ readiness: Readiness) -> Finding? {
    guard isOpen else { return nil }
    if case .connecting = phase {
      guard !readiness.isDisjoint(with: [.writable, .failed, .hangUp]) else { return nil }
      let code = transport.takeError()
      if code != 0 { return Finding(.failed, "connect: \(SystemError.text(of: code))") }
      if let tls = entry.target.tls {
        // No kernel has so little room in a new connection.
        guard outbound.isEmpty || transport.send(outbound.readable) == .bytes(outbound.count) else {
          return Finding(.failed, "the connection broke")
        }
        outbound.removeAll()
        Self.writeRequest(entry.target, to: &outbound)
        let session = TLSSession(client: tls.context.current, serverName: tls.name)
        session.offer([.http11])
        transport.beginTLS(session, CiphertextBuffer())
        phase = .shakingHands
      } else {
        phase = .sending
      }
    }
    transport.noteReadiness(readiness)
    if case .shakingHands = phase {
      switch transport.shakeHands() {
      case .bytes: phase = .sending
      case .wouldBlock: return nil
      case .closeNotify: return Finding(.failed, "TLS: the server closed the connection in the handshake")
      case .failed(let failure): return Finding(.failed, "TLS: \(failure.detail); \(failure.remedy)")
      }
    }
    if case .sending = phase, let finding = send() { return finding }
    switch phase {
    case .connecting, .shakingHands, .sending: return nil
    case .awaitingHead, .dropping: return receive()
    }
  }

  // MARK: - Sending

  /// A server that expects the PROXY protocol gets the form for connections of the proxy's own (section 2 of its specification).
  private static func writeOpening(_ version: UpstreamSettings.ProxyProtocolOut, to bytes: inout ByteBuffer) {
    switch version {
    case .off: break
    case .version1: bytes.append("PROXY UNKNOWN\r\n")
    case .version2:
      bytes.append([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x20, 0x00, 0x00, 0x00])
    }
  }

  private static func writeRequest(_ target: HealthChecks.Target, to bytes: inout ByteBuffer) {
    guard let path = target.settings.path else { return }
    bytes.append(utf8: "\(target.settings.method) \(path) HTTP/1.1\r\nHost: \(target.hostField)\r\n")
    bytes.append("User-Agent: photofinish-health-check\r\nAccept: */*\r\nConnection: close\r\n")
    // RFC 9110 section 8.6: a method that has content says how much, also none.
    switch target.settings.method {
    case "POST", "PUT", "PATCH": bytes.append("Content-Length: 0\r\n")
    default: break
    }
    bytes.append("\r\n")
  }

  private func send() -> Finding? {
    while !outbound.isEmpty {
      switch transport.send(outbound.readable) {
      case .bytes(let count): outbound.consume(count)
      case .wouldBlock: return nil
      case .failed(let code): return Finding(.failed, "the connection broke: \(SystemError.text(of: code))")
      }
    }
    guard entry.target.settings.path != nil else { return Finding(.connected, "connected") }
    phase = .awaitingHead
    return nil
  }

  // MARK: - Receiving

  private func receive() -> Finding? {
    while true {
      if case .dropping = phase { inbound.removeAll() }
      inbound.makeRoom(for: 1)
      switch transport.receive(into: &inbound) {
      case .wouldBlock: return nil
      case .bytes(let count):
        if let finding = received(count) { return finding }
      case .ended:
        if case .dropping(let finding, _) = phase { return finding }
        return Finding(.failed, "the connection ended without a response")
      case .failed(let code):
        if case .dropping(let finding, _) = phase { return finding }
        if let failure = transport.tlsFailure {
          return Finding(.failed, "TLS: \(failure.detail); \(failure.remedy)")
        }
        return Finding(.failed, "the connection broke: \(SystemError.text(of: code))")
      }
    }
  }

  private func received(_ count: Int) -> Finding? {
    switch phase {
    case .connecting, .shakingHands, .sending: return nil
    case .dropping(let finding, let left):
      phase = .dropping(finding, left: left - count)
      return left > count ? nil : finding
    case .awaitingHead: break
    }
    while true {
      switch Self.parse(inbound, &scan, entry.target.settings.method) {
      case .incomplete:
        return inbound.count >= Self.headBytes ? Finding(.failed, "the response head is too long") : nil
      case .failed(let error): return Finding(.failed, "what came is no response: \(error.explanation)")
      case .complete(let head):
        inbound.consume(head.byteCount)
        scan = HeadScan()
        guard head.isInterim else {
          let finding = Finding(.answered(status: UInt16(head.status)), "status \(head.status)")
          // A server that does not close, although it is asked to, has answered all the same.
          let isWhole: Bool
          switch head.framing {
          case .none: isWhole = true
          case .contentLength(let length):
            let left = Int(clamping: length) - inbound.count
            isWhole = left <= 0
            phase = .dropping(finding, left: min(left, Self.contentBytes))
          case .chunked, .untilClose:
            isWhole = false
            phase = .dropping(finding, left: Self.contentBytes)
          }
          return isWhole ? finding : nil
        }
        interims += 1
        if interims > Self.interimLimit { return Finding(.failed, "interim responses without an end") }
      }
    }
  }

  private static func parse(
    _ bytes: borrowing ByteBuffer, _ scan: inout HeadScan, _ method: String
  ) -> HeadParse<ResponseHead> {
    var fields = FieldTable()
    return ResponseHead.parse(
      bytes.readable, scan: &scan,
      limits: HeadLimits(headBytes: headBytes, startLineBytes: 8_192, fieldCount: 256),
      requestMethod: method == "HEAD" ? .head : .get, into: &fields)
  }
}

extension HealthChecks.Target {
  /// What is sent as Host.
  fileprivate var hostField: String {
    if let host = settings.host { return host }
    switch record.origin {
    case .tcp(let host, let port):
      let name = host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host
      return port == (tls == nil ? 80 : 443) ? name : "\(name):\(port)"
    case .unix: return "localhost"
    }
  }
}
