import Core

/// A ladder as a picture that a phone can show: the two ends at its edges, a segment a row, its words above its arrow.
///
/// Each row lies where the segment was sent or received, whichever the capture saw; where two segments passed each other on the
/// way their arrows cross.
struct LadderDrawing {
  /// Segments in front of the request that are shown with it.
  private static let before = 4
  private static let (width, left, right) = (360, 14, 346)
  private static let (row, top) = (36, 40)
  /// How far an arrow falls that crosses no other.
  private static let fall = 5

  private let ladder: Ladder
  /// Rows of the folded part, and of the other.
  let earlier: Range<Int>
  let shown: Range<Int>

  init(_ ladder: Ladder) {
    self.ladder = ladder
    let rows = ladder.rows
    // What passed the request on its way belongs to it, whichever of both the capture has first.
    let request = rows.firstIndex(where: \.isRequest) ?? rows.count - 1
    let start = max(0, request - LadderDrawing.before)
    // Two rows are not worth a fold.
    let isFolded = start > 2
    earlier = isFolded ? 0..<start : 0..<0
    shown = isFolded ? start..<rows.count : 0..<rows.count
  }

  /// Segments of the folded part, those that were not kept included.
  var earlierCount: Int { earlier.count + ladder.finding.ladderOmitted }

  func svg(_ part: Range<Int>) -> String {
    let rows = ladder.rows
    let (width, left, right, top) = (
      LadderDrawing.width, LadderDrawing.left, LadderDrawing.right, LadderDrawing.top
    )
    let height = top + part.count * LadderDrawing.row + 14
    let finding = ladder.finding
    var svg = "<svg class=\"ladder\" viewBox=\"0 0 \(width) \(height)\" role=\"img\" "
    svg += "aria-label=\"packets between client and server\">"
    svg += "<text class=\"end\" x=\"0\" y=\"10\">client \(finding.client)</text>"
    svg += "<text class=\"end\" x=\"\(width)\" y=\"22\" text-anchor=\"end\">server \(finding.server)</text>"
    if let first = part.first(where: { rows[$0].differs }) {
      let last = part.last(where: { rows[$0].differs }) ?? first
      svg += "<rect class=\"band\" x=\"\(left)\" y=\"\(y(first, part) - 18)\" width=\"\(right - left)\" "
      svg += "height=\"\((last - first + 1) * LadderDrawing.row)\"/>"
    }
    for x in [left, right] {
      svg += "<line class=\"life\" x1=\"\(x)\" x2=\"\(x)\" y1=\"28\" y2=\"\(height - 4)\"/>"
    }
    let crossings = self.crossings(part)
    let origin = rows.first(where: \.isRequest)?.step.time ?? finding.time
    var states = (client: "", server: "")
    for index in part {
      svg += arrow(index, part, crossing: crossings[index], origin: origin)
      let row = rows[index]
      let y = y(index, part) + 12
      // A state is told when it changes.
      if row.client != states.client {
        svg += "<text class=\"state\" x=\"\(left + 4)\" y=\"\(y)\">\(row.client)</text>"
      }
      if row.server != states.server {
        svg += "<text class=\"state\" x=\"\(right - 4)\" y=\"\(y)\" text-anchor=\"end\">\(row.server)</text>"
      }
      states = (row.client, row.server)
    }
    return svg + "</svg>\n"
  }

  private func y(_ index: Int, _ part: Range<Int>) -> Int {
    LadderDrawing.top + (index - part.lowerBound) * LadderDrawing.row + 12
  }

  /// Two segments of different ends that passed each other: neither acknowledges the other. Gives for each such row the one that
  /// it crosses.
  func crossings(_ part: Range<Int>) -> [Int: Int] {
    let rows = ladder.rows
    var found: [Int: Int] = [:]
    for index in part where found[index] == nil {
      let reach = (index + 1)..<min(index + 4, part.upperBound)
      guard let other = reach.first(where: { rows[$0].step.side != rows[index].step.side }), found[other] == nil,
        LadderDrawing.passed(rows[index].step, rows[other].step)
      else { continue }
      (found[index], found[other]) = (other, index)
    }
    return found
  }

  static func passed(_ one: LadderStep, _ other: LadderStep) -> Bool {
    func length(_ step: LadderStep) -> Int64 {
      Int64(step.count) + (step.flags.contains(.fin) || step.flags.contains(.syn) ? 1 : 0)
    }
    func isUnseen(_ step: LadderStep, by other: LadderStep) -> Bool {
      guard !other.flags.contains(.rst), let acknowledged = other.acknowledges else { return false }
      return acknowledged <= step.offset
    }
    guard length(one) > 0, length(other) > 0, one.nature == .plain, other.nature == .plain else { return false }
    return isUnseen(one, by: other) && isUnseen(other, by: one)
  }

  private func arrow(_ index: Int, _ part: Range<Int>, crossing: Int?, origin: Instant) -> String {
    let row = ladder.rows[index]
    let isClient = row.step.side == .client
    let tone =
      row.isRequest
      ? "request" : row.step.flags.contains(.rst) ? "bad" : row.step.flags.contains(.fin) ? "fin" : "plain"
    let (left, right) = (LadderDrawing.left, LadderDrawing.right)
    let own = y(index, part)
    var (start, end) = (own, own)
    if let crossing {
      // The first of two was sent where the capture was taken, the second was received there.
      let span = abs(crossing - index) * LadderDrawing.row / 2 + 9
      if index < crossing { end = own + span } else { start = own - span }
    } else if ladder.finding.vantage == .serverSide ? isClient : !isClient {
      start = own - LadderDrawing.fall
    } else {
      end = own + LadderDrawing.fall
    }
    let (from, to) = isClient ? (left, right) : (right, left)
    let back = isClient ? to - 8 : to + 8
    // The point of the arrow lies on its line.
    let slope = (end - start) * 8 / (right - left)
    var svg = "<g class=\"\(tone)\"><line x1=\"\(from)\" x2=\"\(back)\" y1=\"\(start)\" y2=\"\(end - slope)\"/>"
    svg += "<polygon points=\"\(to),\(end) \(back),\(end - slope - 4) \(back),\(end - slope + 4)\"/>"
    let middle = (left + right) / 2
    // Where arrows cross, in the middle, no words would be readable: they stand at the end that the capture saw.
    let isCrossing = crossing != nil
    let isFirst = crossing.map { index < $0 } ?? true
    let near = isFirst ? from : to
    let x = isCrossing ? (near == left ? left + 12 : right - 12) : middle
    let anchor = isCrossing ? (near == left ? "start" : "end") : "middle"
    let labelY = isCrossing ? (isFirst ? own - 5 : own + 11) : min(start, end) - 3
    svg += "<text class=\"label\" x=\"\(x)\" y=\"\(labelY)\" text-anchor=\"\(anchor)\">"
    svg += "\(HTMLPage.escaped(row.label))</text></g>"
    let span = row.step.time.since(origin)
    let dimY = isCrossing ? (isFirst ? own - 15 : own + 21) : max(start, end) + 10
    svg += "<text class=\"dim\" x=\"\(x)\" y=\"\(dimY)\" text-anchor=\"\(anchor)\">frame \(row.step.frame), "
    svg += "\(span.count >= 0 ? "+" : "")\(Display.duration(span))</text>"
    return svg
  }
}
