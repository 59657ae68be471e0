internal import CLinux
internal import Glibc

/// SIGINT, SIGTERM and SIGHUP as something to wait for, instead of as the end of the process.
package struct SignalDescriptor: ~Copyable {
  private let descriptor: Descriptor

  /// To be made on the first thread before others are started, since threads inherit which signals are blocked.
  package init() throws(SystemError) {
    let number = pf_signal_open()
    guard number >= 0 else { throw SystemError("signalfd", -number) }
    descriptor = Descriptor(owning: number)
  }

  /// To be registered as readable, level-triggered.
  package var number: Int32 { descriptor.number }

  /// A signal that came; nil when none has.
  package func take() -> Int32? {
    let number = pf_signal_take(descriptor.number)
    return number > 0 ? number : nil
  }

  /// Waits for one, or for another descriptor to become readable; returns the signal.
  @discardableResult
  package borrowing func wait(orUntilReadable other: Int32? = nil) throws(SystemError) -> Int32? {
    var poller = try Poller(batch: 2)
    try poller.register(number, for: .readable, trigger: .level, token: 0)
    if let other { try poller.register(other, for: .readable, trigger: .level, token: 1) }
    while true {
      if let signal = take() { return signal }
      let count = poller.wait(atMost: nil)
      for index in 0..<count where poller.token(at: index) == 1 { return nil }
    }
  }

  /// Makes the end of the parent a SIGTERM for this process.
  package static func endWithParent() { _ = pf_parent_death_signal(SIGTERM) }
}
