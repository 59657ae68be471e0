internal import Synchronization

/// A value that one thread waits for and another gives, once.
package final class Answer<Value: Sendable>: Sendable {
  private let value = Mutex<Value?>(nil)
  private let wakeup: Wakeup

  package init() throws(SystemError) { wakeup = try Wakeup(isBlocking: true) }

  package func give(_ value: Value) {
    self.value.withLock { $0 = value }
    wakeup.signal()
  }

  package func wait() -> Value {
    while true {
      wakeup.waitOne()
      if let value = value.withLock({ $0 }) { return value }
    }
  }
}
