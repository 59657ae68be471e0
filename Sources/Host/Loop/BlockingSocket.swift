package import Core
internal import Glibc

/// A TCP connection for tests and small errands that go step by step: every call ends, at the latest, when its time is over.
package final class BlockingSocket {
  package enum Failure: Error, Equatable, CustomStringConvertible {
    /// The call that took too long.
    case timedOut(String)
    /// The peer ended the connection; what it had sent by then.
    case ended(String)
    /// The call, and its errno.
    case failed(String, Int32)

    package var description: String {
      switch self {
      case .timedOut(let call): "\(call): no answer in time"
      case .ended(let text): text.isEmpty ? "the peer ended the connection" : "the peer said '\(text)'"
      case .failed(let call, let code): "\(call): \(SystemError.text(of: code))"
      }
    }
  }

  /// What lies between the socket and those who use it, as TLS does. What it says of itself goes out with what it is given.
  package protocol Layer: AnyObject {
    /// Turns bytes into those for the wire.
    func wrap(_ bytes: [UInt8]) throws -> [UInt8]
    /// What it has to say by itself now.
    func takeOutput() -> [UInt8]
    /// Takes what came from the wire.
    func feed(_ bytes: borrowing ByteBuffer)
    /// The wire's end came.
    func feedEnd()
    /// Fills the buffer with what is there.
    func read(into buffer: inout ByteBuffer) throws -> Transfer
  }

  /// Between the socket and those who use it; nil: nothing.
  package var layer: (any Layer)?
  private var descriptor: Descriptor?
  /// Bytes that were read and not taken.
  package var buffer = ByteBuffer(capacity: 4_096)

  package init(owning descriptor: consuming Descriptor) { self.descriptor = consume descriptor }

  package convenience init(to address: SocketAddress, atMost limit: Nanoseconds = .seconds(5)) throws {
    self.init(owning: try Self.connect(to: address, atMost: limit))
  }

  /// A socket that is connected.
  package static func connect(to address: SocketAddress, atMost limit: Nanoseconds) throws -> Descriptor {
    let descriptor = try Socket.connect(to: address).takeDescriptor()
    guard wait(for: descriptor.number, POLLOUT, atMost: limit) else { throw Failure.timedOut("connect") }
    let code = Socket.takeError(descriptor.number)
    guard code == 0 else { throw Failure.failed("connect", code) }
    return descriptor
  }

  package var number: Int32 {
    guard let number = descriptor?.number else { preconditionFailure("the socket is closed") }
    return number
  }

  package func send(_ text: String) throws { try send(Array(text.utf8)) }

  /// Sends all of it; fails when the kernel takes nothing for `limit`.
  package func send(_ bytes: [UInt8], atMost limit: Nanoseconds = .seconds(5)) throws {
    guard try sendWhatIsTaken(bytes, atMost: limit) == bytes.count else { throw Failure.timedOut("send") }
  }

  /// Sends until all is sent or the kernel takes nothing for `limit`; says how many bytes went.
  package func sendWhatIsTaken(_ bytes: [UInt8], atMost limit: Nanoseconds) throws -> Int {
    guard let layer else { return try sendToWire(bytes, atMost: limit) }
    let wire = try layer.wrap(bytes)
    let count = try sendToWire(wire, atMost: limit)
    return count == wire.count ? bytes.count : max(0, bytes.count - (wire.count - count))
  }

  /// Sends past the layer.
  @discardableResult
  package func sendToWire(_ bytes: [UInt8], atMost limit: Nanoseconds = .seconds(5)) throws -> Int {
    var rest = ByteBuffer(capacity: bytes.count)
    rest.append(bytes)
    while !rest.isEmpty {
      switch Socket.send(number, rest.readable) {
      case .bytes(let count): rest.consume(count)
      case .wouldBlock:
        guard Self.wait(for: number, POLLOUT, atMost: limit) else { return bytes.count - rest.count }
      case .endOfStream: preconditionFailure("sending meets no end of stream")
      case .failed(let code): throw Failure.failed("send", code)
      }
    }
    return bytes.count
  }

  /// What one read gives, once there is something: bytes (which ``received`` then holds), the end, or an error.
  package func receiveOnce(atMost limit: Nanoseconds = .seconds(5)) throws -> Transfer {
    let deadline = MonotonicClock.now.advanced(by: limit)
    while true {
      if buffer.writableCount < 16_384 { buffer.compact() }
      buffer.reserve(16_384)
      let result = try receiveNow()
      guard result == .wouldBlock else { return result }
      let left = deadline.since(MonotonicClock.now)
      guard left > .zero, Self.wait(for: number, POLLIN, atMost: left) else { throw Failure.timedOut("receive") }
    }
  }

  private func receiveNow() throws -> Transfer {
    guard let layer else { return Socket.receive(number, into: &buffer) }
    while true {
      let result = try layer.read(into: &buffer)
      let output = layer.takeOutput()
      if !output.isEmpty { try sendToWire(output) }
      guard result == .wouldBlock else { return result }
      var wire = ByteBuffer(capacity: 16_384)
      switch Socket.receive(number, into: &wire) {
      case .bytes: layer.feed(wire)
      case .endOfStream: layer.feedEnd()
      case .wouldBlock: return .wouldBlock
      case .failed(let code): return .failed(code)
      }
    }
  }

  /// Bytes that were read and not taken.
  package var received: String { buffer.text(buffer.count) }

  /// Reads until `count` bytes are there and takes them.
  package func receive(exactly count: Int, atMost limit: Nanoseconds = .seconds(5)) throws -> String {
    try fill(atMost: limit) { self.buffer.count >= count }
    return take(count)
  }

  /// Reads until `mark` is there and takes all up to its end.
  package func receive(through mark: String, atMost limit: Nanoseconds = .seconds(5)) throws -> String {
    take(try offset(behind: Array(mark.utf8), atMost: limit))
  }

  /// Where a line ends among the bytes that were read and not taken, those before `start` not looked at.
  func offsetOfLineEnd(from start: Int) -> Int? {
    var offset = start
    while offset < buffer.count {
      if buffer.readable.byte(at: offset) == 0x0a { return offset }
      offset += 1
    }
    return nil
  }

  /// Reads until `mark` is there and says how many bytes there are up to its end.
  package func offset(behind mark: [UInt8], atMost limit: Nanoseconds) throws -> Int {
    // Looked at once: a mark that is cut by the end of what has come begins behind `searched`.
    var searched = 0
    try fill(atMost: limit) {
      while searched + mark.count <= self.buffer.count {
        if self.bytes(mark, areAt: searched) { return true }
        searched += 1
      }
      return false
    }
    return searched + mark.count
  }

  /// Reads until the peer's FIN and takes all that came.
  package func receiveAll(atMost limit: Nanoseconds = .seconds(5)) throws -> String {
    let deadline = MonotonicClock.now.advanced(by: limit)
    while true {
      switch try receiveOnce(atMost: deadline.since(MonotonicClock.now)) {
      case .bytes, .wouldBlock: continue
      case .endOfStream: return take(buffer.count)
      case .failed(let code): throw Failure.failed("receive", code)
      }
    }
  }

  /// Waits until the peer has closed or reset the connection, dropping what still comes; tells which.
  package func waitForEnd(atMost limit: Nanoseconds = .seconds(5)) throws -> Transfer {
    let deadline = MonotonicClock.now.advanced(by: limit)
    while true {
      let result = try receiveOnce(atMost: deadline.since(MonotonicClock.now))
      if case .bytes = result { buffer.removeAll() } else { return result }
    }
  }

  /// Bounds what the kernel takes for this socket before anybody reads it, instead of letting it grow with need.
  package func limitReceiveBuffer(to bytes: Int) { Socket.limitReceiveBuffer(number, to: bytes) }

  /// Waits until there is something to read, an end included; tells whether there is.
  package func waitForInput(atMost limit: Nanoseconds) -> Bool { Self.wait(for: number, POLLIN, atMost: limit) }

  /// The same for a listener or a descriptor of any other kind.
  package static func waitForInput(_ number: Int32, atMost limit: Nanoseconds) -> Bool {
    wait(for: number, POLLIN, atMost: limit)
  }

  /// Waits until a descriptor takes bytes; tells whether it does.
  static func waitForOutput(_ number: Int32, atMost limit: Nanoseconds) -> Bool {
    wait(for: number, POLLOUT, atMost: limit)
  }

  package func shutdownWriting() { Socket.shutdownWriting(number) }

  package func close() { descriptor = nil }

  /// Closes with a RST.
  package func abort() {
    Socket.abortOnClose(number)
    descriptor = nil
  }

  // MARK: -

  package func fill(atMost limit: Nanoseconds, until isEnough: () -> Bool) throws {
    let deadline = MonotonicClock.now.advanced(by: limit)
    while !isEnough() {
      switch try receiveOnce(atMost: deadline.since(MonotonicClock.now)) {
      case .bytes, .wouldBlock: continue
      case .endOfStream: throw Failure.ended(received)
      case .failed(let code): throw Failure.failed("receive", code)
      }
    }
  }

  private func take(_ count: Int) -> String {
    let text = buffer.text(count)
    buffer.consume(count)
    return text
  }

  private func bytes(_ needle: [UInt8], areAt offset: Int) -> Bool {
    for (index, byte) in needle.enumerated() where buffer.readable.byte(at: offset + index) != byte { return false }
    return true
  }

  /// Waits for one of `events` of poll(2); tells whether it came.
  package static func wait(for number: Int32, _ events: Int32, atMost limit: Nanoseconds) -> Bool {
    var request = pollfd(fd: number, events: Int16(events), revents: 0)
    // Safe: one pollfd is read and written.
    return unsafe poll(&request, 1, Int32(clamping: limit.milliseconds + 1)) > 0
  }
}

