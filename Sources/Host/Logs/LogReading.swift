package import Analysis
import Core
import Glibc
import Synchronization

/// Reads logs with as many threads as there are processors.
///
/// Threads share files: each takes the next file that nobody reads, and when there is none it helps with one that is being read. A
/// packed file, or one whose lines depend on each other, stays with one thread.
package final class LogReading: Sendable {
  package struct Result: Sendable {
    package var path: String
    package var tally: LogTally
    package var problem: String?
  }

  private enum Turn: Sendable {
    case untouched, beginning, shared, alone, done
  }

  private let files: [LogFile]
  private let turns: Mutex<[Turn]>
  private let question: LogQuestion
  private let formats: [LogLineFormat]
  private let readBytes = Atomic<Int64>(0)

  package init(_ paths: [String], question: LogQuestion, formats: [LogLineFormat]) {
    files = paths.map { LogFile(path: $0) }
    turns = Mutex(Array(repeating: .untouched, count: paths.count))
    self.question = question
    self.formats = formats
  }

  /// Bytes of the files that were read so far, packed as they are.
  package var bytesRead: Int64 { readBytes.load(ordering: .relaxed) }

  /// Reads everything.
  ///
  /// - Parameter progress: called a few times a second.
  package func run(threads: Int, progress: (Int64) -> Void) -> [Result] {
    guard let finished = try? Wakeup(isBlocking: true) else {
      work()
      return results()
    }
    var running = 0
    for index in 0..<max(1, min(threads, 64)) {
      do {
        try Thread.start(named: "logs-\(index)") { [self] in
          work()
          finished.signal()
        }
        running += 1
      } catch {
        break
      }
    }
    if running == 0 { work() }
    while running > 0 {
      var wait = pollfd(fd: finished.number, events: Int16(POLLIN), revents: 0)
      // Safe: one descriptor, whose count is given.
      if unsafe poll(&wait, 1, 200) > 0 {
        finished.waitOne()
        running -= 1
      }
      progress(bytesRead)
    }
    return results()
  }

  private func results() -> [Result] {
    files.map { file in
      let (tally, problem) = file.result()
      return Result(path: file.path, tally: tally, problem: problem)
    }
  }

  /// Hands all lines of one file to `body`, whole blocks at a time. Returns what went wrong; nil when nothing did.
  package static func readLines(of path: String, _ body: (RawSpan) -> Void) -> String? {
    let file = LogFile(path: path)
    var buffer = ByteBuffer(capacity: LogFile.block + (2 << 20))
    while file.next(into: &buffer, read: { _ in }) != nil { body(buffer.readable) }
    return file.result().problem
  }

  // MARK: - One thread

  private func work() {
    var buffer = ByteBuffer(capacity: LogFile.block + (2 << 20))
    while let (index, isFirst) = pick() {
      read(index, isFirst: isFirst, &buffer)
    }
  }

  private func pick() -> (Int, isFirst: Bool)? {
    turns.withLock { turns in
      if let index = turns.firstIndex(of: .untouched) {
        turns[index] = .beginning
        return (index, true)
      }
      return turns.firstIndex(of: .shared).map { ($0, false) }
    }
  }

  private func set(_ index: Int, _ turn: Turn) { turns.withLock { $0[index] = turn } }

  private func read(_ index: Int, isFirst: Bool, _ buffer: inout ByteBuffer) {
    let file = files[index]
    var reader = LogReader(question, formats: formats)
    var isBeginning = isFirst
    while let block = file.next(into: &buffer, read: { readBytes.add($0, ordering: .relaxed) }) {
      for _ in 0..<block.overlong { reader.overlongLine() }
      reader.read(buffer.readable)
      if isBeginning {
        isBeginning = false
        set(index, reader.needsOrder ? .alone : .shared)
      }
      file.add(reader.takeTally(), of: block)
    }
    set(index, .done)
  }
}
