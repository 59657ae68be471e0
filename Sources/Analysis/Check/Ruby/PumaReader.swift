internal import Core

/// Puma: its configuration in Ruby, and the commands that start it.
enum PumaReader {
  static func isConfiguration(_ file: CheckedFile) -> Bool {
    file.name == "puma.rb" || file.name.hasPrefix("puma.") && file.name.hasSuffix(".rb")
      || file.path.contains("/puma/") && file.name.hasSuffix(".rb")
  }

  /// Unicorn closes a connection after each response, whatever its configuration says; only where it listens matters.
  static func isUnicorn(_ file: CheckedFile) -> Bool {
    file.name == "unicorn.rb" || file.name.hasPrefix("unicorn.") && file.name.hasSuffix(".rb")
  }

  static func read(unicorn file: CheckedFile, _ context: CheckContext, into reading: inout CheckReading) {
    let source = CodeSource(file, .ruby)
    reading.understood.insert(file.path)
    // A command that starts it is the same server.
    guard !reading.servers.contains(where: { $0.software == .unicorn }) else { return }
    var server = CheckedServer(
      .unicorn, at: file.place(at: 0), idle: CheckTimer(assumed: .unicorn, .clientIdle), owner: file.path)
    var sockets: Set<String> = []
    for index in source.tokens.indices where source.isWord(index, "listen") && source.tokens[index].indentation != nil {
      guard source.tokens.indices.contains(index + 1) else { continue }
      let text = source.text(index + 1)
      if let port = Int(text) ?? CheckTarget(text).port { server.ports.insert(port) }
      if text.hasPrefix("/") { sockets.insert("unix:\(text)") }
    }
    server.names = sockets
    if server.ports.isEmpty, sockets.isEmpty { server.ports = [8_080] }
    reading.servers.append(server)
  }

  static func read(_ file: CheckedFile, _ context: CheckContext, into reading: inout CheckReading) {
    let source = CodeSource(file, .ruby)
    let version = context.version(of: .puma, near: file.path)
    reading.understood.insert(file.path)
    var idle = CheckTimer(assumed: .puma, .clientIdle, version: version)
    if let text = context.environment.text("PUMA_PERSISTENT_TIMEOUT"),
      let place = context.environment.place("PUMA_PERSISTENT_TIMEOUT"),
      let time = DurationText.parse(text, unit: .seconds(1))
    {
      idle = CheckTimer(.time(time), "PUMA_PERSISTENT_TIMEOUT", at: place)
    }
    if let index = call("persistent_timeout", source) {
      let seconds = number(behind: index, source, context)
      idle = CheckTimer(
        seconds.map { $0 <= 0 ? .none : .time(Nanoseconds(Int64(min($0, 1e9) * 1e9))) } ?? .unknown,
        "persistent_timeout", at: source.place(index))
    }
    var server = CheckedServer(
      .puma, version: version, at: call("persistent_timeout", source).map { source.place($0) } ?? file.place(at: 0),
      idle: idle, owner: file.path)
    if let index = call("port", source), let port = number(behind: index, source, context), (1...65_535).contains(port)
    {
      server.ports = [Int(port)]
    }
    server.remedy = .line("persistent_timeout $", unit: .seconds)
    reading.servers.append(server)
  }

  private static func call(_ name: String, _ source: CodeSource) -> Int? {
    source.tokens.indices.last { source.isWord($0, name) && source.tokens[$0].indentation != nil }
  }

  /// `75`, `ENV.fetch("X", 75)`, `ENV.fetch("X") { 75 }`, `Integer(ENV["X"] || 75)`: a variable that is known, else the last number of the line.
  private static func number(behind index: Int, _ source: CodeSource, _ context: CheckContext) -> Double? {
    var last: Double?
    var at = index + 1
    while at < source.tokens.count, source.tokens[at].indentation == nil, at < index + 24 {
      let token = source.tokens[at]
      if token.kind == .string, let text = context.environment.text(token.text),
        let value = context.environment.expand(text), let number = Double(value)
      {
        return number
      }
      if token.kind == .number || token.kind == .string, let number = Double(token.text.replacing("_", with: "")) {
        last = number
      }
      at += 1
    }
    return last
  }

  /// Commands without a configuration of their own.
  static func finish(_ reading: inout CheckReading, _ context: CheckContext) {
    guard !reading.servers.contains(where: { $0.software == .puma }) else { return }
    for (command, owner) in reading.pumaCommands {
      let version = context.version(of: .puma, near: command.place.file)
      var server = CheckedServer(
        .puma, version: version, title: command.program == .rails ? "Puma (rails server)" : "Puma", at: command.place,
        idle: CheckTimer(assumed: .puma, .clientIdle, version: version), owner: owner)
      server.ports = CommandServers.ports(
        command.value("-p", "--port"), context, fallback: command.program == .rails ? 3_000 : 9_292)
      server.remedy = .line("persistent_timeout $ in config/puma.rb", unit: .seconds)
      reading.servers.append(server)
    }
  }
}
