import Core
import Host
import Support
import Testing

/// Every row of the evidence table, on raw sockets: once through a path with 10 ms one-way delay, once on loopback. What
/// is compared is what the kernel shows, with nothing of the proxy in between, so that a kernel which behaves otherwise
/// fails here first.
struct EvidenceTableTests {
  enum Row: String, CaseIterable, CustomTestStringConvertible {
    case closeWhileIdle = "close() while idle"
    case readThenClose = "read the request, then close()"
    case halfCloseThenRead = "shutdown(SHUT_WR) while idle, then kept reading"
    case closeUnread = "close() with the request unread, once it was acknowledged"
    case closeUnreadAtOnce = "close() with the request unread, before it was acknowledged"
    case readThenAbort = "read the request, then aborted"
    case readThenAbortLater = "read the request, aborted once it was acknowledged"
    case halfCloseReadThenAbort = "shutdown(SHUT_WR) while idle, read the request, then aborted"
    case halfCloseReadThenAbortLater =
      "shutdown(SHUT_WR) while idle, read the request, aborted once it was acknowledged"
    case halfCloseUnreadClose = "shutdown(SHUT_WR) while idle, then close() with the request unread"
    case abortWhileIdle = "aborted while idle"
    case farewell = "unasked 408, then close(), while idle"

    var testDescription: String { rawValue }
  }

  enum Path: String, CaseIterable, CustomTestStringConvertible {
    case wire, loopback
    var testDescription: String { rawValue }
  }

  /// What the client's socket showed, from its request on.
  struct Sighting: Equatable {
    enum End: Equatable {
      case endOfStream
      case reset
    }
    var response = ""
    /// The kernel took the request.
    var written = true
    var end: End
    /// SO_ERROR, once it has shown up or 300 ms are over. Reading takes a reset's error, so it is 0 then.
    var error: Int32 = 0
    var acknowledgedAtEnd = false
    var acknowledgedLater = false
    var applicationRead: Bool
  }

  private static let brokenPipe: Int32 = 32
  /// Longer than the kernel keeps an acknowledgement back (40 to 200 ms).
  private static let delayedAcknowledgement = Nanoseconds.milliseconds(250)
  private static let farewell = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

  @Test(arguments: Row.allCases, Path.allCases)
  func socketShowsWhatTheTableSays(row: Row, path: Path) throws {
    let sighting = try sight(row, path)
    print("evidence, \(path.rawValue), \(row.rawValue): \(sighting)")
    #expect(sighting == expected(row, path))
  }

  private func expected(_ row: Row, _ path: Path) -> Sighting {
    switch row {
    case .closeWhileIdle:
      Sighting(end: .endOfStream, error: Self.brokenPipe, applicationRead: false)
    case .readThenClose:
      Sighting(end: .endOfStream, acknowledgedAtEnd: true, acknowledgedLater: true, applicationRead: true)
    case .halfCloseThenRead:
      Sighting(end: .endOfStream, acknowledgedLater: true, applicationRead: true)
    case .closeUnread:
      Sighting(end: .reset, acknowledgedAtEnd: true, acknowledgedLater: true, applicationRead: false)
    case .closeUnreadAtOnce:
      Sighting(end: .reset, applicationRead: false)
    case .readThenAbort:
      Sighting(end: .reset, applicationRead: true)
    case .readThenAbortLater:
      Sighting(end: .reset, acknowledgedAtEnd: true, acknowledgedLater: true, applicationRead: true)
    // The one row that shows what `closeWhileIdle` shows although the application has read the request: a server that
    // half-closes an idle connection, goes on reading, and aborts within the time for which its kernel keeps the
    // acknowledgement back. Nothing on the client's socket tells them apart.
    case .halfCloseReadThenAbort:
      Sighting(end: .endOfStream, error: Self.brokenPipe, applicationRead: true)
    case .halfCloseReadThenAbortLater:
      Sighting(
        end: .endOfStream, error: Self.brokenPipe, acknowledgedAtEnd: true, acknowledgedLater: true,
        applicationRead: true)
    case .halfCloseUnreadClose:
      Sighting(end: .endOfStream, error: Self.brokenPipe, applicationRead: false)
    // On loopback the RST is there before the request can be written: the write itself fails and takes the error.
    case .abortWhileIdle:
      path == .wire
        ? Sighting(end: .reset, applicationRead: false)
        : Sighting(written: false, end: .endOfStream, applicationRead: false)
    case .farewell:
      Sighting(response: Self.farewell, end: .endOfStream, error: Self.brokenPipe, applicationRead: false)
    }
  }

