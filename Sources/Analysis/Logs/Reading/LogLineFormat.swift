import Core

/// A layout that the user names with the software's own words: nginx's `log_format`, HAProxy's `log-format`, Envoy's command
/// operators, Apache's `LogFormat`. A line is matched piece by piece, so that no column has a fixed place.
package struct LogLineFormat: Sendable, Equatable {
  package enum Software: String, Sendable, CaseIterable {
    case nginx, haproxy, envoy, apache
  }

  /// What a piece of a line is. The units are those of the software.
  enum Field: Sendable, Hashable {
    case ignored
    case time, timeMilliseconds, timeUnix
    case client, request, method, target, status, identifier
    case seconds, milliseconds, microseconds
    /// nginx's variables, by their name.
    case nginx(String)
    case flags, details, server, backend, timers
    case connect, response, total, retries, reused, connections
    case attempts
  }

  enum Piece: Sendable, Hashable {
    case text([UInt8])
    case field(Field)
  }

  package struct Problem: Error, CustomStringConvertible, Sendable {
    package var description: String
  }

  let software: Software
  let pieces: [Piece]

  /// - Parameters:
  ///   - text: the format, or the line of the configuration that holds it (`log_format main '...' '...';`,
  ///     `LogFormat "..." combined`, `log-format "..."`).
  package init(_ text: String) throws(Problem) {
    let (software, format) = LogFormatText.read(text)
    guard let software else {
      throw Problem(
        description:
          "this is no log format that is known: nginx's has $variables, HAProxy's %ci or %[...], Envoy's %RESPONSE_CODE%, Apache's %h or %{...}i"
      )
    }
    self = try LogLineFormat(software, format)
  }

  /// - Parameter format: without what stands around it in a configuration.
  init(_ software: Software, _ format: String) throws(Problem) {
    self.software = software
    let pieces = LogFormatText.pieces(software, format)
    let fields = pieces.filter { if case .field = $0 { true } else { false } }
    let tellsStatus = fields.contains { [.field(.status), .field(.flags)].contains($0) }
    guard tellsStatus else {
      throw Problem(description: "the format has no status, so that no failure can be seen in it")
    }
    self.pieces = pieces
  }

  func record(_ bytes: RawSpan, _ line: ByteRange) -> LogRecord? {
    guard let values = matched(bytes, line) else { return nil }
    switch software {
    case .nginx: return nginx(bytes, values)
    case .haproxy: return haproxy(bytes, values)
    case .envoy: return envoy(bytes, values)
    case .apache: return apache(bytes, values)
    }
  }

  // MARK: - Matching

  private func matched(_ bytes: RawSpan, _ line: ByteRange) -> [(Field, ByteRange)]? {
    var values: [(Field, ByteRange)] = []
    var at = line.start
    for (index, piece) in pieces.enumerated() {
      switch piece {
      case .text(let text):
        guard starts(bytes, text, at: at, to: line.end) else { return nil }
        at += text.count
      case .field(let field):
        var end = line.end
        if index + 1 < pieces.count, case .text(let next) = pieces[index + 1] {
          guard let place = find(bytes, next, from: at, to: line.end, isList: isList(field)) else { return nil }
          end = place
        }
        values.append((field, ByteRange(from: at, to: end)))
        at = end
      }
    }
    return at == line.end ? values : nil
  }

  /// nginx's lists hold blanks of their own: behind a comma, and around a colon.
  private func isList(_ field: Field) -> Bool {
    if case .nginx(let name) = field { name.hasPrefix("upstream_") } else { false }
  }

  private func starts(_ bytes: RawSpan, _ text: [UInt8], at offset: Int, to end: Int) -> Bool {
    guard offset + text.count <= end else { return false }
    for index in text.indices where bytes.byte(at: offset + index) != text[index] { return false }
    return true
  }

  private func find(_ bytes: RawSpan, _ text: [UInt8], from start: Int, to end: Int, isList: Bool) -> Int? {
    var offset = start
    while let place = bytes.index(of: text[0], from: offset, to: end) {
      offset = place + 1
      guard starts(bytes, text, at: place, to: end) else { continue }
      if text[0] == UInt8(ascii: "\""), place > start, bytes.byte(at: place - 1) == UInt8(ascii: "\\") { continue }
      if isList, text[0] == 0x20 {
        if place > start, bytes.byte(at: place - 1) == UInt8(ascii: ",") { continue }
        if bytes.spells(" : ", at: place, to: end) {
          offset = place + 3
          continue
        }
      }
      return place
    }
    return nil
  }

  // MARK: - Meaning

  private func common(_ bytes: RawSpan, _ values: [(Field, ByteRange)], _ record: inout LogRecord) {
    for (field, range) in values {
      switch field {
      case .time:
        guard let reading = LogTime.any(bytes, range) else { continue }
        (record.time, record.grain) = (reading.nanoseconds, reading.grain)
      case .timeUnix:
        guard let reading = LogTime.unix(bytes, range) else { continue }
        (record.time, record.grain) = (reading.nanoseconds, reading.grain)
      case .timeMilliseconds:
        guard let value = bytes.decimal(range, exponent: 6) else { continue }
        (record.time, record.grain) = (value, 1_000_000)
      case .client: record.client = range
      case .request: RequestLine.read(bytes, range, into: &record)
      case .method: record.method = range
      case .target: record.target = RequestLine.path(bytes, range)
      case .status: record.status = bytes.number(range) ?? -1
      case .identifier: record.identifier = range
      case .seconds: record.duration = bytes.decimal(range, exponent: 9) ?? record.duration
      case .milliseconds: record.duration = bytes.decimal(range, exponent: 6) ?? record.duration
      case .microseconds: record.duration = bytes.decimal(range, exponent: 3) ?? record.duration
      case .ignored, .nginx, .flags, .details, .server, .backend, .timers, .connect, .response, .total, .retries,
        .reused, .connections, .attempts:
        continue
      }
    }
  }

  private func nginx(_ bytes: RawSpan, _ values: [(Field, ByteRange)]) -> LogRecord {
    var record = LogRecord(.nginxAccess)
    common(bytes, values, &record)
    record.joinsByRequest = true
    var upstream = CommonLines.Upstream()
    var hasUpstream = false
    for case (.nginx(let name), let range) in values {
      hasUpstream = hasUpstream || name.hasPrefix("upstream_")
      NginxFields.take(name, bytes, range, &upstream)
    }
    if hasUpstream { NginxAttempts.judge(bytes, upstream, &record) } else { CommonLines.plain(&record) }
    record.source = .nginxAccess
    return record
  }

  private func haproxy(_ bytes: RawSpan, _ values: [(Field, ByteRange)]) -> LogRecord {
    var record = LogRecord(.haproxy)
    record.timeIsStart = true
    common(bytes, values, &record)
    var fields = HAProxyLines.Fields()
    var backend = ByteRange.empty
    for (field, range) in values {
      switch field {
      case .flags: fields.flags = range
      case .server: fields.server = range
      case .backend: backend = range
      case .connect: fields.connect = range
      case .response: fields.response = range
      case .total: fields.total = range
      case .retries: fields.retries = range
      case .reused: fields.reused = range
      default: continue
      }
    }
    if fields.server.isEmpty { fields.server = backend }
    HAProxyLines.judge(bytes, fields, &record)
    return record
  }

  private func envoy(_ bytes: RawSpan, _ values: [(Field, ByteRange)]) -> LogRecord {
    var record = LogRecord(.envoy)
    record.timeIsStart = true
    common(bytes, values, &record)
    var flags = ByteRange.empty
    var details = ByteRange.empty
    var attempts = 1
    for (field, range) in values {
      switch field {
      case .flags: flags = range
      case .details: details = range
      case .server: if !bytes.isAbsent(range) { record.server = range }
      case .attempts: attempts = bytes.number(range) ?? 1
      default: continue
      }
    }
    EnvoyLines.judge(bytes, flags: flags, details: details, attempts: attempts, &record)
    return record
  }

  private func apache(_ bytes: RawSpan, _ values: [(Field, ByteRange)]) -> LogRecord {
    var record = LogRecord(.apacheAccess)
    record.timeIsStart = true
    common(bytes, values, &record)
    for case (.server, let range) in values where !bytes.isAbsent(range) {
      record.server = ErrorLines.authority(bytes, range)
    }
    record.joinsByRequest = true
    CommonLines.plain(&record)
    record.source = .apacheAccess
    return record
  }
}
