import Core
import Foundation
import Host
import Support
import Synchronization
import Testing

/// What becomes of lines where disks are full, readers leave or stand still, and files are moved.
@Suite(.onThreads)
struct LogWriterTests {
  private final class Events: Sendable {
    private let held = Mutex<[LogWriter.Event]>([])
    var all: [LogWriter.Event] { held.withLock { $0 } }
    func add(_ event: LogWriter.Event) { held.withLock { $0.append(event) } }
  }

  private let directory: TemporaryDirectory
  private let events = Events()

  init() throws {
    directory = try TemporaryDirectory()
    // As the program has it: a reader that is gone is an error of `write`.
    _ = signal(SIGPIPE, SIG_IGN)
  }

  private func writer(to destination: LogWriter.Destination) throws -> LogWriter {
    try LogWriter(to: destination) { [events] in events.add($0) }
  }

  private func text(_ name: String) -> String { BuiltProgram.text(ofFile: "\(directory.path)/\(name)") ?? "" }
  private func file(_ name: String) -> LogWriter.Destination { .file(path: "\(directory.path)/\(name)") }

  @Test func aFileThatWasMovedIsOpenedAnew() throws {
    let writer = try writer(to: file("a"))
    writer.write("one")
    writer.flush()
    try FileManager.default.moveItem(atPath: "\(directory.path)/a", toPath: "\(directory.path)/a.1")
    writer.write("two")
    writer.flush()
    try writer.reopen()
    writer.write("three")
    writer.flush()
    #expect(text("a.1") == "one\ntwo\n" && text("a") == "three\n")
    #expect(events.all.isEmpty && writer.droppedCount == 0)
  }

  @Test func aFileThatCannotBeOpenedAnewLeavesTheOldOne() throws {
    let writer = try writer(to: file("a"))
    try FileManager.default.removeItem(atPath: "\(directory.path)/a")
    try FileManager.default.createDirectory(atPath: "\(directory.path)/a", withIntermediateDirectories: false)
    #expect(throws: SystemError.self) { try writer.reopen() }
    writer.write("one")
    writer.flush()
    #expect(events.all.isEmpty && writer.droppedCount == 0)
    #expect(writer.destination == file("a"))
  }

  @Test func aFullDiskIsToldOnceAndSoIsItsEnd() throws {
    let writer = try writer(to: .file(path: "/dev/full"))
    for _ in 0..<5 {
      writer.write("one\ntwo")
      writer.flush()
    }
    #expect(events.all == [.failed(reason: "No space left on device")])
    #expect(writer.droppedCount == 10)
    try writer.replace(LogWriter.Opened(file("a")))
    writer.write("three")
    #expect(eventually { events.all.count == 2 })
    #expect(events.all.last == .recovered(linesLost: 10))
    #expect(text("a") == "three\n")
    try writer.replace(LogWriter.Opened(.file(path: "/dev/full")))
    writer.write("four")
    #expect(eventually { events.all.count == 3 })
  }

  private func makePipe(_ path: String) throws {
    // Safe: the path is a NUL-terminated copy during the call.
    try #require(unsafe mkfifo(path, 0o600) == 0)
  }

  private func openForReading(_ path: String) -> Int32 {
    // Safe: the path is a NUL-terminated copy during the call.
    unsafe open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
  }

  @Test func aReaderThatLeavesIsSurvived() throws {
    let path = "\(directory.path)/pipe"
    try makePipe(path)
    #expect(throws: SystemError("open '\(path)'", ENXIO)) { _ = try self.writer(to: .file(path: path)) }
    let reader = openForReading(path)
    let writer = try self.writer(to: .file(path: path))
    writer.write("one")
    writer.flush()
    close(reader)
    // A process that is just being started elsewhere may hold the reading end for a moment longer.
    let failed = eventually {
      writer.write("two")
      writer.flush()
      return events.all == [.failed(reason: "Broken pipe")]
    }
    #expect(failed)
    #expect(writer.droppedCount >= 1)
  }

  /// The queue fills up, whoever writes goes on at once, and another target takes over what is queued.
  @Test func aReaderThatStandsStillHoldsUpNobody() throws {
    let path = "\(directory.path)/pipe"
    try makePipe(path)
    let reader = openForReading(path)
    defer { close(reader) }
    let writer = try self.writer(to: .file(path: path))
    let block = [UInt8](repeating: UInt8(ascii: "x"), count: 99_999) + [0x0a]
    // The thread holds what it took when it began to wait, and the queue as much again.
    for _ in 0..<(LogWriter.queueLimit / block.count * 3) { writer.write(block) }
    #expect(writer.droppedCount > 0)
    #expect(
      events.all == [
        .failed(reason: "they come faster than they can be written, and the queue of 8 MiB is full")
      ])
    try writer.replace(LogWriter.Opened(file("a")))
    #expect(eventually(atMost: .seconds(20)) { events.all.count == 2 })
    #expect(events.all.last == .recovered(linesLost: writer.droppedCount))
    writer.write("the end")
    writer.flush(atMost: .seconds(20))
    #expect(text("a").hasSuffix("x\nthe end\n"))
  }

  @Test func aWriterThatIsLetGoWritesWhatItHas() throws {
    var writer: LogWriter? = try self.writer(to: file("a"))
    writer?.write("one")
    writer = nil
    #expect(eventually { text("a") == "one\n" })
  }
}
