internal import Core

/// uWSGI's options, wherever they are written: flags, ini, YAML, a dictionary in Python.
enum UwsgiReader {
  struct Options {
    var place: CheckPlace
    var httpKeepalive: CheckWord?
    var http11: CheckWord?
    var socket: CheckWord?
    var soKeepalive: CheckWord?
    var hasHTTP = false

    mutating func set(_ name: String, _ word: CheckWord) {
      switch name.replacing("_", with: "-") {
      case "http-keepalive": httpKeepalive = word
      case "http11-socket":
        http11 = word
        socket = socket ?? word
      case "http", "http-socket", "https", "http-host", "https-socket":
        socket = word
        hasHTTP = true
      case "so-keepalive": soKeepalive = word
      case "add-header", "route-run": break
      default: break
      }
    }
  }

  static func read(_ command: ServerCommand, owner: String, _ context: CheckContext, into reading: inout CheckReading) {
    var options = Options(place: command.place)
    for name in ["http-keepalive", "http11-socket", "http", "http-socket", "so-keepalive"] {
      if let word = command.value("--" + name) { options.set(name, word) }
    }
    add(options, owner: owner, context, into: &reading)
  }

  static func read(ini file: CheckedFile, _ context: CheckContext, into reading: inout CheckReading) {
    var options: Options?
    for entry in IniReader.entries(file) where entry.section == "uwsgi" || entry.section.isEmpty {
      if options == nil { options = Options(place: entry.place) }
      options?.set(entry.key, CheckWord(entry.value, at: entry.place))
    }
    guard let options else { return }
    reading.understood.insert(file.path)
    add(options, owner: file.path, context, into: &reading)
  }

  /// The map `uwsgi` of a YAML file.
  static func read(
    _ node: ConfigurationNode, _ file: CheckedFile, _ context: CheckContext, into reading: inout CheckReading
  ) {
    var options = Options(place: node.place)
    for entry in node.entries { options.set(entry.key, CheckWord(entry.value.scalar ?? "", at: entry.keyPlace)) }
    reading.understood.insert(file.path)
    add(options, owner: file.path, context, into: &reading)
  }

  static func add(_ options: Options, owner: String, _ context: CheckContext, into reading: inout CheckReading) {
    // Without an HTTP socket it speaks the uwsgi protocol, in which nothing is kept.
    guard options.hasHTTP || options.http11 != nil || options.httpKeepalive != nil else { return }
    let version = context.version(of: .uwsgi, near: options.place.file)
    var idle = CheckTimer(assumed: .uwsgi, .clientIdle, version: version)
    if let word = options.httpKeepalive {
      idle = CommandServers.timer(word, unit: .seconds(1), "http-keepalive", context)
      if ["true", "True", "1"].contains(word.text) { idle.value = .unknown }
    } else if let word = options.http11 {
      idle = CheckTimer(.unknown, "http11-socket", at: word.place)
    }
    var server = CheckedServer(.uwsgi, version: version, at: options.place, idle: idle, owner: owner)
    server.ports = options.socket.map { CommandServers.ports($0, context, fallback: nil) } ?? []
    server.remedy = .line(
      options.httpKeepalive.map { $0.isQuoted ? "\"http-keepalive\": $" : "http-keepalive = $" }
        ?? "http-keepalive = $", unit: .seconds)
    reading.servers.append(server)
    if let word = options.soKeepalive, options.httpKeepalive == nil, options.http11 == nil,
      !["false", "0", "False"].contains(word.text)
    {
      reading.findings.append(
        CheckFinding(
          .notAnIdleTimeout, .note, .proved, at: word.place,
          "`so-keepalive` sends TCP probes; it does not make uWSGI keep HTTP connections. That is `http-keepalive`."))
    }
  }
}
