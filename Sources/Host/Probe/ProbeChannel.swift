internal import CProbeTLS
import Core

/// A connection of the prober: plain, or TLS.
@safe
struct ProbeChannel: ~Copyable {
  enum Handshake: Equatable {
    case done
    case waiting
    case failed(ProbeObstacle)
  }

  private let descriptor: Descriptor
  private let tls: OpaquePointer?

  /// - Parameter host: for TLS, the name that the certificate must be for; nil for plain TCP.
  init(_ descriptor: consuming Descriptor, host: String?, verifies: Bool) {
    let number = descriptor.number
    self.descriptor = descriptor
    // Safe: the name is lent during the call; the handle is owned by this value and closed in deinit.
    unsafe tls = host.flatMap { unsafe photofinish_probe_tls_open(number, $0, verifies ? 1 : 0) }
  }

  deinit {
    // Safe: nobody else has the handle.
    if let tls = unsafe tls { unsafe photofinish_probe_tls_close(tls) }
  }

  var number: Int32 { descriptor.number }

  func handshake() -> Handshake {
    // Safe: the handle is open as long as this value lives.
    guard let tls = unsafe tls else { return .done }
    // Safe: as above.
    switch unsafe photofinish_probe_tls_handshake(tls) {
    case 1: return .done
    case 0: return .waiting
    default: return .failed(obstacle())
    }
  }

  func receive(into buffer: inout ByteBuffer) -> Transfer {
    buffer.reserve(16_384)
    // Safe: the handle is open as long as this value lives.
    guard let tls = unsafe tls else { return Socket.receive(descriptor.number, into: &buffer) }
    // Safe: at most as many bytes are written as there is room for.
    let count = unsafe buffer.withUnsafeWritable {
      Int(unsafe photofinish_probe_tls_read(tls, $0.baseAddress!, $0.count))
    }
    switch count {
    case 1...: return .bytes(count)
    case 0: return .endOfStream
    case -1: return .wouldBlock
    default: return .failed(Socket.takeError(descriptor.number))
    }
  }

  func send(_ bytes: RawSpan) -> Transfer {
    // Safe: the handle is open as long as this value lives.
    guard let tls = unsafe tls else { return Socket.send(descriptor.number, bytes) }
    // Safe: the bytes are read during the call only.
    let count = unsafe bytes.withUnsafeBytes {
      Int(unsafe photofinish_probe_tls_write(tls, $0.baseAddress!, $0.count))
    }
    return count > 0 ? .bytes(count) : count == -1 ? .wouldBlock : .failed(Socket.takeError(descriptor.number))
  }

  /// The peer has sent close_notify.
  var wasNotified: Bool {
    // Safe: the handle is open as long as this value lives.
    if let tls = unsafe tls { return unsafe photofinish_probe_tls_was_notified(tls) != 0 }
    return false
  }

  /// What ALPN chose; nil without TLS.
  var protocolName: String? {
    // Safe: the handle is open as long as this value lives.
    guard let tls = unsafe tls else { return nil }
    // Safe: at most as many bytes are written as there is room for.
    return unsafe ProbeChannel.text { unsafe photofinish_probe_tls_protocol(tls, $0, $1) }
  }

  /// What is wrong with the server's certificate, whether or not that ended the handshake.
  var certificateProblem: String? {
    // Safe: the handle is open as long as this value lives.
    guard let tls = unsafe tls else { return nil }
    // Safe: at most as many bytes are written as there is room for.
    let text = unsafe ProbeChannel.text { unsafe photofinish_probe_tls_certificate(tls, $0, $1) }
    return text.isEmpty ? nil : text
  }

  private func obstacle() -> ProbeObstacle {
    // Safe: the handle is open as long as this value lives.
    guard let tls = unsafe tls else { return .handshake("") }
    // Safe: as above.
    switch unsafe photofinish_probe_tls_failure(tls) {
    case 1: return .certificate(certificateProblem ?? "unknown")
    case 2: return .plainServer
    // Safe: at most as many bytes are written as there is room for.
    default: return .handshake(unsafe ProbeChannel.text { unsafe photofinish_probe_tls_problem(tls, $0, $1) })
    }
  }

  private static func text(_ fill: (UnsafeMutablePointer<CChar>, Int) -> Void) -> String {
    // Safe: the pointer is valid for 256 bytes during the call, and the text ends within them.
    let bytes = unsafe [CChar](unsafeUninitializedCapacity: 256) { buffer, count in
      unsafe buffer.initialize(repeating: 0)
      unsafe fill(buffer.baseAddress!, 256)
      count = 256
    }
    let text = bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
    return String(decoding: text, as: UTF8.self)
  }
}
