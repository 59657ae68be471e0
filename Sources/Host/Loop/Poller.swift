internal import CLinux
package import Core
internal import Glibc

/// What a descriptor is ready for.
package struct Readiness: OptionSet, Sendable {
  package let rawValue: UInt32
  package init(rawValue: UInt32) { self.rawValue = rawValue }

  package static let readable = Readiness(rawValue: EPOLLIN.rawValue)
  package static let writable = Readiness(rawValue: EPOLLOUT.rawValue)
  /// The peer will send no more: its FIN has arrived.
  package static let peerClosed = Readiness(rawValue: EPOLLRDHUP.rawValue)
  /// Both directions are closed.
  package static let hangUp = Readiness(rawValue: EPOLLHUP.rawValue)
  /// An error waits in SO_ERROR.
  package static let failed = Readiness(rawValue: EPOLLERR.rawValue)
}

/// Tells a thread which of its descriptors are ready. All that the data plane knows of epoll is here.
///
/// A descriptor is registered once, with a token that comes back with its events. Connections are registered
/// edge-triggered: an event says that something changed, and the owner reads or writes until a short count or EAGAIN.
@safe
package struct Poller: ~Copyable {
  private let descriptor: Descriptor
  // epoll_event is unsafe for its union, of which only the number is used.
  private var events: [epoll_event]

  package enum Trigger: Sendable {
    /// An event for each change.
    case edge
    /// An event on each wait while the condition holds. For listeners.
    case level
    /// As `level`, but wakes one of the threads that wait for the same descriptor.
    case levelExclusive
  }

  /// - Parameter batch: events taken from the kernel by one wait.
  package init(batch: Int = 512) throws(SystemError) {
    let number = epoll_create1(Int32(EPOLL_CLOEXEC))
    guard number >= 0 else { throw SystemError("epoll_create1", errno) }
    descriptor = Descriptor(owning: number)
    // Safe: zeroed events; the union's number is the only member used.
    unsafe events = unsafe Array(repeating: epoll_event(), count: batch)
  }

  package borrowing func register(
    _ number: Int32, for readiness: Readiness, trigger: Trigger, token: UInt64
  ) throws(SystemError) {
    // Safe, here and below: only the number of the event's union is used.
    var event = unsafe epoll_event()
    unsafe event.events = readiness.rawValue
    switch trigger {
    case .edge: unsafe event.events |= EPOLLET.rawValue
    case .level: break
    case .levelExclusive: unsafe event.events |= EPOLLEXCLUSIVE.rawValue
    }
    unsafe event.data.u64 = token
    // Safe: the kernel copies the event before the call returns.
    guard unsafe epoll_ctl(descriptor.number, EPOLL_CTL_ADD, number, &event) == 0 else {
      throw SystemError("epoll_ctl", errno)
    }
  }

  /// Needed only for a descriptor that stays open: closing one takes it out of the set.
  package borrowing func deregister(_ number: Int32) {
    // Safe: the event is ignored for EPOLL_CTL_DEL.
    var event = unsafe epoll_event()
    _ = unsafe epoll_ctl(descriptor.number, EPOLL_CTL_DEL, number, &event)
  }

  /// Waits until something is ready or `timeout` is over; ``token(at:)`` and ``readiness(at:)`` then tell.
  ///
  /// - Parameter timeout: rounded up to a millisecond; nil waits without end.
  /// - Returns: how many events there are.
  package mutating func wait(atMost timeout: Nanoseconds?) -> Int {
    let milliseconds: Int32 =
      if let timeout {
        timeout.count <= 0 ? 0 : Int32(clamping: (timeout.count &+ 999_999) / 1_000_000)
      } else { -1 }
    let count = unsafe events.withUnsafeMutableBufferPointer { buffer in
      // Safe: the kernel writes at most `buffer.count` events.
      unsafe epoll_wait(descriptor.number, buffer.baseAddress!, Int32(buffer.count), milliseconds)
    }
    return Int(max(count, 0))
  }

  // Safe: the subscript is checked, and the kernel gives back the number that was registered.
  package borrowing func token(at index: Int) -> UInt64 { unsafe events[index].data.u64 }
  package borrowing func readiness(at index: Int) -> Readiness { unsafe Readiness(rawValue: events[index].events) }
}
