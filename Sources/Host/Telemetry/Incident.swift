package import Core
internal import Synchronization

/// One race avoided, repaired or lost, one unasked answer, or one failure: what the journal keeps and the live page shows.
package struct Incident: Sendable, Equatable {
  package enum Kind: String, Sendable, CaseIterable {
    /// The last look before the write found that the server had closed the connection.
    case avoided
    /// The request met the close, was replayed, and was answered.
    case repaired
    /// The request met the close and failed for it.
    case lost
    /// The server sent an answer that no request had asked for.
    case unasked
    /// Anything else for which the proxy had to answer itself.
    case failed
  }

  package var kind: Kind
  package var wallNanoseconds: Int64
  package var route = ""
  package var upstream = ""
  package var server = ""
  /// Method and target, the query as the settings of the logs have it.
  package var request = ""
  package var requestID = ""
  /// As the access log has it.
  package var connection: UInt64 = 0
  package var idleAge: Nanoseconds?
  package var connectionAge: Nanoseconds?
  /// Requests that the connection had carried before.
  package var uses: UInt32?
  /// What the socket showed, in words.
  package var evidence = ""
  package var verdict = ""
  package var replays: UInt8 = 0
  package var retries: UInt8 = 0
  /// What the client got; 0: nothing yet, or nothing at all.
  package var status: UInt16 = 0
  /// Of the whole exchange.
  package var duration: Nanoseconds?
  /// What happened and what would prevent it, of a failure.
  package var explanation = ""

  package init(_ kind: Kind, at wallNanoseconds: Int64) {
    self.kind = kind
    self.wallNanoseconds = wallNanoseconds
  }
}

/// Where the event loops leave incidents for the threads that keep or show them. Nobody waits here: what finds no room is counted.
package final class IncidentHub: Sendable {
  /// Incidents that one reader may be behind by.
  package static let room = 4_096

  /// One that takes incidents as they come.
  package final class Reader: Sendable {
    fileprivate let waiting = Mutex<[Incident]>([])
    private let lostCount = Atomic<UInt64>(0)
    private let wakeup: Wakeup

    fileprivate init(_ wakeup: Wakeup) { self.wakeup = wakeup }

    /// Those that came since the last call, in their order.
    package func takeAll() -> [Incident] {
      waiting.withLock { waiting in
        let taken = waiting
        waiting = []
        return taken
      }
    }

    /// Those that found no room.
    package var lost: UInt64 { lostCount.load(ordering: .relaxed) }

    fileprivate func add(_ incident: Incident) {
      let (wakes, fits) = waiting.withLock { waiting in
        guard waiting.count < IncidentHub.room else { return (false, false) }
        waiting.append(incident)
        return (waiting.count == 1, true)
      }
      if wakes { wakeup.signal() }
      if !fits { lostCount.wrappingAdd(1, ordering: .relaxed) }
    }
  }

  private let readers = Mutex<[Reader]>([])
  private let hasReaders = Atomic(false)

  package init() {}

  /// Whether anybody takes incidents: else there is no need to make one.
  package var isRead: Bool { hasReaders.load(ordering: .relaxed) }

  /// - Parameter wakeup: signalled when incidents wait for a reader that had none.
  package func addReader(waking wakeup: Wakeup) -> Reader {
    let reader = Reader(wakeup)
    readers.withLock { $0.append(reader) }
    hasReaders.store(true, ordering: .relaxed)
    return reader
  }

  package func post(_ incident: Incident) {
    for reader in readers.withLock({ $0 }) { reader.add(incident) }
  }
}
