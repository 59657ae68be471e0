internal import Core

/// Charts as SVG, without scripts; their colours come from the page that they stand on.
enum LabChart {
  private static func number(_ value: Double) -> String { Display.decimal(value, digits: 1) }

  /// A row of bars below each other for each name, one bar for each series.
  /// - Parameters:
  ///   - series: class of the bar and its name, in the order in which the values stand.
  ///   - highlighted: the row that is set in bold.
  static func bars(
    _ rows: [(name: String, values: [Double?])], series: [(style: String, name: String)], label: String,
    highlighted: (String) -> Bool
  ) -> String {
    let highest = max(1, rows.flatMap(\.values).compactMap { $0 }.max() ?? 1)
    // Four marks at numbers that one can read.
    let steps = [1.0, 2, 5, 10, 20, 25, 50, 75, 100, 125, 150, 200, 250]
    let top = 4 * (steps.first { 4 * $0 >= highest } ?? highest / 4)
    let (left, width, bar, gap) = (160.0, 460.0, 11.0, 9.0)
    let step = Double(series.count) * (bar + 1) + gap
    let height = Double(rows.count) * step + 22
    var svg = "<svg viewBox=\"0 0 720 \(Int(height))\" role=\"img\" aria-label=\"\(HTMLPage.escaped(label))\">"
    for share in [0.25, 0.5, 0.75, 1] {
      let x = number(left + width * share)
      svg += "<line class=\"axis\" x1=\"\(x)\" x2=\"\(x)\" y1=\"0\" y2=\"\(number(height - 18))\"/>"
      svg +=
        "<text x=\"\(x)\" y=\"\(number(height - 5))\" text-anchor=\"middle\">\(Display.decimal(top * share, digits: 0))</text>"
    }
    for (index, row) in rows.enumerated() {
      let y = Double(index) * step
      let style = highlighted(row.name) ? " class=\"strong\"" : ""
      svg += "<text\(style) x=\"\(number(left - 8))\" y=\"\(number(y + step / 2 - 1))\" text-anchor=\"end\">"
      svg += "\(HTMLPage.escaped(row.name))</text>"
      for (number_, value) in row.values.enumerated() {
        guard let value else { continue }
        let barY = y + Double(number_) * (bar + 1)
        let size = value > 0 ? max(1.5, width * value / top) : 0
        svg +=
          "<rect class=\"\(series[number_].style)\" x=\"\(number(left))\" y=\"\(number(barY))\" width=\"\(number(size))\" "
        svg += "height=\"\(number(bar))\"><title>\(HTMLPage.escaped(row.name)), \(series[number_].name): "
        svg += "\(number(value)) per 1000</title></rect>"
        let place = number(left + size + 5)
        let shown = value == 0 ? "0" : Display.decimal(value, digits: value < 10 ? 1 : 0)
        svg += "<text class=\"value\" x=\"\(place)\" y=\"\(number(barY + bar - 1.5))\">\(shown)</text>"
      }
    }
    svg += "<line class=\"base\" x1=\"\(number(left))\" x2=\"\(number(left))\" y1=\"0\" y2=\"\(number(height - 18))\"/>"
    return svg + "</svg>"
  }

  /// Requests by the idle gap at which they left, the failed ones in front.
  /// - Parameter close: when the server closes idle connections.
  static func gaps(_ gaps: [LabMeasurement.Gap], close: Nanoseconds?, label: String) -> String {
    guard let first = gaps.first, let last = gaps.last, let top = gaps.map(\.sent).max(), top > 0 else { return "" }
    let (width, height) = (320.0, 92.0)
    let step = width / Double(gaps.count)
    var svg = "<svg viewBox=\"0 0 \(Int(width)) 118\" role=\"img\" aria-label=\"\(HTMLPage.escaped(label))\">"
    for (index, gap) in gaps.enumerated() {
      let x = number(Double(index) * step + 0.5)
      let barWidth = number(max(1, step - 1))
      for (style, count) in [("sent", gap.sent), ("post", gap.failed)] where count > 0 {
        let size = Double(count) / Double(top) * (height - 6)
        svg +=
          "<rect class=\"\(style)\" x=\"\(x)\" y=\"\(number(height - size))\" width=\"\(barWidth)\" height=\"\(number(size))\">"
        svg += "<title>\(Display.duration(gap.from)) to \(Display.duration(gap.from + gap.width)): "
        svg += "\(gap.sent) sent, \(gap.failed) failed</title></rect>"
      }
    }
    let (start, end) = (first.from, last.from + last.width)
    if let close, close > start, close < end {
      let x = number(width * Double((close - start).count) / Double((end - start).count))
      svg += "<line class=\"close\" x1=\"\(x)\" x2=\"\(x)\" y1=\"2\" y2=\"\(number(height))\"/>"
    }
    svg += "<line class=\"base\" x1=\"0\" x2=\"\(Int(width))\" y1=\"\(number(height))\" y2=\"\(number(height))\"/>"
    svg += "<text x=\"0\" y=\"108\">\(Display.duration(start))</text>"
    svg += "<text x=\"\(Int(width))\" y=\"108\" text-anchor=\"end\">\(Display.duration(end))</text>"
    return svg + "</svg>"
  }

