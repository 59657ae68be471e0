internal import CLinux
internal import Glibc

/// Wakes a thread that waits in its poller, from any other thread.
package final class Wakeup: Sendable {
  private let descriptor: Descriptor

  /// - Parameter isBlocking: for a thread that waits with ``waitOne()`` instead of a poller; it then takes one signal at a time.
  package init(isBlocking: Bool = false) throws(SystemError) {
    let flags = isBlocking ? Int32(EFD_SEMAPHORE) : Int32(EFD_NONBLOCK)
    let number = eventfd(0, Int32(EFD_CLOEXEC) | flags)
    guard number >= 0 else { throw SystemError("eventfd", errno) }
    descriptor = Descriptor(owning: number)
  }

  /// To be registered as readable, level-triggered.
  package var number: Int32 { descriptor.number }

  package func signal() {
    // EAGAIN means that the counter is full: the thread is being woken anyway.
    _ = eventfd_write(descriptor.number, 1)
  }

  package func clear() {
    var value: eventfd_t = 0
    // Safe: the kernel writes eight bytes.
    _ = unsafe eventfd_read(descriptor.number, &value)
  }

  /// Waits for a signal and takes it. Only for a wakeup that was made blocking.
  package func waitOne() {
    clear()
  }
}
