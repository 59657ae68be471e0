import Core
import Glibc

/// The thread of the admin endpoint: HTTP/1.1 by the grammar of the proxy, for few clients at once.
///
/// A client that reads slowly, or not at all, has a buffer that is bounded, and a deadline.
final class AdminLoop {
  /// Clients at once; more are turned away.
  static let mostConnections = 128
  /// Bytes of a request's content.
  static let longestBody = 4_096
  /// How long a connection may be silent, or not take what waits for it.
  static let patience = Nanoseconds.seconds(30)

  private enum Token {
    static let wakeup: UInt64 = 0
    static let listener: UInt64 = 1
    static let connectionKind: UInt8 = 2
  }

  private let listener: Int32
  private let wakeup: Wakeup
  private let allowed: AdminGuard
  private var pages: AdminPages
  private var poller: Poller
  private var connections = Slab<AdminConnection>(kind: Token.connectionKind)
  private var fields = FieldTable()
  private let limits = HeadLimits()

  init(listener: Int32, wakeup: Wakeup, settings: AdminSettings, control: ProxyControl) throws(SystemError) {
    self.listener = listener
    self.wakeup = wakeup
    allowed = AdminGuard(settings)
    pages = AdminPages(control, RecentIncidents(control.proxy.incidents.addReader(waking: wakeup)))
    poller = try Poller(batch: 64)
    try poller.register(wakeup.number, for: .readable, trigger: .level, token: Token.wakeup)
    try poller.register(listener, for: .readable, trigger: .level, token: Token.listener)
  }

  /// Serves until it is told to stop.
  func run(isStopped: () -> Bool) {
    while !isStopped() {
      let count = poller.wait(atMost: .seconds(1))
      for event in 0..<count {
        switch poller.token(at: event) {
        case Token.wakeup: wakeup.clear()
        case Token.listener: accept()
        case let token: if let connection = connections.element(token) { advance(connection) }
        }
      }
      let now = MonotonicClock.now
      for connection in connections.all where connection.deadline <= now { close(connection) }
    }
    for connection in connections.all { close(connection) }
  }

  private func accept() {
    // A failure to accept, for want of descriptors for instance, is tried again when the poller tells of the listener next.
    guard let accepted = try? Socket.accept(listener) else { return }
    guard connections.count < Self.mostConnections else { return }
    var descriptor: Descriptor? = accepted.takeDescriptor()
    let connection = connections.insert { token in
      // The slab calls this once; a descriptor has one holder.
      AdminConnection(
        token: token, descriptor: descriptor.take()!, deadline: MonotonicClock.now.advanced(by: Self.patience))
    }
    do throws(SystemError) {
      try poller.register(
        connection.descriptor.number, for: [.readable, .writable, .peerClosed], trigger: .edge,
        token: connection.token)
      advance(connection)
    } catch {
      close(connection)
    }
  }

  private func close(_ connection: AdminConnection) { connections.remove(connection.token) }

  // MARK: - One client

  private func advance(_ connection: AdminConnection) {
    while true {
      guard flush(connection) else { return close(connection) }
      // The next request waits until this one's answer is gone: whoever asks and does not read gets no more.
      guard connection.outbound.isEmpty else { return }
      if connection.isLast { return close(connection) }
      switch serveOne(connection) {
      case .served: continue
      case .incomplete: break
      }
      var inbound = connection.inbound.take() ?? ByteBuffer(capacity: 4_096)
      inbound.makeRoom(for: 2_048)
      let transfer = Socket.receive(connection.descriptor.number, into: &inbound)
      if !inbound.isEmpty { connection.inbound = consume inbound }
      switch transfer {
      case .bytes: connection.deadline = MonotonicClock.now.advanced(by: Self.patience)
      case .wouldBlock: return
      case .endOfStream, .failed: return close(connection)
      }
    }
  }

  /// Sends what waits; whether the connection is still of use.
  private func flush(_ connection: AdminConnection) -> Bool {
    while !connection.outbound.isEmpty {
      switch Socket.send(connection.descriptor.number, connection.outbound.readable) {
      case .bytes(let count):
        connection.outbound.consume(count)
        connection.deadline = MonotonicClock.now.advanced(by: Self.patience)
      case .wouldBlock: return true
      case .endOfStream, .failed: return false
      }
    }
    // What a large answer needed is not kept for small ones.
    if connection.outbound.capacity > 65_536 { connection.outbound = ByteBuffer(capacity: 4_096) }
    return true
  }

  private enum Progress {
    case served, incomplete
  }

  private enum Reading {
    case incomplete
    case refused(UInt16, String)
    /// And how many bytes it takes.
    case request(AdminRequest, Int)
  }

  private func serveOne(_ connection: AdminConnection) -> Progress {
    guard !connection.isWatching, var inbound = connection.inbound.take() else { return .incomplete }
    let reading = read(inbound, &connection.scan)
    switch reading {
    case .incomplete:
      connection.inbound = consume inbound
      return .incomplete
    case .refused(let status, let text):
      refuse(connection, status, text)
    case .request(let request, let length):
      inbound.consume(length)
      if !inbound.isEmpty { connection.inbound = consume inbound }
      connection.scan = HeadScan()
      answer(connection, request)
    }
    return .served
  }

  private func read(_ inbound: borrowing ByteBuffer, _ scan: inout HeadScan) -> Reading {
    let bytes = inbound.readable
    switch RequestHead.parse(bytes, scan: &scan, limits: limits, into: &fields) {
    case .incomplete: return .incomplete
    case .failed(let error): return .refused(UInt16(error.status), error.explanation)
    case .complete(let head):
      var length = 0
      switch head.framing {
      case .none: break
      case .contentLength(let count) where count <= UInt64(Self.longestBody): length = Int(count)
      case .contentLength, .chunked:
        return .refused(413, "The content is longer than \(Self.longestBody) bytes, or of no stated length.")
      }
      guard bytes.byteCount >= head.byteCount + length else {
        // Parsed anew when there is more: there is no other state.
        scan = HeadScan()
        return .incomplete
      }
      guard var request = AdminRequest(head, bytes, fields) else { return .refused(400, "The path is not UTF-8.") }
      request.body = (0..<length).map { bytes.byte(at: head.byteCount + $0) }
      return .request(request, head.byteCount + length)
    }
  }

  private func answer(_ connection: AdminConnection, _ request: AdminRequest) {
    let response = allowed.objection(to: request) ?? pages.answer(request)
    connection.isLast = !request.keepsAlive
    response.packed(for: request).write(to: &connection.outbound, request, keepsAlive: request.keepsAlive)
  }

  private func refuse(_ connection: AdminConnection, _ status: UInt16, _ text: String) {
    connection.isLast = true
    connection.inbound = nil
    AdminResponse.refusal(status, text).write(to: &connection.outbound, nil, keepsAlive: false)
  }
}
