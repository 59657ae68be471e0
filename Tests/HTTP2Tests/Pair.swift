import Core
import HTTP2

/// A client's and a server's session, joined in memory.
final class Pair {
  let client: HTTP2ClientSession
  let server: HTTP2ServerSession
  var now = Instant(nanoseconds: 1_000_000_000)
  /// What the server was asked, by id.
  var opened: [Int32: HTTP2Stream] = [:]
  var serverEvents: [String] = []
  var clientEvents: [String] = []
  var steps: [HTTP2Step] = []

  init(client clientLimits: HTTP2Limits = HTTP2Limits(), server serverLimits: HTTP2Limits = HTTP2Limits()) {
    client = HTTP2ClientSession(limits: clientLimits, now: now)
    server = HTTP2ServerSession(limits: serverLimits, now: now)
    exchange()
  }

  /// Moves bytes both ways until there are none.
  func exchange() {
    var isMoving = true
    while isMoving {
      let there = move(from: client, to: server)
      let back = move(from: server, to: client)
      collect()
      isMoving = there || back
    }
  }

  private func move(from one: HTTP2Session, to other: HTTP2Session) -> Bool {
    var buffer = ByteBuffer(capacity: 0)
    guard one.produce(into: &buffer) > 0 else { return false }
    steps.append(other.feed(buffer.readable, now: now))
    return true
  }

  private func collect() {
    while let event = server.nextEvent() {
      if case .opened(let stream) = event { opened[stream.id] = stream }
      serverEvents.append(named(event))
    }
    while let event = client.nextEvent() { clientEvents.append(named(event)) }
  }

  /// A request that the client gives whole.
  func request(_ text: String) -> HTTP2ClientStream {
    let stream = client.open(now)!  // The tests stay below the limit.
    _ = stream.send(Array(text.utf8).rawSpan)
    exchange()
    return stream
  }
}

func named(_ event: HTTP2Event) -> String {
  switch event {
  case .opened(let stream): "opened \(stream.id)"
  case .readable(let id): "readable \(id)"
  case .writable(let id): "writable \(id)"
  case .reset(let id, let code): "reset \(id) \(code.name)"
  case .closed(let id): "closed \(id)"
  case .pingAnswered: "ping answered"
  case .goAwayReceived(let id, let code): "goaway \(id) \(code.name)"
  case .settingsReceived: "settings"
  case .ended(let failure): "ended \(failure.code.name) \(failure.reason)"
  }
}

extension HTTP2MessageStream {
  /// Everything there is now, and how it ended.
  func taken() -> (text: String, end: Transferred) {
    var buffer = ByteBuffer(capacity: 0)
    while true {
      let step = take(into: &buffer)
      guard case .bytes = step else {
        return (buffer.readable.text(ByteRange(offset: 0, count: buffer.count)), step)
      }
    }
  }
}

extension HTTP2Stream {
  @discardableResult
  func send(_ text: String) -> Transferred { send(Array(text.utf8).rawSpan) }
}

extension HTTP2ClientStream {
  @discardableResult
  func send(_ text: String) -> Transferred { send(Array(text.utf8).rawSpan) }
}
