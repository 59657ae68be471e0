/// The report as one HTML page that needs nothing else.
package struct HTMLReport {
  private let report: CaptureReport
  package init(_ report: CaptureReport) { self.report = report }
  package func page() -> String { "" }
}
