internal import Core

/// Go's `http.Server`, and frameworks that stand on it.
struct GoReader {
  private let source: CodeSource
  private let context: CheckContext

  init(_ file: CheckedFile, _ context: CheckContext) {
    source = CodeSource(file, .go)
    self.context = context
  }

  static func isCandidate(_ file: CheckedFile) -> Bool {
    file.contains("http.Server{") || file.contains("ListenAndServe")
      || (file.contains("gin.") && file.contains(".Run(")) || file.contains("echo.New(")
      || file.contains("fiber.Config{")
  }

  func read(into reading: inout CheckReading) {
    var found = false
    for index in source.tokens.indices
    where source.reads(index, "http", ".", "Server", "{") || source.reads(index, "fiber", ".", "Config", "{") {
      literal(index, &reading)
      found = true
    }
    guard !found else { return }
    // `http.ListenAndServe(":8080", nil)`, gin's `r.Run()`: a server without any timer.
    let start = source.tokens.indices.first { index in
      source.reads(index, "echo", ".", "New", "(") || source.reads(index, "http", ".", "ListenAndServe")
        || source.reads(index, "http", ".", "ListenAndServeTLS")
        || (source.isWord(index, "Run") && source.isMark(index - 1, ".") && source.isMark(index + 1, "(")
          && source.mentions("gin"))
    }
    guard let start else { return }
    var fields: [String: Int] = [:]
    assigned(&fields)
    add(at: source.place(start), fields: fields, &reading)
  }

  private func literal(_ index: Int, _ reading: inout CheckReading) {
    let open = index + 3
    let end = min(source.closing(open), source.tokens.count)
    var fields: [String: Int] = [:]
    for at in open..<end
    where source.tokens[at].kind == .word && source.isMark(at + 1, ":") && fields[source.text(at)] == nil {
      fields[source.text(at)] = at
    }
    assigned(&fields)
    add(at: source.place(index), fields: fields, &reading)
  }

  /// `server.IdleTimeout = ...` further down.
  private func assigned(_ fields: inout [String: Int]) {
    for at in source.tokens.indices where ["IdleTimeout", "ReadTimeout", "ReadHeaderTimeout"].contains(source.text(at))
    {
      if source.isMark(at - 1, "."), source.isMark(at + 1, "="), fields[source.text(at)] == nil {
        fields[source.text(at)] = at
      }
    }
  }

  private func add(at place: CheckPlace, fields: [String: Int], _ reading: inout CheckReading) {
    reading.understood.insert(source.file.path)
    var idle = CheckTimer(assumed: .goServer, .clientIdle)
    for name in ["ReadTimeout", "IdleTimeout"] {
      guard let index = fields[name] else { continue }
      let value = CodeValue(source.expression(from: index + 2), in: source, context)
      if let number = value.number, number == 0 { continue }
      let time = value.number.map { $0 < 0 ? TimerValue.never : .time(Nanoseconds(Int64(min($0, 9e18)))) } ?? .unknown
      idle = CheckTimer(time, name, at: source.place(index))
    }
    var server = CheckedServer(.goServer, at: place, idle: idle, owner: source.file.path)
    if let index = fields["Addr"], let text = CodeValue(source.expression(from: index + 2), in: source, context).text {
      server.ports = CheckTarget(text).port.map { [$0] } ?? []
    }
    server.remedy = .line("IdleTimeout: $ * time.Second,", unit: .seconds)
    reading.servers.append(server)
    guard let head = fields["ReadHeaderTimeout"], fields["IdleTimeout"] == nil, fields["ReadTimeout"] == nil else {
      return
    }
    reading.findings.append(
      CheckFinding(
        .notAnIdleTimeout, .note, .proved, at: source.place(head),
        "`ReadHeaderTimeout` is no idle timeout: it counts from the first byte of a request. Without `IdleTimeout` and `ReadTimeout` this server "
          + "keeps idle connections until the other side closes, which is what the race needs not to happen."))
  }
}
