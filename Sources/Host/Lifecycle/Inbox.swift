internal import Synchronization

/// What other threads leave for the one that waits for it, in the order in which it came.
package final class Inbox<Element: Sendable>: Sendable {
  private let elements = Mutex<[Element]>([])
  private let wakeup: Wakeup

  package init() throws(SystemError) { wakeup = try Wakeup(isBlocking: true) }

  package func post(_ element: Element) {
    elements.withLock { $0.append(element) }
    wakeup.signal()
  }

  /// Waits for the next one.
  package func next() -> Element {
    while true {
      wakeup.waitOne()
      if let element = elements.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) { return element }
    }
  }
}
