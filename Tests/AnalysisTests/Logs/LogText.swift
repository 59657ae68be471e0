import Core

@testable import Analysis

/// Judges logs that stand in a text.
enum LogText {
  static func report(
    _ texts: [String], question: LogQuestion = LogQuestion(), format: LogLineFormat? = nil, pieces: Int = 1
  ) -> LogReport {
    var parts = read(texts, question, format, pieces)
    if let again = LogReport.questionForCauses(parts.map(\.tally), question) {
      parts = read(texts, again, format, pieces)
    }
    return LogReport(parts: parts, problems: [], question: question)
  }

  static func report(_ text: String, format: LogLineFormat? = nil) -> LogReport { report([text], format: format) }

  /// The counts by their names, without the zeros.
  static func classes(_ texts: String..., format: LogLineFormat? = nil) -> [String: Int] {
    classes(report(texts, format: format))
  }

  static func classes(_ report: LogReport) -> [String: Int] {
    var counts: [String: Int] = [:]
    for kind in LogClass.allCases where report.count(kind) > 0 { counts[kind.rawValue] = report.count(kind) }
    return counts
  }

  /// - Parameter pieces: how many parts each log is read in, each by a reader of its own, as threads do.
  private static func read(
    _ texts: [String], _ question: LogQuestion, _ format: LogLineFormat?, _ pieces: Int
  ) -> [(name: String, tally: LogTally, problem: String?)] {
    texts.enumerated().map { index, text in
      let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
      let size = max(1, (lines.count + pieces - 1) / pieces)
      var joined = LogTally()
      for start in stride(from: 0, to: lines.count, by: size) {
        var reader = LogReader(question, format: format)
        let bytes = Array(lines[start..<min(lines.count, start + size)].joined(separator: "\n").utf8)
        // Safe: bytes have no padding.
        unsafe reader.read(bytes.span.bytes)
        joined.append(reader.takeTally())
      }
      return ("log-\(index)", joined, nil)
    }
  }
}
