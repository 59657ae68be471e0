package import Analysis
internal import Core
internal import Synchronization

/// Takes runs from a list, several at a time, each on a thread of its own, and tells what happens.
package final class LabQueue: Sendable {
  package enum Event: Sendable {
    /// The number is the run's place in the list.
    case began(Int)
    case progressed(Int, requests: Int)
    case ended(Int, LabResult)
  }

  private struct State {
    var next = 0
    var events: [Event] = []
    var isStopped = false
  }

  private let runs: [LabRun]
  private let bench: LabBench
  private let state = Mutex(State())
  private let wakeup: Wakeup

  package init(_ runs: [LabRun], on bench: LabBench) throws(SystemError) {
    self.runs = runs
    self.bench = bench
    wakeup = try Wakeup()
  }

  /// Readable when there are events.
  package var number: Int32 { wakeup.number }

  package func start(parallel: Int) throws(SystemError) {
    for index in 0..<min(parallel, runs.count) {
      try Thread.start(named: "lab-\(index)") { [self] in work() }
    }
  }

  /// No further run begins.
  package func stop() { state.withLock { $0.isStopped = true } }

  package func takeEvents() -> [Event] {
    wakeup.clear()
    return state.withLock { state in
      defer { state.events = [] }
      return state.events
    }
  }

  private func work() {
    while let index = next() {
      tell(.began(index))
      let result = bench.result(of: runs[index]) { self.tell(.progressed(index, requests: $0)) }
      tell(.ended(index, result))
    }
  }

  private func next() -> Int? {
    state.withLock { state in
      guard !state.isStopped, state.next < runs.count else { return nil }
      state.next += 1
      return state.next - 1
    }
  }

  private func tell(_ event: Event) {
    state.withLock { $0.events.append(event) }
    wakeup.signal()
  }
}
