import Analysis
import Core
import Synchronization

/// One log that several threads read together: each takes the next block of whole lines.
///
// Unchecked: the state is touched only while the lock is held.
final class LogFile: @unchecked Sendable {
  /// Bytes of a block, about.
  static let block = 4 << 20
  private static let newline = UInt8(ascii: "\n")

  private struct State: ~Copyable {
    var file: CaptureFile?
    var tail: [UInt8] = []
    var isSkipping = false
    var next = 0
    var problem: String?
    var isOpened = false
    var merged = LogTally()
    var mergedCount = 0
    var waiting: [Int: LogTally] = [:]
    var overlong = 0
  }

  struct Block {
    var sequence: Int
    /// Lines that were too long, in front of this block.
    var overlong: Int
  }

  let path: String
  private let lock = Mutex<Void>(())
  private var state = State()

  init(path: String) { self.path = path }

  /// Fills `buffer` with the next lines. nil at the end.
  func next(into buffer: inout ByteBuffer, read: (Int64) -> Void) -> Block? {
    buffer.removeAll()
    // The lock is held while the file is read, so that blocks are numbered in their order.
    let (taken, block) = lock.withLock { _ -> (Int64, Block?) in
      LogFile.open(path, &state)
      let before = state.file?.bytesRead ?? 0
      let isMore = LogFile.fill(&buffer, &state)
      let taken = (state.file?.bytesRead ?? 0) - before
      guard isMore else { return (taken, nil) }
      let block = Block(sequence: state.next, overlong: state.overlong)
      state.next += 1
      state.overlong = 0
      return (taken, block)
    }
    read(taken)
    return block
  }

  private static func open(_ path: String, _ state: inout State) {
    guard !state.isOpened else { return }
    state.isOpened = true
    do {
      state.file = try CaptureFile(path: path)
    } catch {
      state.problem = "\(error)"
    }
  }

  private static func fill(_ buffer: inout ByteBuffer, _ state: inout State) -> Bool {
    if !state.tail.isEmpty {
      buffer.append(state.tail)
      state.tail = []
    }
    var isAtEnd = false
    while buffer.count < block {
      guard advance(&buffer, &state) else {
        isAtEnd = true
        break
      }
      if state.isSkipping { skip(&buffer, &state) }
      if buffer.count >= block, lastNewline(buffer) == nil {
        // One line fills the block: it is passed over to its end.
        state.isSkipping = true
        buffer.removeAll()
      }
    }
    if isAtEnd {
      if state.isSkipping {
        state.isSkipping = false
        state.overlong += 1
        return true
      }
      return !buffer.isEmpty
    }
    if let last = lastNewline(buffer), last + 1 < buffer.count {
      state.tail = copy(buffer, from: last + 1)
      buffer.removeLast(buffer.count - last - 1)
    }
    return true
  }

  private static func advance(_ buffer: inout ByteBuffer, _ state: inout State) -> Bool {
    guard state.file != nil, state.problem == nil else { return false }
    do {
      var piece = ByteBuffer(capacity: 0)
      swap(&piece, &buffer)
      // What came before a fault stays.
      defer { swap(&piece, &buffer) }
      return try state.file?.next { bytes in piece.append(bytes) } ?? false
    } catch {
      state.problem = "\(error)"
      return false
    }
  }

  /// Drops the rest of a line that was too long.
  private static func skip(_ buffer: inout ByteBuffer, _ state: inout State) {
    guard let place = firstNewline(buffer) else { return buffer.removeAll() }
    let rest = copy(buffer, from: place + 1)
    buffer.removeAll()
    state.isSkipping = false
    state.overlong += 1
    buffer.append(rest)
  }

  private static func firstNewline(_ buffer: borrowing ByteBuffer) -> Int? {
    let bytes = buffer.readable
    return bytes.index(of: newline, from: 0, to: bytes.byteCount)
  }

  private static func lastNewline(_ buffer: borrowing ByteBuffer) -> Int? {
    let bytes = buffer.readable
    guard bytes.index(of: newline, from: 0, to: bytes.byteCount) != nil else { return nil }
    var place = bytes.byteCount
    while place > 0 {
      place -= 1
      if bytes.byte(at: place) == newline { return place }
    }
    return nil
  }

  private static func copy(_ buffer: borrowing ByteBuffer, from start: Int) -> [UInt8] {
    let bytes = buffer.readable
    var copied: [UInt8] = []
    copied.reserveCapacity(bytes.byteCount - start)
    for offset in start..<bytes.byteCount { copied.append(bytes.byte(at: offset)) }
    return copied
  }

  /// Takes the figures of a block; joins what is complete, in order.
  func add(_ tally: LogTally, of block: Block) {
    lock.withLock { _ in
      state.waiting[block.sequence] = tally
      while let next = state.waiting.removeValue(forKey: state.mergedCount) {
        state.merged.append(next)
        state.mergedCount += 1
      }
    }
  }

  func result() -> (tally: LogTally, problem: String?) {
    lock.withLock { _ in (state.merged, state.problem) }
  }
}
