import Core

/// One line for each failure, for spreadsheets (RFC 4180).
package struct LogCSVReport {
  private static let names = [
    "time_utc", "class", "confidence", "reason", "method", "target", "server", "status", "duration_seconds",
    "idle_seconds", "word", "id", "source", "file", "line",
  ]

  private let report: LogReport

  package init(_ report: LogReport) { self.report = report }

  package func text() -> String {
    var text = LogCSVReport.names.joined(separator: ",") + "\r\n"
    for failure in report.failures {
      let row = report.row(failure)
      let fields: [String] = [
        row.time ?? "", row.kind, row.confidence, row.reason, row.method, row.target, row.server ?? "",
        row.status.map(String.init) ?? "", row.duration.map { Display.decimal($0.inSeconds, digits: 6) } ?? "",
        row.gap.map { Display.decimal($0.inSeconds, digits: 6) } ?? "", row.word, row.identifier, row.source, row.file,
        String(row.line),
      ]
      text += fields.map(LogCSVReport.field).joined(separator: ",") + "\r\n"
    }
    return text
  }

  /// A cell that begins with one of these would be a formula to a spreadsheet.
  private static func field(_ value: String) -> String {
    var value = value
    if let first = value.first, "=+-@".contains(first) { value = "'" + value }
    guard value.contains(where: { $0 == "," || $0 == "\"" || $0 == "\n" || $0 == "\r" }) else { return value }
    return "\"" + value.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
  }
}
