internal import Core

/// From commands to servers.
enum CommandServers {
  /// - Parameter owner: the process that the command starts: a service of Compose, or the script's path.
  static func read(_ command: ServerCommand, owner: String, _ context: CheckContext, into reading: inout CheckReading) {
    reading.understood.insert(command.place.file)
    switch command.program {
    case .gunicorn:
      let configuration = command.value("-c", "--config").flatMap { word in
        context.file(
          endingWith: word.text.hasPrefix("file:") ? String(word.text.dropFirst(5)) : word.text,
          near: command.place.file)
      }
      var settings = GunicornSettings(place: command.place, owner: owner)
      if let configuration { settings.merge(configuration: configuration, context) }
      settings.merge(command)
      settings.fill(context)
      reading.gunicorns.append(settings)
    case .uvicorn:
      simple(
        .uvicorn, command.value("--timeout-keep-alive"), "--timeout-keep-alive", command, owner, context,
        into: &reading,
        ports: ports(command.value("--port"), context, fallback: 8_000))
    case .hypercorn:
      // A file that it names has the timer, and is read on its own.
      let configuration = command.value("-c", "--config").flatMap { word in
        context.file(
          endingWith: word.text.hasPrefix("file:") || word.text.hasPrefix("python:")
            ? String(word.text.drop { $0 != ":" }.dropFirst()) : word.text, near: command.place.file)
      }
      if configuration?.name.contains("hypercorn") ?? false, !command.has("--keep-alive") { return }
      simple(
        .hypercorn, command.value("--keep-alive"), "--keep-alive", command, owner, context, into: &reading,
        ports: ports(command.value("-b", "--bind"), context, fallback: 8_000))
    case .uwsgi: UwsgiReader.read(command, owner: owner, context, into: &reading)
    case .puma, .rails:
      // config/puma.rb is read on its own, and has the timer; flags have none.
      reading.pumaCommands.append((command, owner))
    case .unicorn:
      var server = CheckedServer(
        .unicorn, at: command.place, idle: CheckTimer(assumed: .unicorn, .clientIdle), owner: owner)
      server.ports = ports(command.value("-p", "--port"), context, fallback: 8_080)
      reading.servers.append(server)
    case .next:
      var timer = CheckTimer(assumed: .node, .clientIdle, version: context.version(of: .node, near: command.place.file))
      if let word = command.value("--keepAliveTimeout") {
        timer = self.timer(word, unit: .milliseconds(1), "--keepAliveTimeout", context)
      }
      var server = CheckedServer(.node, title: "Next.js", at: command.place, idle: timer, owner: owner)
      server.ports = ports(command.value("-p", "--port"), context, fallback: 3_000)
      server.remedy = .line("--keepAliveTimeout $", unit: .milliseconds)
      reading.servers.append(server)
    case .pumactl: break
    }
  }

  private static func simple(
    _ software: Software, _ word: CheckWord?, _ flag: String, _ command: ServerCommand, _ owner: String,
    _ context: CheckContext,
    into reading: inout CheckReading, ports: Set<Int>
  ) {
    let version = context.version(of: software, near: command.place.file)
    let timer =
      word.map { self.timer($0, unit: .seconds(1), flag, context) }
      ?? CheckTimer(assumed: software, .clientIdle, version: version)
    var server = CheckedServer(software, version: version, at: command.place, idle: timer, owner: owner)
    server.ports = ports
    server.remedy = .line("\(flag) $", unit: .seconds)
    server.knowsAFront = command.has("--proxy-headers")
    reading.servers.append(server)
  }

  /// A value with variables; unknown where one of them has none.
  static func timer(_ word: CheckWord, unit: Nanoseconds, _ setting: String, _ context: CheckContext) -> CheckTimer {
    let time = context.environment.expand(word.text).flatMap { DurationText.parse($0, unit: unit) }
    return CheckTimer(
      time.map { $0 == .zero ? .none : .time($0) } ?? .unknown, setting, at: word.place, written: word.text)
  }

  static func ports(_ word: CheckWord?, _ context: CheckContext, fallback: Int?) -> Set<Int> {
    guard let word else { return fallback.map { [$0] } ?? [] }
    let text = context.environment.expand(word.text) ?? word.text
    if let port = Int(text) { return [port] }
    return CheckTarget(text).port.map { [$0] } ?? []
  }
}
