import Analysis
import Core

/// Holds the readers of logs and all that is said about them to what must be true for any bytes whatever. For fuzzing and
/// property tests.
package enum LogOracle {
  /// Takes the bytes for a log. What is violated, in words; nil when nothing is.
  ///
  /// A first byte of `F` makes the first line the format of the others.
  package static func check(_ bytes: [UInt8]) -> String? {
    var bytes = bytes
    var formats: [LogLineFormat] = []
    if bytes.first == UInt8(ascii: "F") {
      let line = bytes.dropFirst().prefix { $0 != 0x0a }
      let text = String(decoding: line, as: UTF8.self)
      formats = (try? LogLineFormat(text)).map { [$0] } ?? []
      formats += LogFormatFile.formats(text)
      bytes = Array(bytes.dropFirst(line.count + 2))
    }
    let whole = report(bytes, formats, pieces: 1)
    let lines = bytes.split(separator: 0x0a, omittingEmptySubsequences: false).count
    let counted = whole.files.reduce(0) { $0 + $1.lines }
    guard counted <= lines, counted + 1 >= lines else { return "\(counted) lines of \(lines) were counted" }
    guard whole.total + whole.unexplained <= lines else { return "more failures than lines" }
    if let violation = checkOutputs(whole) { return violation }
    // Lines of logs that depend on each other are read by one reader.
    var reader = LogReader(LogQuestion(), formats: formats)
    // Safe: bytes have no padding.
    unsafe reader.read(bytes.span.bytes)
    guard !reader.needsOrder else { return nil }
    let parts = report(bytes, formats, pieces: 3)
    return parts.classes == whole.classes ? nil : "read in pieces: \(parts.classes), whole: \(whole.classes)"
  }

  private static func checkOutputs(_ report: LogReport) -> String? {
    let text = LogTextReport(report, ink: Ink(isColoured: false))
    let json = LogJSONReport(report).document()
    let outputs = [text.text(), text.verdicts(), json, LogCSVReport(report).text(), LogHTMLReport(report).page()]
    for output in outputs
    where output.unicodeScalars.contains(where: {
      $0.value < 0x20 && $0 != "\n" && $0 != "\r" || (0x7f..<0xa0).contains($0.value)
    }) {
      return "a control character came out"
    }
    do {
      let value = try JSONValue(parsing: json)
      let sum = value["summary"]?["classes"]?.members?.reduce(0) { $0 + ($1.value.integer ?? 0) } ?? -1
      if sum != report.total { return "the JSON has \(sum) of \(report.total)" }
    } catch {
      return "the JSON is none: \(error)"
    }
    return nil
  }

  private static func report(_ bytes: [UInt8], _ formats: [LogLineFormat], pieces: Int) -> LogReport {
    var joined = LogTally()
    var start = 0
    for piece in 1...pieces {
      var end = piece == pieces ? bytes.count : max(start, bytes.count * piece / pieces)
      while end < bytes.count, end > start, bytes[end - 1] != 0x0a { end += 1 }
      var reader = LogReader(LogQuestion(), formats: formats)
      let part = Array(bytes[start..<end])
      // Safe: bytes have no padding.
      unsafe reader.read(part.span.bytes)
      joined.append(reader.takeTally())
      start = end
    }
    return LogReport(parts: [("log", joined, nil)], problems: [], question: LogQuestion())
  }
}
