package import Core

extension LogReport {
  /// One failure as every output shows it.
  package struct Row: Sendable {
    package var time: String?
    package var kind: String
    package var confidence: String
    package var reason: String
    package var method: String
    package var target: String
    package var server: String?
    package var status: Int?
    package var duration: Nanoseconds?
    package var gap: Nanoseconds?
    package var word: String
    package var identifier: String
    package var source: String
    package var file: String
    package var line: Int64
  }

  package func row(_ failure: LogFailure) -> Row {
    let texts = tally.text(failure)
    let file = Int(failure.file)
    // What an ALB writes beside an attempt of unknown length is not the length of the request.
    let span = failure.attemptDuration >= 0 || failure.source == .alb ? failure.attemptDuration : failure.duration
    let age = failure.idleAge >= 0 ? failure.idleAge : failure.gap
    return Row(
      time: failure.hasTime ? Display.dateAndTime(Instant(nanoseconds: failure.time)) : nil,
      kind: failure.kind?.rawValue ?? "unexplained", confidence: failure.kind == nil ? "" : failure.confidence.rawValue,
      reason: failure.kind == nil ? "the line does not say what failed" : failure.reason.text, method: texts.method,
      target: texts.target, server: tally.serverName(failure), status: failure.status >= 0 ? Int(failure.status) : nil,
      duration: span >= 0 ? Nanoseconds(span) : nil, gap: age >= 0 ? Nanoseconds(age) : nil, word: texts.word,
      identifier: texts.identifier, source: failure.source.rawValue,
      file: file < files.count ? Display.printable(files[file].name.utf8) : "", line: failure.line)
  }
}
