internal import CLinux
package import Core
internal import Glibc

/// What reading or writing gave.
package enum Transfer: Equatable, Sendable {
  /// At least one byte went through.
  case bytes(Int)
  /// Nothing now; an event will tell.
  case wouldBlock
  /// The peer's FIN: no byte will come any more. Only from reading.
  case endOfStream
  /// An errno.
  case failed(Int32)
}

/// What a look at an idle connection shows, without taking anything.
package enum Glance: Equatable, Sendable {
  case quiet
  case bytes(Int)
  case endOfStream
  case failed(Int32)
}

/// System calls on sockets. All sockets are non-blocking and close on exec.
package enum Socket {
  // MARK: Making

  /// A listening socket.
  /// - Parameters:
  ///   - shared: several sockets may listen on the address, the kernel spreading connections over them (SO_REUSEPORT).
  ///   - backlog: connections that may wait to be accepted.
  ///   - mode: of the file that a UNIX-domain socket is bound to; nil: what the umask leaves.
  package static func listen(
    on address: SocketAddress, shared: Bool, backlog: Int32 = 4096, mode: UInt32? = nil
  ) throws(SystemError) -> Descriptor {
    let descriptor = try open(address.family)
    if let mode {
      // Before the bind, so that the file never has another one.
      let code = pf_set_mode(descriptor.number, mode)
      guard code == 0 else { throw SystemError("fchmod", -code) }
    }
    if !address.isUnix {
      try set(descriptor.number, SOL_SOCKET, SO_REUSEADDR, 1)
      if shared { try set(descriptor.number, SOL_SOCKET, SO_REUSEPORT, 1) }
      // [::] serves IPv4 as well.
      if address.family == AF_INET6 { try set(descriptor.number, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
    }
    // Safe: the address is valid during the call.
    let bound = unsafe address.withSocketAddress { unsafe bind(descriptor.number, $0, $1) == 0 ? 0 : errno }
    guard bound == 0 else { throw SystemError("bind", bound) }
    guard Glibc.listen(descriptor.number, backlog) == 0 else { throw SystemError("listen", errno) }
    return descriptor
  }

  /// A connection that was taken from a listener.
  package struct Accepted: ~Copyable {
    package let descriptor: Descriptor
    package let peer: SocketAddress

    /// Gives the descriptor to its next holder.
    package consuming func takeDescriptor() -> Descriptor { descriptor }
  }

  /// Takes a waiting connection; nil when there is none.
  package static func accept(_ listener: Int32) throws(SystemError) -> Accepted? {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    // Safe: the kernel writes at most `length` bytes into the storage.
    let number = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe pf_accept(listener, $0, &length)
      }
    }
    guard number >= 0 else {
      switch -number {
      // The connection died before it was taken: as if it had never been there.
      case EAGAIN, ECONNABORTED, EINTR, EPROTO: return nil
      case let code: throw SystemError("accept", code)
      }
    }
    let descriptor = Descriptor(owning: number)
    let peer = SocketAddress(storage) ?? SocketAddress(.unix(path: ""))
    return Accepted(descriptor: descriptor, peer: peer)
  }

  /// A connection that is being made, or made already.
  package struct Connecting: ~Copyable {
    package let descriptor: Descriptor
    package let finished: Bool

    /// Gives the descriptor to its next holder.
    package consuming func takeDescriptor() -> Descriptor { descriptor }
  }

  /// Begins to connect. The outcome of an unfinished connect is in ``takeError(_:)`` once the socket is writable.
  package static func connect(to address: SocketAddress) throws(SystemError) -> Connecting {
    let descriptor = try open(address.family)
    if !address.isUnix { try set(descriptor.number, Int32(IPPROTO_TCP), TCP_NODELAY, 1) }
    // Safe: the address is valid during the call.
    let code = unsafe address.withSocketAddress { unsafe Glibc.connect(descriptor.number, $0, $1) == 0 ? 0 : errno }
    switch code {
    case 0: return Connecting(descriptor: descriptor, finished: true)
    case EINPROGRESS: return Connecting(descriptor: descriptor, finished: false)
    // A UNIX listener with a full backlog says EAGAIN: nobody will tell when it has room.
    default: throw SystemError("connect", code)
    }
  }

  /// A socket for datagrams from and to one address: others' are dropped, and an ICMP error is told of by the next call.
  package static func connectDatagrams(to address: SocketAddress) throws(SystemError) -> Descriptor {
    let descriptor = try open(address.family, SOCK_DGRAM.rawValue)
    // Safe: the address is valid during the call.
    let code = unsafe address.withSocketAddress { unsafe Glibc.connect(descriptor.number, $0, $1) == 0 ? 0 : errno }
    guard code == 0 else { throw SystemError("connect", code) }
    return descriptor
  }

  private static func open(
    _ family: Int32, _ type: UInt32 = SOCK_STREAM.rawValue
  ) throws(SystemError) -> Descriptor {
    let kind = Int32(type | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
    let number = socket(family, kind, 0)
    guard number >= 0 else { throw SystemError("socket", errno) }
    return Descriptor(owning: number)
  }

  private static func set(_ number: Int32, _ level: Int32, _ option: Int32, _ value: Int32) throws(SystemError) {
    let result = pf_set_option(number, level, option, value)
    guard result == 0 else { throw SystemError("setsockopt", -result) }
  }

  /// Small segments leave at once (TCP_NODELAY). Fails silently on sockets that are not TCP.
  package static func sendPromptly(_ number: Int32) {
    _ = pf_set_option(number, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
  }

  /// Bounds the kernel's receive buffer (SO_RCVBUF), which otherwise grows with need.
  package static func limitReceiveBuffer(_ number: Int32, to bytes: Int) {
    _ = pf_set_option(number, SOL_SOCKET, SO_RCVBUF, Int32(clamping: bytes))
  }

  /// Makes `close` send a RST and drop what was not sent (SO_LINGER 0).
  package static func abortOnClose(_ number: Int32) {
    _ = pf_set_abort_on_close(number)
  }

  /// The address that a socket is bound to.
  package static func localAddress(_ number: Int32) -> SocketAddress? {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    // Safe: the kernel writes at most `length` bytes into the storage.
    let result = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getsockname(number, $0, &length) }
    }
    return result == 0 ? SocketAddress(storage) : nil
  }

  // MARK: Reading and writing

  /// Reads into the writable part of `buffer`, which must not be full.
  package static func receive(_ number: Int32, into buffer: inout ByteBuffer) -> Transfer {
    // Safe: the kernel writes at most as many bytes as the buffer says that it has room for.
    let count = unsafe buffer.withUnsafeWritable {
      Int(unsafe pf_receive(number, $0.baseAddress!, UInt64($0.count), 0))
    }
    return transfer(count, isRead: true)
  }

  /// Writes `bytes`, as many as the kernel takes.
  package static func send(_ number: Int32, _ bytes: RawSpan) -> Transfer {
    // Safe: the kernel reads the span's bytes during the call. MSG_NOSIGNAL: EPIPE instead of a signal.
    let count = unsafe bytes.withUnsafeBytes {
      Int(unsafe pf_send(number, $0.baseAddress!, UInt64($0.count), Int32(MSG_NOSIGNAL)))
    }
    return transfer(count, isRead: false)
  }

  private static func transfer(_ count: Int, isRead: Bool) -> Transfer {
    if count > 0 { return .bytes(count) }
    if count == 0 { return isRead ? .endOfStream : .wouldBlock }
    return switch Int32(-count) {
    case EAGAIN, EINTR: .wouldBlock
    case let code: .failed(code)
    }
  }

  /// Looks whether something waits to be read, without taking it (MSG_PEEK).
  package static func glance(_ number: Int32) -> Glance {
    var byte: UInt8 = 0
    // Safe: the kernel writes at most one byte.
    let count = Int(unsafe pf_receive(number, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)))
    if count > 0 { return .bytes(count) }
    if count == 0 { return .endOfStream }
    return switch Int32(-count) {
    case EAGAIN, EINTR: .quiet
    case let code: .failed(code)
    }
  }

  /// Whether the peer has sent its FIN or a RST, whatever is still to be read before that.
  package static func peerHasClosed(_ number: Int32) -> Bool {
    var descriptor = pollfd(fd: number, events: Int16(truncatingIfNeeded: EPOLLRDHUP.rawValue), revents: 0)
    // Safe: one descriptor, during the call, which does not wait.
    return unsafe poll(&descriptor, 1, 0) > 0
  }

  /// Sends a FIN; what the peer still sends can be read.
  package static func shutdownWriting(_ number: Int32) {
    _ = shutdown(number, Int32(SHUT_WR))
  }

  /// Ends a listener without closing its descriptor: connections that wait are reset, further ones refused.
  package static func stopListening(_ number: Int32) {
    _ = shutdown(number, Int32(SHUT_RD))
  }

  // MARK: Evidence

  /// Reads and clears SO_ERROR.
  package static func takeError(_ number: Int32) -> Int32 {
    let code = pf_take_socket_error(number)
    return code < 0 ? -code : code
  }

  /// Bytes that were handed to the kernel and that the peer has not acknowledged; nil when the kernel does not tell.
  package static func unacknowledgedBytes(_ number: Int32) -> UInt64? {
    let count = pf_unacknowledged_bytes(number)
    return count < 0 ? nil : UInt64(count)
  }

  /// What the kernel knows of a TCP connection.
  package struct TransportState: Sendable {
    /// Bytes of the connection's whole life that the peer has acknowledged, its SYN counted as one.
    package var bytesAcknowledged: UInt64
    package var roundTripTime: Nanoseconds
    package var roundTripVariance: Nanoseconds
    package var retransmissionTimeout: Nanoseconds
  }

  /// TCP_INFO; nil for other sockets.
  package static func transportState(_ number: Int32) -> TransportState? {
    let state = pf_tcp_state_of(number)
    guard state.error == 0, state.has_bytes_acked != 0 else { return nil }
    return TransportState(
      bytesAcknowledged: state.bytes_acked,
      roundTripTime: .microseconds(Int64(state.rtt)),
      roundTripVariance: .microseconds(Int64(state.rtt_variance)),
      retransmissionTimeout: .microseconds(Int64(state.rto)))
  }
}
