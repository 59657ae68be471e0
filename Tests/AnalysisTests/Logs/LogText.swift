import Core

@testable import Analysis

/// Judges logs that stand in a text.
enum LogText {
  static func report(
    _ texts: [String], question: LogQuestion = LogQuestion(), formats: [LogLineFormat] = [], pieces: Int = 1,
    application: String? = nil
  ) -> LogReport {
    var question = question
    question.readsAnswered = application != nil
    var parts = read(texts, question, formats, pieces)
    var again = LogReport.questionForCauses(parts.map(\.tally), question)
    var witness: LogWitness?
    if let application {
      var heard = LogWitness(LogReport.inFront(parts.map(\.tally), []))
      let bytes = Array(application.utf8)
      // Safe: bytes have no padding.
      unsafe heard.read(bytes.span.bytes)
      if !heard.isSettledByIDs, heard.canMatch {
        again = again ?? question
        again?.wantedRequests = heard.sample
      }
      witness = heard
    }
    if let again {
      parts = read(texts, again, formats, pieces)
      if again.wantedRequests != nil { witness?.matchClocks(LogReport.inFront(parts.map(\.tally), [])) }
    }
    return LogReport(parts: parts, problems: [], question: question, witness: witness)
  }

  static func report(_ text: String, formats: [LogLineFormat] = []) -> LogReport { report([text], formats: formats) }

  /// The counts by their names, without the zeros.
  static func classes(_ texts: String..., formats: [LogLineFormat] = []) -> [String: Int] {
    classes(report(texts, formats: formats))
  }

  static func classes(_ report: LogReport) -> [String: Int] {
    var counts: [String: Int] = [:]
    for kind in LogClass.allCases where report.count(kind) > 0 { counts[kind.rawValue] = report.count(kind) }
    return counts
  }

  /// - Parameter pieces: how many parts each log is read in, each by a reader of its own, as threads do.
  private static func read(
    _ texts: [String], _ question: LogQuestion, _ formats: [LogLineFormat], _ pieces: Int
  ) -> [(name: String, tally: LogTally, problem: String?)] {
    texts.enumerated().map { index, text in
      let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
      let size = max(1, (lines.count + pieces - 1) / pieces)
      var joined = LogTally()
      for start in stride(from: 0, to: lines.count, by: size) {
        var reader = LogReader(question, formats: formats)
        let bytes = Array(lines[start..<min(lines.count, start + size)].joined(separator: "\n").utf8)
        // Safe: bytes have no padding.
        unsafe reader.read(bytes.span.bytes)
        joined.append(reader.takeTally())
      }
      return ("log-\(index)", joined, nil)
    }
  }
}