/// A listener for the same tests.
package final class BlockingListener: Sendable {
  private let descriptor: Descriptor
  package let address: SocketAddress

  /// - Parameter address: port 0 for one that is free.
  package convenience init(on address: SocketAddress = SocketAddress(.ipv4(0x7f00_0001, port: 0))) throws {
    try self.init(owning: try Socket.listen(on: address, shared: false))
  }

  /// - Parameter descriptor: of a socket that listens.
  package init(owning descriptor: consuming Descriptor) throws {
    guard let address = Socket.localAddress(descriptor.number) else {
      throw BlockingSocket.Failure.failed("getsockname", errno)
    }
    self.descriptor = descriptor
    self.address = address
  }

  package var number: Int32 { descriptor.number }

  /// Ends the listening: connects are refused from now on, and an `accept` that waits fails.
  package func stop() { Socket.stopListening(descriptor.number) }

  package func accept(atMost limit: Nanoseconds = .seconds(5)) throws -> sending BlockingSocket {
    guard BlockingSocket.wait(for: descriptor.number, POLLIN, atMost: limit),
      let accepted = try Socket.accept(descriptor.number)
    else { throw BlockingSocket.Failure.timedOut("accept") }
    let connection = accepted.takeDescriptor()
    // A script's writes are its own segments; none of them waits for an acknowledgement that the kernel holds back.
    Socket.sendPromptly(connection.number)
    return BlockingSocket(owning: connection)
  }
}

extension ByteBuffer {
  fileprivate func text(_ count: Int) -> String { readable.text(ByteRange(offset: 0, count: count)) }
}
