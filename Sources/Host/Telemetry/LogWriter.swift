internal import CLinux
package import Core
internal import Glibc
internal import Synchronization

/// Writes lines to a descriptor from a thread of its own, so that no event loop ever waits for a disk or a pipe.
///
/// What does not fit into the queue is dropped and counted; the next line that fits says how many were lost.
package final class LogWriter: Sendable {
  /// Bytes that may wait to be written.
  package static let queueLimit = 8 << 20

  private struct Queue {
    var lines: [[UInt8]] = []
    var bytes = 0
    var dropped: UInt64 = 0
    /// Of the dropped ones, how many the log itself has told of.
    var told: UInt64 = 0
    /// The writer is inside `write(2)` with lines that it took from the queue.
    var isWriting = false
  }

  private let queue = Mutex(Queue())
  private let wakeup: Wakeup
  private let target: Int32
  private let path: String?

  /// - Parameters:
  ///   - number: an open descriptor that outlives the writer; standard output or error.
  package init(number: Int32) throws(SystemError) {
    wakeup = try Wakeup(isBlocking: true)
    target = number
    path = nil
    try startThread()
  }

  /// Appends to the file at `path`, which is made when it is not there.
  package init(path: String) throws(SystemError) {
    wakeup = try Wakeup(isBlocking: true)
    target = try Self.openFile(path)
    self.path = path
    try startThread()
  }

  /// Lines that were dropped since the start.
  package var droppedCount: UInt64 { queue.withLock { $0.dropped } }

  /// Queues whole lines, each with its line end.
  package func write(_ lines: [UInt8]) {
    guard !lines.isEmpty else { return }
    let wasEmpty = queue.withLock { queue in
      guard queue.bytes + lines.count <= Self.queueLimit else {
        queue.dropped += UInt64(lines.count { $0 == 0x0a })
        return false
      }
      let wasEmpty = queue.lines.isEmpty
      queue.lines.append(lines)
      queue.bytes += lines.count
      return wasEmpty
    }
    if wasEmpty { wakeup.signal() }
  }

  package func write(_ line: String) {
    write(Array(line.utf8) + [0x0a])
  }

  /// Opens the file anew, as after a rotation; the old one stays in use when that fails.
  package func reopen() throws(SystemError) {
    guard let path else { return }
    let fresh = Descriptor(owning: try Self.openFile(path))
    // The number stays the same and is never free in between: the writing thread may be about to use it.
    let code = pf_duplicate_over(fresh.number, target)
    guard code >= 0 else { throw SystemError("dup3", -code) }
  }

  /// Waits until everything queued so far is written, at most `patience`.
  package func flush(atMost patience: Nanoseconds = .seconds(2)) {
    let deadline = MonotonicClock.now.advanced(by: patience)
    while MonotonicClock.now < deadline {
      if queue.withLock({ $0.lines.isEmpty && !$0.isWriting }) { return }
      usleep(1_000)
    }
  }

  private static func openFile(_ path: String) throws(SystemError) -> Int32 {
    // Safe: the path is a NUL-terminated copy during the call.
    let number = unsafe open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard number >= 0 else { throw SystemError("open '\(path)'", errno) }
    return number
  }

  private func startThread() throws(SystemError) {
    try Thread.start(named: "log") { [self] in run() }
  }

  private func run() {
    while true {
      wakeup.waitOne()
      let (lines, lost) = queue.withLock { queue in
        let lines = queue.lines
        let lost = queue.dropped - queue.told
        queue.told = queue.dropped
        queue.lines = []
        queue.bytes = 0
        queue.isWriting = !lines.isEmpty
        return (lines, lost)
      }
      for line in lines { writeAll(line) }
      if lost > 0 { writeAll(Array("\(lost) log lines were lost: they came faster than they could be written\n".utf8)) }
      queue.withLock { $0.isWriting = false }
    }
  }

  private func writeAll(_ line: [UInt8]) {
    var offset = 0
    while offset < line.count {
      // Safe: the part of the array behind `offset` is valid during the call.
      let count = unsafe line.withUnsafeBytes {
        unsafe Glibc.write(target, $0.baseAddress! + offset, $0.count - offset)
      }
      if count >= 0 {
        offset += count
      } else if errno == EAGAIN {
        // Somebody made our standard output non-blocking.
        usleep(1_000)
      } else if errno != EINTR {
        // The disk is full or the reader is gone: the line is lost, the proxy is not.
        queue.withLock { queue in
          queue.dropped += 1
          queue.told += 1
        }
        return
      }
    }
  }
}