  /// From the median to the 99th percentile, on a logarithmic scale.
  static func latencies(
    _ rows: [(name: String, median: Nanoseconds, high: Nanoseconds)], label: String, highlighted: (String) -> Bool
  ) -> String {
    let marks: [Int64] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000]
    let shortest = rows.map(\.median.count).min() ?? 1
    let longest = rows.map(\.high.count).max() ?? 1
    let lowMark = marks.last { $0 * 1_000_000 <= shortest } ?? 1
    let highMark = marks.first { $0 * 1_000_000 >= longest } ?? 20_000
    let shown = marks.filter { $0 >= lowMark && $0 <= max(highMark, lowMark * 2) }
    let (left, width, step) = (160.0, 500.0, 20.0)
    let height = Double(rows.count) * step + 22
    func x(_ nanoseconds: Double) -> Double {
      let (low, high) = (logarithm(Double(shown[0])), logarithm(Double(shown[shown.count - 1])))
      return left + width * min(1, max(0, (logarithm(nanoseconds / 1e6) - low) / max(0.01, high - low)))
    }
    var svg = "<svg viewBox=\"0 0 720 \(Int(height))\" role=\"img\" aria-label=\"\(HTMLPage.escaped(label))\">"
    for mark in shown {
      let place = number(x(Double(mark) * 1e6))
      svg += "<line class=\"axis\" x1=\"\(place)\" x2=\"\(place)\" y1=\"0\" y2=\"\(number(height - 18))\"/>"
      svg += "<text x=\"\(place)\" y=\"\(number(height - 5))\" text-anchor=\"middle\">"
      svg += "\(mark < 1_000 ? "\(mark) ms" : "\(mark / 1_000) s")</text>"
    }
    for (index, row) in rows.enumerated() {
      let y = Double(index) * step + 10
      let style = highlighted(row.name) ? " class=\"strong\"" : ""
      svg +=
        "<text\(style) x=\"\(number(left - 8))\" y=\"\(number(y + 4))\" text-anchor=\"end\">\(HTMLPage.escaped(row.name))</text>"
      let (from, to) = (x(Double(row.median.count)), x(Double(row.high.count)))
      svg +=
        "<line class=\"span\" x1=\"\(number(from))\" x2=\"\(number(max(to, from + 1)))\" y1=\"\(number(y))\" y2=\"\(number(y))\"/>"
      svg += "<circle class=\"get\" cx=\"\(number(from))\" cy=\"\(number(y))\" r=\"4\"><title>"
      svg +=
        "\(HTMLPage.escaped(row.name)): median \(Display.duration(row.median)), 99 % \(Display.duration(row.high))</title></circle>"
      svg +=
        "<line class=\"tick\" x1=\"\(number(to))\" x2=\"\(number(to))\" y1=\"\(number(y - 5))\" y2=\"\(number(y + 5))\"/>"
    }
    return svg + "</svg>"
  }

  /// The binary logarithm, exact enough for a chart: the exponent and a straight line between powers of two would bend the scale,
  /// so the mantissa gets its series.
  private static func logarithm(_ value: Double) -> Double {
    guard value > 0 else { return 0 }
    // ln(m) = 2 artanh((m - 1) / (m + 1)) with the mantissa m in 1..<2.
    let ratio = (value.significand - 1) / (value.significand + 1)
    var term = ratio
    var sum = 0.0
    for power in stride(from: 1.0, through: 15, by: 2) {
      sum += term / power
      term *= ratio * ratio
    }
    return Double(value.exponent) + 2 * sum / 0.693147180559945
  }
}
