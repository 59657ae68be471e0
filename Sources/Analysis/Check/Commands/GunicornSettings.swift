internal import Core

/// What a configuration file and flags say to one gunicorn.
package struct GunicornSettings: Sendable {
  package var place: CheckPlace
  package var owner: String
  var workerClass: CheckWord?
  var threads: CheckWord?
  var keepalive: CheckWord?
  var maxRequests: CheckWord?
  var bind: CheckWord?
  /// The file that holds the settings, where there is one.
  var configuration: String?
  var version = VersionRange.all
  var environment = EnvironmentTable()
  var isInTerraform = false

  init(place: CheckPlace, owner: String) {
    self.place = place
    self.owner = owner
  }

  mutating func merge(_ command: ServerCommand) {
    workerClass = command.value("-k", "--worker-class") ?? workerClass
    threads = command.value("--threads") ?? threads
    keepalive = command.value("--keep-alive") ?? keepalive
    maxRequests = command.value("--max-requests") ?? maxRequests
    bind = command.value("-b", "--bind") ?? bind
  }

  mutating func merge(configuration file: CheckedFile, _ context: CheckContext) {
    configuration = file.path
    let source = CodeSource(file, .python)
    for (name, path) in [
      ("worker_class", \GunicornSettings.workerClass), ("threads", \.threads), ("keepalive", \.keepalive),
      ("max_requests", \.maxRequests), ("bind", \.bind),
    ] as [(String, WritableKeyPath<GunicornSettings, CheckWord?>)] {
      guard let assignment = source.topLevelAssignments(name).last else { continue }
      // What cannot be followed stays a text that is no number.
      let value = CodeValue(assignment.value, in: source, context)
      self[keyPath: path] = CheckWord(value.text ?? "?", at: assignment.place)
    }
  }

  /// `GUNICORN_CMD_ARGS`, and what the variables come to.
  mutating func fill(_ context: CheckContext) {
    if let text = context.environment.text("GUNICORN_CMD_ARGS"),
      let place = context.environment.place("GUNICORN_CMD_ARGS"),
      let command = ServerCommand([CheckWord("gunicorn", at: place)] + ShellWords.words(text, at: place))
    {
      var flags = GunicornSettings(place: place, owner: owner)
      flags.merge(command)
      workerClass = workerClass ?? flags.workerClass
      keepalive = keepalive ?? flags.keepalive
      threads = threads ?? flags.threads
    }
    version = context.version(of: .gunicorn, near: place.file)
    environment = context.environment
  }

  /// The class of its workers, in short: `sync`, `gthread`, `uvicorn`; nil when a variable hides it.
  var kind: String? {
    guard let workerClass else { return hasThreads ? "gthread" : "sync" }
    guard let text = environment.expand(workerClass.text), text != "?" else { return nil }
    let last = text.split(separator: ".").last.map { String($0).lowercased() } ?? ""
    if last.hasPrefix("uvicorn") { return "uvicorn" }
    if last == "sync" || last == "syncworker" { return hasThreads ? "gthread" : "sync" }
    return last.isEmpty ? "sync" : last
  }

  private var hasThreads: Bool {
    guard let threads else { return false }
    guard let number = environment.expand(threads.text).flatMap({ Int($0) }) else { return true }
    return number > 1
  }

  func read(into reading: inout CheckReading) {
    let kind = kind
    var idle: CheckTimer
    if kind == "sync" {
      idle = CheckTimer(assumed: .gunicorn, .clientIdle, when: "sync worker")
    } else if let keepalive {
      let time = environment.expand(keepalive.text).flatMap { DurationText.parse($0, unit: .seconds(1)) }
      idle = CheckTimer(
        time.map { $0 == .zero ? .none : .time($0) } ?? .unknown, setting, at: keepalive.place, written: keepalive.text)
    } else {
      idle = CheckTimer(assumed: .gunicorn, .clientIdle, version: version)
    }
    if kind == nil, keepalive == nil { idle.note = "the worker class is a variable; a sync worker keeps none" }
    var server = CheckedServer(
      .gunicorn, version: version, title: "gunicorn (\(kind ?? "worker class unknown"))", at: place, idle: idle,
      owner: owner)
    // Its documentation says to run it behind a proxy.
    server.knowsAFront = kind != "sync"
    let text = bind.flatMap { environment.expand($0.text) } ?? bind?.text
    server.ports = text.map { CheckTarget($0).port.map { [$0] } ?? [] } ?? [8_000]
    server.remedy =
      kind == "sync"
      ? .none
      : .line(
        configuration == nil || keepalive?.place.file == place.file && configuration != place.file
          ? "--keep-alive $" : "keepalive = $", unit: .seconds)
    reading.servers.append(server)
    reading.findings += findings(kind)
  }

  private var setting: String {
    configuration != nil && keepalive?.place.file == configuration ? "keepalive" : "--keep-alive"
  }

  private func findings(_ kind: String?) -> [CheckFinding] {
    var findings: [CheckFinding] = []
    if kind == "sync", let keepalive {
      findings.append(
        CheckFinding(
          .settingOnWrongObject, .warning, workerClass == nil ? .likely : .proved, at: keepalive.place,
          "`\(setting)` has no effect: gunicorn's sync worker closes the connection after each response. It counts with "
            + "gthread, gevent, eventlet and uvicorn workers only.",
          evidence: workerClass.map { [CheckEvidence("the worker class", at: $0.place)] } ?? [
            CheckEvidence("no worker class is set: sync is the default")
          ],
          changes: [CheckChange("worker_class = \"gthread\", or leave `\(setting)` out", at: keepalive.place)]))
      if workerClass == nil {
        findings.append(
          CheckFinding(
            .versionFlipsDefault, .note, .likely, at: keepalive.place,
            "The worker class decides: with `threads` above 1, or another class on the command line, `\(setting)` comes alive and "
              + "this server closes idle connections after it."))
      }
    }
    if let kind, kind != "sync", let maxRequests,
      let count = environment.expand(maxRequests.text).flatMap({ Int($0) }), count > 0
    {
      findings.append(
        CheckFinding(
          .secondTimer, .note, .likely, at: maxRequests.place,
          "`max_requests` \(count) restarts workers; a restart closes their idle connections unannounced, whatever keep-alive "
            + "says."))
    }
    return findings
  }
}

extension GunicornSettings {
  /// What flags say goes before what a file says.
  mutating func overrule(_ flags: GunicornSettings) {
    workerClass = flags.workerClass ?? workerClass
    threads = flags.threads ?? threads
    keepalive = flags.keepalive ?? keepalive
    maxRequests = flags.maxRequests ?? maxRequests
    bind = flags.bind ?? bind
  }
}
