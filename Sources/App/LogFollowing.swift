import Analysis
import Core
import Glibc
import Host

/// Reads what is appended to logs and prints each failure soon after its line. Goes on until it is ended by a signal, or until standard input ends.
struct LogFollowing {
  /// How long nothing is done, and how long the line of another log about the same request is waited for.
  private static let pauseMilliseconds: Int32 = 300

  let question: LogQuestion
  let formats: [LogLineFormat]
  let isJSON: Bool

  /// Returns what all of it says.
  func run(_ paths: [String]) throws -> LogReport {
    let signals = try SignalDescriptor()
    var tails = paths.map { LogTail(path: $0) }
    var readers = paths.map { _ in LogReader(question, formats: formats) }
    var totals = paths.map { _ in LogTally() }
    for tail in tails where tail.isWaiting { Terminal.warn("logs: waiting for \(Display.printable(tail.path.utf8))") }
    while true {
      var chunks = tails.indices.map { tails[$0].read() }
      if chunks.contains(where: { !$0.isEmpty }) {
        // The other lines about these requests may be on their way.
        let isEnded = pause(signals)
        for index in tails.indices { chunks[index] += tails[index].read() }
        judge(chunks, paths, &readers, &totals)
        if isEnded { break }
      } else if tails.allSatisfy(\.isEnded) || pause(signals) {
        break
      }
    }
    return LogReport(
      parts: paths.indices.map { (paths[$0] == "-" ? "standard input" : paths[$0], totals[$0], nil) }, problems: [],
      question: question)
  }

  /// Whether a signal came.
  private func pause(_ signals: borrowing SignalDescriptor) -> Bool {
    var wait = pollfd(fd: signals.number, events: Int16(POLLIN), revents: 0)
    // Safe: one descriptor, whose count is given.
    _ = unsafe poll(&wait, 1, LogFollowing.pauseMilliseconds)
    return signals.take() != nil
  }

  private func judge(
    _ chunks: [[UInt8]], _ paths: [String], _ readers: inout [LogReader], _ totals: inout [LogTally]
  ) {
    let before = readers
    var tallies = LogFollowing.read(chunks, &readers)
    if let again = LogReport.questionForCauses(tallies, question) {
      // Lines of success that belong to a cause are wanted, too.
      readers = before
      for index in readers.indices { readers[index].question = again }
      tallies = LogFollowing.read(chunks, &readers)
      for index in readers.indices { readers[index].question = question }
    }
    for index in tallies.indices {
      let before = totals[index].lines
      totals[index].append(tallies[index])
      tallies[index].shiftLines(by: before)
    }
    let report = LogReport(
      parts: paths.indices.map { (paths[$0], tallies[$0], nil) }, problems: [], question: question)
    guard !report.failures.isEmpty else { return }
    let lines = LogJSONReport(report)
    let text = LogTextReport(report, ink: Ink(isColoured: Terminal.isColoured(descriptor: 1)))
    Terminal.write(isJSON ? report.failures.map { lines.line($0) }.joined() : text.verdicts())
  }

  private static func read(_ chunks: [[UInt8]], _ readers: inout [LogReader]) -> [LogTally] {
    chunks.indices.map { index in
      let chunk = chunks[index]
      // Safe: bytes have no padding.
      unsafe readers[index].read(chunk.span.bytes)
      return readers[index].takeTally(goesOn: true)
    }
  }
}
