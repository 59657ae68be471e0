internal import Core

/// Python sources: gunicorn's configuration, `uvicorn.run()`, Hypercorn's `Config`, uWSGI's options in a dictionary.
enum PythonReader {
  static func isGunicornConfiguration(_ file: CheckedFile) -> Bool {
    let name = file.name
    if name.hasPrefix("gunicorn") && name.hasSuffix(".py") { return true }
    return name.hasSuffix(".py") && file.contains("worker_class")
      && (file.contains("keepalive") || file.contains("bind ="))
      && (name.contains("conf") || name.contains("wsgi"))
  }

  static func read(_ file: CheckedFile, _ context: CheckContext, into reading: inout CheckReading) {
    if isGunicornConfiguration(file) {
      var settings = GunicornSettings(place: file.place(at: 0), owner: file.path)
      settings.merge(configuration: file, context)
      settings.fill(context)
      settings.place = (settings.workerClass ?? settings.keepalive ?? settings.bind)?.place ?? settings.place
      reading.understood.insert(file.path)
      reading.gunicorns.append(settings)
      return
    }
    let mayHold =
      file.contains("uvicorn.run") || file.contains("uvicorn.Config") || file.contains("http-keepalive")
      || file.contains("keep_alive_timeout")
      || file.contains("\"gunicorn\"")
    guard mayHold else { return }
    let source = CodeSource(file, .python)
    for index in source.tokens.indices {
      if source.reads(index, "uvicorn", ".", "run", "(") || source.reads(index, "uvicorn", ".", "Config", "(") {
        uvicorn(source, index + 3, context, &reading)
      }
      if source.tokens[index].kind == .string, source.text(index) == "http-keepalive", source.isMark(index + 1, ":") {
        uwsgi(source, index, context, &reading)
      }
      if source.isWord(index, "keep_alive_timeout"), source.isMark(index + 1, "="), source.isMark(index - 1, "."),
        file.contains("hypercorn")
      {
        hypercorn(source, index, context, &reading)
      }
    }
  }

  private static func uvicorn(_ source: CodeSource, _ open: Int, _ context: CheckContext, _ reading: inout CheckReading)
  {
    let end = source.closing(open)
    func argument(_ name: String) -> Int? {
      (open..<min(end, source.tokens.count)).first { source.isWord($0, name) && source.isMark($0 + 1, "=") }.map {
        $0 + 2
      }
    }
    let version = context.version(of: .uvicorn, near: source.file.path)
    var idle = CheckTimer(assumed: .uvicorn, .clientIdle, version: version)
    if let index = argument("timeout_keep_alive") {
      let value = CodeValue(source.expression(from: index), in: source, context)
      idle = CheckTimer(seconds(value), "timeout_keep_alive", at: source.place(index - 2))
    }
    var server = CheckedServer(
      .uvicorn, version: version, at: source.place(open - 3), idle: idle, owner: source.file.path)
    let port = argument("port").flatMap { CodeValue(source.expression(from: $0), in: source, context).number }
    server.ports = [port.map { Int(max(0, min($0, 65_535))) } ?? 8_000]
    server.remedy = .line("timeout_keep_alive=$", unit: .seconds)
    reading.understood.insert(source.file.path)
    reading.servers.append(server)
  }

  private static func hypercorn(
    _ source: CodeSource, _ index: Int, _ context: CheckContext, _ reading: inout CheckReading
  ) {
    let value = CodeValue(source.expression(from: index + 2), in: source, context)
    var server = CheckedServer(
      .hypercorn, at: source.place(index),
      idle: CheckTimer(seconds(value), "keep_alive_timeout", at: source.place(index)),
      owner: source.file.path)
    server.ports = [8_000]
    server.remedy = .line("config.keep_alive_timeout = $", unit: .seconds)
    reading.understood.insert(source.file.path)
    reading.servers.append(server)
  }

  /// A dictionary with uWSGI's options.
  private static func uwsgi(_ source: CodeSource, _ key: Int, _ context: CheckContext, _ reading: inout CheckReading) {
    // Back to the brace around the key.
    var depth = 0
    var open = key - 1
    while open >= 0 {
      if source.isMark(open, "}") || source.isMark(open, ")") || source.isMark(open, "]") { depth += 1 }
      if source.isMark(open, "{") || source.isMark(open, "(") || source.isMark(open, "[") {
        if depth == 0 { break }
        depth -= 1
      }
      open -= 1
    }
    guard open >= 0 else { return }
    let end = source.closing(open)
    var options = UwsgiReader.Options(place: source.place(key))
    var index = open + 1
    while index < min(end, source.tokens.count) {
      if source.tokens[index].kind == .string, source.isMark(index + 1, ":") {
        let value = CodeValue(source.expression(from: index + 2), in: source, context)
        options.set(source.text(index), CheckWord(value.text ?? "?", at: source.place(index), isQuoted: true))
      }
      index += 1
    }
    options.hasHTTP = true
    // `"http": "%s:%s" % (HOST, PORT)`: the port is a constant of the file with a telling name.
    if options.socket.map({ CheckTarget($0.text).port == nil }) ?? true,
      let name = source.tokens.first(where: { $0.kind == .word && $0.indentation == 0 && $0.text.hasSuffix("PORT") }),
      let constant = source.constant(name.text), let port = CodeValue(constant, in: source, context).text
    {
      options.socket = CheckWord(":\(port)", at: options.place)
    }
    reading.understood.insert(source.file.path)
    UwsgiReader.add(options, owner: source.file.path, context, into: &reading)
  }

  /// Hypercorn's settings in TOML.
  static func read(hypercorn node: ConfigurationNode, _ file: CheckedFile, into reading: inout CheckReading) {
    var idle = CheckTimer(assumed: .hypercorn, .clientIdle)
    if let entry = node.entry("keep_alive_timeout"), let text = entry.value.scalar {
      idle = CheckTimer(
        DurationText.parse(text, unit: .seconds(1)).map { .time($0) } ?? .unknown, entry.key, at: entry.keyPlace)
    }
    var server = CheckedServer(.hypercorn, at: idle.place ?? file.place(at: 0), idle: idle, owner: file.path)
    let bind = node["bind"]?.scalar ?? node["bind"]?.items.first?.scalar
    server.ports = [bind.flatMap { CheckTarget($0).port } ?? 8_000]
    server.remedy = .line("keep_alive_timeout = $", unit: .seconds)
    reading.understood.insert(file.path)
    reading.servers.append(server)
  }

  static func seconds(_ value: CodeValue) -> TimerValue {
    guard let number = value.number else { return .unknown }
    return number <= 0 ? .none : .time(Nanoseconds(Int64(min(number, 1e9) * 1e9)))
  }
}
