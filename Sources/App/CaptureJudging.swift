import Analysis
import Core
import Host

/// Reads capture files one after the other and judges them.
struct CaptureJudging {
  /// No file could be read at all.
  struct Unreadable: Error {
    var description: String
  }

  private var filter: CaptureFilter
  private var isLossless: Bool
  private var showsProgress: Bool

  init(filter: CaptureFilter, isLossless: Bool, showsProgress: Bool) {
    self.filter = filter
    self.isLossless = isLossless
    self.showsProgress = showsProgress
  }

  /// Files that follow each other in time are one trace; those that overlap, or hold the same packets, were taken at different
  /// places.
  mutating func run(_ paths: [String]) throws -> CaptureReport {
    var notes: [CaptureReport.FileNote] = []
    var report: CaptureReport?
    for (trace, group) in groups(paths).enumerated() {
      var analyser = CaptureAnalyser(trace: trace, filter: filter)
      analyser.captureIsComplete = isLossless
      for path in group { notes.append(read(path, into: &analyser)) }
      let part = analyser.finish()
      report = report.map { $0.joined(with: part) } ?? part
    }
    guard var report, notes.contains(where: { $0.frames > 0 || $0.problem == nil }) else {
      throw Unreadable(
        description: notes.map { note in
          let problem = note.problem ?? "nothing in it"
          return problem.hasPrefix(note.name) ? problem : "\(note.name): \(problem)"
        }.joined(separator: "\n"))
    }
    report.files = notes
    return report
  }

  private func read(_ path: String, into analyser: inout CaptureAnalyser) -> CaptureReport.FileNote {
    var reader = CaptureReader()
    var problem: String?
    do {
      var file = try CaptureFile(path: path)
      let meter = showsProgress ? ProgressMeter(name: file.name, size: file.size) : nil
      while try file.next({ (bytes) throws(CaptureError) in try reader.feed(bytes, into: &analyser) }) {
        meter?.show(file.bytesRead)
      }
      meter?.clear()
      try reader.finish(into: &analyser)
    } catch {
      problem = "\(error)"
    }
    let statistics = reader.statistics
    let frames = reader.frames
    if statistics.packetsDropped == 0 { analyser.captureIsComplete = true }
    analyser.fileEnded(frames: frames)
    return CaptureReport.FileNote(
      name: path == "-" ? "standard input" : path, frames: frames, problem: problem, dropped: statistics.packetsDropped)
  }

  /// What a file holds, in little; reads it whole.
  private static func sketch(_ path: String) -> TrafficSketch {
    var sketch = TrafficSketch()
    var reader = CaptureReader()
    do {
      var file = try CaptureFile(path: path)
      while try file.next({ (bytes) throws(CaptureError) in try reader.feed(bytes, into: &sketch) }) {}
    } catch {
      // What is wrong with it is told when it is read for judging.
    }
    return sketch
  }

  /// Groups of files, each in order of time.
  private func groups(_ paths: [String]) -> [[String]] {
    guard paths.count > 1 else { return [paths] }
    var spans: [(path: String, first: Instant, last: Instant, sketch: TrafficSketch)] = []
    var others: [String] = []
    for path in paths {
      let sketch = path == "-" ? TrafficSketch() : CaptureJudging.sketch(path)
      if let first = sketch.first, let last = sketch.last {
        spans.append((path, first, last, sketch))
      } else {
        others.append(path)
      }
    }
    spans.sort { ($0.first, $0.path) < ($1.first, $1.path) }
    var groups: [(last: Instant, paths: [String], sketches: [TrafficSketch])] = []
    for span in spans {
      // Rotated files may overlap by the packets of one moment. Files that hold the same packets were taken at several places,
      // even where a clock that is wrong makes them follow each other.
      let index = groups.firstIndex { group in
        group.last.nanoseconds - 1_000_000 <= span.first.nanoseconds
          && !group.sketches.contains { $0.holdsSame(as: span.sketch) }
      }
      if let index {
        groups[index].paths.append(span.path)
        groups[index].sketches.append(span.sketch)
        groups[index].last = span.last
      } else {
        groups.append((span.last, [span.path], [span.sketch]))
      }
    }
    return groups.map(\.paths) + others.map { [$0] }
  }
}

/// Shows on a terminal how far a file was read.
private struct ProgressMeter {
  private static let step: Int64 = 64 << 20
  let name: String
  let size: Int64?

  func show(_ bytes: Int64) {
    guard bytes % ProgressMeter.step < 1 << 20 else { return }
    let megabytes = bytes >> 20
    if let size, size > 0 {
      Terminal.progress("\(name): \(bytes * 100 / size) % of \(size >> 20) MiB")
    } else {
      Terminal.progress("\(name): \(megabytes) MiB")
    }
  }

  func clear() { Terminal.progress("") }
}
