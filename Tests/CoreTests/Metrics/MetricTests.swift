import Core
import Foundation
import Testing

@Suite struct MetricTests {
  @Test(arguments: Metric.allCases) func followsTheConventions(_ metric: Metric) {
    let name = metric.sampleName
    let family = metric.family
    #expect(name.hasPrefix("photofinish_") || name.hasPrefix("process_"))
    #expect(name.utf8.allSatisfy { (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5f })
    #expect(family.help.hasSuffix(".") && !family.help.contains("\n") && !family.help.contains("|"))
    #expect((family.kind == .counter) == name.hasSuffix("_total"))
    // Histograms are of time here; their bounds are in seconds.
    if family.kind == .histogram { #expect(metric.unit == "seconds") }
    for reserved in ["_bucket", "_sum", "_count", "_info_total"] { #expect(!name.hasSuffix(reserved)) }
    #expect(Set(family.labels).count == family.labels.count && !family.labels.contains("le"))
  }

  /// docs/manual/metrics.md is what `photofinish settings --metrics` prints.
  @Test func theManualHasTheSameTable() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let page = try String(contentsOf: root.appending(path: "docs/manual/metrics.md"), encoding: .utf8)
    #expect(page == MetricsReference.text)
    for metric in Metric.allCases { #expect(page.contains("| `\(metric.sampleName)` |"), "\(metric)") }
  }

  private func text(_ form: MetricsText.Form, _ write: (inout MetricsText) -> Void) -> String {
    var text = MetricsText(form)
    write(&text)
    text.end()
    return String(decoding: text.bytes, as: UTF8.self)
  }

  @Test func writesBothForms() {
    let write: (inout MetricsText) -> Void = { text in
      text.begin(.clientSentBytes)
      text.sample(UInt64.max)
      text.begin(.draining)
      text.sample(0 as UInt64)
    }
    #expect(
      text(.prometheus, write) == """
        # HELP photofinish_client_sent_bytes_total Bytes sent to clients.
        # TYPE photofinish_client_sent_bytes_total counter
        photofinish_client_sent_bytes_total 18446744073709551615
        # HELP photofinish_draining 1 while the proxy drains, else 0.
        # TYPE photofinish_draining gauge
        photofinish_draining 0

        """)
    #expect(
      text(.openMetrics, write) == """
        # HELP photofinish_client_sent_bytes Bytes sent to clients.
        # TYPE photofinish_client_sent_bytes counter
        # UNIT photofinish_client_sent_bytes bytes
        photofinish_client_sent_bytes_total 18446744073709551615
        # HELP photofinish_draining 1 while the proxy drains, else 0.
        # TYPE photofinish_draining gauge
        photofinish_draining 0
        # EOF

        """)
  }

  @Test func escapesLabels() {
    let labels = MetricsText.Labels(("upstream", "a\"b\\c\nd"), ("server", "ü")).adding("state", "")
    let shown = text(.prometheus) { text in
      text.begin(.serverConnections)
      text.sample(labels, 1.5)
    }
    #expect(shown.hasSuffix("{upstream=\"a\\\"b\\\\c\\nd\",server=\"ü\",state=\"\"} 1.5\n"))
  }

  @Test func writesHistogramsUpToInfinity() {
    let shown = text(.prometheus) { text in
      text.begin(.routeDuration)
      text.histogram(
        MetricsText.Labels(("route", "r")), buckets: [(Array("0.5".utf8), 1), (Array("1.0".utf8), 3)], sum: 2.25,
        count: 4)
    }
    let samples = shown.split(separator: "\n").filter { !$0.hasPrefix("#") }
    let name = "photofinish_route_request_duration_seconds"
    #expect(
      samples == [
        "\(name)_bucket{route=\"r\",le=\"0.5\"} 1", "\(name)_bucket{route=\"r\",le=\"1.0\"} 3",
        "\(name)_bucket{route=\"r\",le=\"+Inf\"} 4", "\(name)_sum{route=\"r\"} 2.25", "\(name)_count{route=\"r\"} 4",
      ])
  }
}
