internal import CLinux
package import Core
internal import Glibc
internal import Synchronization

/// Writes lines to a descriptor from a thread of its own, so that no event loop ever waits for a disk or a pipe.
///
/// What does not fit into the queue, or cannot be written, is dropped and counted, and said once until writing succeeds again.
package final class LogWriter: Sendable {
  /// Bytes that may wait to be written.
  package static let queueLimit = 8 << 20

  /// Where lines go.
  package enum Destination: Sendable, Hashable {
    case standardOutput, standardError
    /// Appended to; made when it is not there.
    case file(path: String)
    case nowhere
  }

  /// What a writer has to tell about itself.
  package enum Event: Sendable, Equatable {
    /// Lines are lost from now on. `reason` is a part of a sentence.
    case failed(reason: String)
    /// Lines are written again, after so many were lost.
    case recovered(linesLost: UInt64)
  }

  /// A destination that is open and not yet written to.
  package struct Opened: ~Copyable {
    package let destination: Destination
    fileprivate let descriptor: Descriptor

    package init(_ destination: Destination) throws(SystemError) {
      self.destination = destination
      switch destination {
      case .standardOutput: descriptor = try Self.duplicate(1)
      case .standardError: descriptor = try Self.duplicate(2)
      case .file(let path): descriptor = try Self.open(path)
      case .nowhere: descriptor = try Self.open("/dev/null")
      }
    }

    /// A number of its own, so that it can be replaced without closing the program's.
    private static func duplicate(_ number: Int32) throws(SystemError) -> Descriptor {
      let copy = fcntl(number, F_DUPFD_CLOEXEC, 3)
      guard copy >= 0 else { throw SystemError("dup \(number == 1 ? "standard output" : "standard error")", errno) }
      return Descriptor(owning: copy)
    }

    private static func open(_ path: String) throws(SystemError) -> Descriptor {
      // Not to wait for the reader of a named pipe: without one it cannot be opened.
      let flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK
      // Safe: the path is a NUL-terminated copy during the call.
      let number = unsafe Glibc.open(path, flags, 0o644)
      guard number >= 0 else { throw SystemError("open '\(path)'", errno) }
      return Descriptor(owning: number)
    }
  }

  private let core: LogQueue
  private let current: Mutex<Destination>

  /// - Parameter told: called on any thread, at most twice for each spell of trouble.
  package init(
    _ opened: consuming Opened, told: @escaping @Sendable (Event) -> Void = { _ in }
  ) throws(SystemError) {
    current = Mutex(opened.destination)
    core = try LogQueue(opened.descriptor, limit: Self.queueLimit, told: told)
    try Thread.start(named: "log") { [core] in core.run() }
  }

  package convenience init(
    to destination: Destination, told: @escaping @Sendable (Event) -> Void = { _ in }
  ) throws(SystemError) {
    try self.init(Opened(destination), told: told)
  }

  /// The thread writes what is there, and ends.
  deinit { core.close() }

  /// Lines that were dropped since the start.
  package var droppedCount: UInt64 { core.droppedCount }

  package var destination: Destination { current.withLock { $0 } }

  /// Queues whole lines, each with its line end.
  package func write(_ lines: [UInt8]) { core.add(lines) }

  package func write(_ line: String) { write(Array(line.utf8) + [0x0a]) }

  /// Opens the file anew, as after a rotation; the old one stays in use when that fails.
  package func reopen() throws(SystemError) {
    let destination = destination
    guard case .file = destination else { return }
    try replace(Opened(destination))
  }

  /// Lines go to another place from now on; those that are still queued, too.
  package func replace(_ opened: consuming Opened) throws(SystemError) {
    try core.replaceTarget(opened.descriptor)
    current.withLock { $0 = opened.destination }
  }

  /// Waits until everything queued so far is written, at most `patience`.
  package func flush(atMost patience: Nanoseconds = .seconds(2)) {
    let deadline = MonotonicClock.now.advanced(by: patience)
    while MonotonicClock.now < deadline {
      if core.isDrained { return }
      usleep(1_000)
    }
  }
}

/// What a ``LogWriter`` shares with its thread.
private final class LogQueue: Sendable {
  private struct State {
    var lines: [[UInt8]] = []
    var bytes = 0
    var dropped: UInt64 = 0
    /// Lines lost since the last write that succeeded; nil: writing succeeds.
    var lostInTrouble: UInt64?
    /// The thread is writing lines that it took from the queue.
    var isWriting = false
    var isClosed = false
  }

  private let state = Mutex(State())
  private let wakeup: Wakeup
  private let target: Descriptor
  private let piece: Atomic<Int>
  private let wentWell = Atomic(true)
  /// The last line was written in part only: the next one is not to hang on it.
  private let isWithinLine = Atomic(false)
  private let limit: Int
  private let told: @Sendable (LogWriter.Event) -> Void

