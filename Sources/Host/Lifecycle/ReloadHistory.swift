internal import Synchronization

/// How a reload went, in the words for whoever asked for it.
package struct ReloadOutcome: Sendable, Equatable {
  /// Warnings and notes of one that succeeded; all that is wrong, a line each, of one that did not.
  package var lines: [String]
  package var isSuccess: Bool

  package init(isSuccess: Bool, lines: [String]) {
    self.isSuccess = isSuccess
    self.lines = lines
  }
}

/// What became of the reloads since the start.
package final class ReloadHistory: Sendable {
  package struct Record: Sendable, Equatable {
    package var succeeded: UInt64 = 0
    package var failed: UInt64 = 0
    /// Wall clock.
    package var lastSuccessNanoseconds: Int64?
    package var lastFailureNanoseconds: Int64?
    /// Of the last failure, while none has succeeded since.
    package var error: [String] = []
  }

  private let held = Mutex(Record())

  package init() {}

  package var record: Record { held.withLock { $0 } }

  package func note(_ outcome: ReloadOutcome, at wallNanoseconds: Int64 = MonotonicClock.wallNanoseconds) {
    held.withLock { record in
      if outcome.isSuccess {
        record.succeeded += 1
        record.lastSuccessNanoseconds = wallNanoseconds
        record.error = []
      } else {
        record.failed += 1
        record.lastFailureNanoseconds = wallNanoseconds
        record.error = outcome.lines
      }
    }
  }
}