  // MARK: One story

  private func sight(_ row: Row, _ path: Path) throws -> Sighting {
    let wire = path == .wire ? try Wire(WireSettings(delay: .milliseconds(10))) : nil
    let listener = try wire.map { try BlockingListener(on: $0.farAddress, in: $0.far) } ?? BlockingListener()
    let client = try BlockingSocket(to: listener.address, from: wire?.near)
    let server = try listener.accept()
    // A reused connection: three exchanges make it one on which both kernels delay their acknowledgements.
    for _ in 0..<3 {
      try client.send(Self.request)
      _ = try server.receive(exactly: Self.request.utf8.count)
      try server.send(Self.response)
      _ = try client.receive(exactly: Self.response.utf8.count)
    }
    // The acknowledgement of the last response is on its way for a while.
    pause(.milliseconds(100))
    let before = Socket.transportState(client.number)!.bytesAcknowledged
    #expect(before == UInt64(Self.request.utf8.count * 3 + 1), "bytes written before plus the SYN")

    var applicationRead = false
    var written = true
    switch row {
    case .closeWhileIdle:
      server.close()
      try client.send(Self.request)
    case .readThenClose:
      try client.send(Self.request)
      applicationRead = try server.receive(exactly: Self.request.utf8.count) == Self.request
      server.close()
    case .halfCloseThenRead:
      server.shutdownWriting()
      try client.send(Self.request)
    case .closeUnread, .closeUnreadAtOnce, .halfCloseUnreadClose:
      if row == .halfCloseUnreadClose { server.shutdownWriting() }
      try client.send(Self.request)
      // Arrived and not read: a look takes nothing.
      let deadline = MonotonicClock.now.advanced(by: .seconds(2))
      while Socket.glance(server.number) == .quiet, MonotonicClock.now < deadline { pause(.microseconds(200)) }
      if row == .closeUnread { pause(Self.delayedAcknowledgement) }
      server.close()
    case .readThenAbort, .readThenAbortLater, .halfCloseReadThenAbort, .halfCloseReadThenAbortLater:
      if row == .halfCloseReadThenAbort || row == .halfCloseReadThenAbortLater { server.shutdownWriting() }
      try client.send(Self.request)
      applicationRead = try server.receive(exactly: Self.request.utf8.count) == Self.request
      if row == .readThenAbortLater || row == .halfCloseReadThenAbortLater { pause(Self.delayedAcknowledgement) }
      server.abort()
    case .abortWhileIdle:
      server.abort()
      do {
        try client.send(Self.request)
      } catch BlockingSocket.Failure.failed("send", 104) {
        written = false
      }
    case .farewell:
      try server.send(Self.farewell)
      server.close()
      try client.send(Self.request)
    }

    let end: Sighting.End
    let ended = try endOf(client)
    switch ended.end {
    case .endOfStream: end = .endOfStream
    case .failed(104): end = .reset
    case let other: throw BlockingSocket.Failure.ended("\(other)")
    }
    let atEnd = Socket.transportState(client.number)!.bytesAcknowledged
    if row == .halfCloseThenRead {
      applicationRead = try server.receive(exactly: Self.request.utf8.count) == Self.request
    }
    let deadline = MonotonicClock.now.advanced(by: .milliseconds(300))
    var error: Int32 = 0
    while MonotonicClock.now < deadline {
      if error == 0 { error = Socket.takeError(client.number) }
      pause(.milliseconds(5))
    }
    let later = Socket.transportState(client.number)!.bytesAcknowledged
    return Sighting(
      response: ended.response, written: written, end: end, error: error, acknowledgedAtEnd: atEnd != before,
      acknowledgedLater: later != before, applicationRead: applicationRead)
  }

  private static let request = "POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
  private static let response = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

  private func endOf(_ client: BlockingSocket) throws -> (response: String, end: Transfer) {
    while true {
      let result = try client.receiveOnce(atMost: .seconds(2))
      if case .bytes = result { continue }
      return (client.received, result)
    }
  }
}