  init(
    _ target: consuming Descriptor, limit: Int, told: @escaping @Sendable (LogWriter.Event) -> Void
  ) throws(SystemError) {
    wakeup = try Wakeup(isBlocking: true)
    self.target = target
    self.limit = limit
    self.told = told
    piece = Atomic(Self.piece(of: self.target))
  }

  var droppedCount: UInt64 { state.withLock { $0.dropped } }
  var isDrained: Bool { state.withLock { $0.lines.isEmpty && !$0.isWriting } }

  func add(_ lines: [UInt8]) {
    guard !lines.isEmpty else { return }
    let (wakes, fits) = state.withLock { state in
      guard state.bytes + lines.count <= limit else { return (false, false) }
      let wasEmpty = state.lines.isEmpty
      state.lines.append(lines)
      state.bytes += lines.count
      return (wasEmpty, true)
    }
    if wakes { wakeup.signal() }
    if !fits {
      lose(lines[...], "they come faster than they can be written, and the queue of \(limit >> 20) MiB is full")
    }
  }

  func close() {
    state.withLock { $0.isClosed = true }
    wakeup.signal()
  }

  func replaceTarget(_ fresh: borrowing Descriptor) throws(SystemError) {
    // The number stays the same and is never free in between: the thread may be about to use it.
    let code = pf_duplicate_over(fresh.number, target.number)
    guard code >= 0 else { throw SystemError("dup3", -code) }
    piece.store(Self.piece(of: fresh), ordering: .relaxed)
    isWithinLine.store(false, ordering: .relaxed)
  }

  /// Bytes that are written at a time. A pipe takes 4096 without making its writer wait when the poller says that it has room
  /// (pipe(7)); files take what they get.
  private static func piece(of target: borrowing Descriptor) -> Int {
    var facts = stat()
    // Safe: the kernel fills in the value.
    let isFile = unsafe fstat(target.number, &facts) == 0 && facts.st_mode & S_IFMT == S_IFREG
    return isFile ? .max : 4_096
  }

  // MARK: - The thread

  func run() {
    while true {
      wakeup.waitOne()
      let (lines, isClosed) = state.withLock { state in
        let lines = state.lines
        state.lines = []
        state.bytes = 0
        state.isWriting = !lines.isEmpty
        return (lines, state.isClosed)
      }
      for line in lines { write(line) }
      let lost = state.withLock { state -> UInt64? in
        state.isWriting = false
        guard !lines.isEmpty, state.lines.isEmpty, wentWell.load(ordering: .relaxed) else { return nil }
        defer { state.lostInTrouble = nil }
        return state.lostInTrouble
      }
      if let lost { told(.recovered(linesLost: lost)) }
      if isClosed, state.withLock({ $0.lines.isEmpty }) { return }
    }
  }

  private func write(_ lines: [UInt8]) {
    if isWithinLine.load(ordering: .relaxed) {
      guard put([0x0a]) == 1 else {
        lose(lines[...], SystemError.text(of: errno))
        return
      }
      isWithinLine.store(false, ordering: .relaxed)
    }
    let count = put(lines)
    guard count < lines.count else { return }
    let code = errno
    if count > 0 { isWithinLine.store(lines[count - 1] != 0x0a, ordering: .relaxed) }
    lose(lines[count...], SystemError.text(of: code))
  }

  /// Writes as much as can be written; behind less than all, `errno` says why.
  private func put(_ bytes: [UInt8]) -> Int {
    var offset = 0
    wentWell.store(true, ordering: .relaxed)
    while offset < bytes.count {
      guard hasRoom() else {
        guard isOver() else { continue }
        // Nobody writes here any more, and nobody reads: the thread would never end.
        errno = EAGAIN
        wentWell.store(false, ordering: .relaxed)
        return offset
      }
      // Safe: the part of the array behind `offset` is valid during the call.
      let count = unsafe bytes.withUnsafeBytes {
        unsafe Glibc.write(
          target.number, $0.baseAddress! + offset, min($0.count - offset, piece.load(ordering: .relaxed)))
      }
      if count >= 0 {
        offset += count
      } else if errno != EINTR, errno != EAGAIN {
        wentWell.store(false, ordering: .relaxed)
        return offset
      }
    }
    return offset
  }

  private func isOver() -> Bool { state.withLock { $0.isClosed } }

  /// Waits a while. A reader that does not read holds up this thread and nobody else, until the target is replaced.
  private func hasRoom() -> Bool {
    var descriptor = pollfd(fd: target.number, events: Int16(POLLOUT), revents: 0)
    // Safe: one descriptor, during the call.
    return unsafe poll(&descriptor, 1, 1_000) != 0
  }

  private func lose(_ lines: ArraySlice<UInt8>, _ reason: String) {
    let count = UInt64(max(1, lines.count { $0 == 0x0a }))
    let isNews = state.withLock { state in
      state.dropped += count
      let isNews = state.lostInTrouble == nil
      state.lostInTrouble = (state.lostInTrouble ?? 0) + count
      return isNews
    }
    if isNews { told(.failed(reason: reason)) }
  }
}
