internal import Core

/// Kestrel's limits, in `appsettings.json` and in C#.
enum KestrelReader {
  static func read(_ node: ConfigurationNode, _ file: CheckedFile, into reading: inout CheckReading) {
    guard let kestrel = node.loose(["Kestrel"]) else { return }
    reading.understood.insert(file.path)
    var idle = CheckTimer(assumed: .kestrel, .clientIdle)
    if let entry = kestrel.value.loose(["Limits", "KeepAliveTimeout"]), let text = entry.value.scalar {
      idle = CheckTimer(
        DurationText.parseSpan(text).map { .time($0) } ?? .unknown, "KeepAliveTimeout", at: entry.keyPlace)
    }
    var server = CheckedServer(.kestrel, at: idle.place ?? kestrel.keyPlace, idle: idle, owner: file.path)
    for entry in kestrel.value.loose(["Endpoints"])?.value.entries ?? [] {
      if let port = entry.value.loose(["Url"])?.value.scalar.flatMap({ CheckTarget($0).port }) {
        server.ports.insert(port)
      }
    }
    server.remedy = .line("\"KeepAliveTimeout\": \"00:00:$\"", unit: .seconds)
    reading.servers.append(server)
  }

  /// `options.Limits.KeepAliveTimeout = TimeSpan.FromMinutes(2);`
  static func read(source file: CheckedFile, _ context: CheckContext, into reading: inout CheckReading) {
    let source = CodeSource(file, .cSharp)
    let setting = source.tokens.indices.last {
      source.isWord($0, "KeepAliveTimeout") && source.isMark($0 + 1, "=")
        && (source.text($0 - 2) == "Limits" || source.isMark($0 - 1, "{") || source.isMark($0 - 1, ","))
    }
    let start = source.tokens.indices.first { index in
      source.reads(index, "WebApplication", ".", "CreateBuilder")
        || source.reads(index, "WebApplication", ".", "Create")
        || source.isWord(index, "UseKestrel") || source.isWord(index, "ConfigureKestrel")
    }
    guard let place = setting ?? start else { return }
    // `ClientWebSocket.Options.KeepAliveTimeout` and its like stand in files that start no server.
    guard start != nil || setting.map({ source.text($0 - 2) == "Limits" }) ?? false else { return }
    reading.understood.insert(file.path)
    var idle = CheckTimer(assumed: .kestrel, .clientIdle)
    if let setting {
      idle = CheckTimer(
        span(source, setting + 2, context).map { .time($0) } ?? .unknown, "KeepAliveTimeout", at: source.place(setting))
    }
    var server = CheckedServer(.kestrel, at: source.place(place), idle: idle, owner: file.path)
    server.remedy = .line("options.Limits.KeepAliveTimeout = TimeSpan.FromSeconds($);", unit: .seconds)
    reading.servers.append(server)
  }

  /// `TimeSpan.FromSeconds(75)`, `new TimeSpan(0, 2, 0)`, `TimeSpan.Parse("00:02:00")`.
  private static func span(_ source: CodeSource, _ index: Int, _ context: CheckContext) -> Nanoseconds? {
    func number(_ at: Int) -> Double? { CodeValue(source.expression(from: at), in: source, context).number }
    if source.reads(index, "TimeSpan", "."), source.isMark(index + 3, "(") {
      let units: [String: Double] = [
        "FromMilliseconds": 1e6, "FromSeconds": 1e9, "FromMinutes": 60e9, "FromHours": 3_600e9, "FromDays": 86_400e9,
      ]
      if let unit = units[source.text(index + 2)], let count = number(index + 4), count >= 0, count * unit < 9e18 {
        return Nanoseconds(Int64(count * unit))
      }
      return source.text(index + 2) == "Parse" ? DurationText.parseSpan(source.text(index + 4)) : nil
    }
    guard source.reads(index, "new", "TimeSpan", "(") else { return nil }
    var parts: [Double] = []
    var at = index + 3
    while parts.count < 4, let part = number(at) {
      parts.append(part)
      at += source.expression(from: at).count
      guard source.isMark(at, ",") else { break }
      at += 1
    }
    let total: Double? =
      switch parts.count {
      case 3: (parts[0] * 60 + parts[1]) * 60 + parts[2]
      case 4: ((parts[0] * 24 + parts[1]) * 60 + parts[2]) * 60 + parts[3]
      default: nil
      }
    return total.flatMap { $0 >= 0 && $0 < 1e9 ? Nanoseconds(Int64($0 * 1e9)) : nil }
  }
}
