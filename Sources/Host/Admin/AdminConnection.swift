import Core

/// A client of the admin endpoint.
final class AdminConnection {
  let token: UInt64
  let descriptor: Descriptor
  /// nil when nothing is there that was not answered.
  var inbound: ByteBuffer?
  var outbound = ByteBuffer(capacity: 4_096)
  var scan = HeadScan()
  /// When it is closed unless something moves.
  var deadline: Instant
  /// Nothing more is read; what waits is sent, and then it is closed.
  var isLast = false
  /// It gets events as they come, and asks nothing more.
  var isWatching = false

  init(token: UInt64, descriptor: consuming Descriptor, deadline: Instant) {
    self.token = token
    self.descriptor = descriptor
    self.deadline = deadline
  }
}
