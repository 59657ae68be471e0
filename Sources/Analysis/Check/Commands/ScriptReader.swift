internal import Core

/// Commands that start servers, in scripts, images, Procfiles and units.
enum ScriptReader {
  static func read(_ file: CheckedFile, _ kind: FileKind, _ context: CheckContext, into reading: inout CheckReading) {
    if kind == .procfile { heroku(file, context, &reading) }
    for words in commands(file, kind) {
      guard let command = ServerCommand(words) else { continue }
      CommandServers.read(command, owner: file.path, context, into: &reading)
    }
  }

  /// The scripts of a package.json that start it for good: `start`, `start:prod`, `serve`.
  static func read(
    package node: ConfigurationNode, _ file: CheckedFile, _ context: CheckContext, into reading: inout CheckReading
  ) {
    for entry in node["scripts"]?.entries ?? [] {
      guard entry.key == "start" || entry.key.hasPrefix("start:prod") || entry.key == "serve",
        let text = entry.value.scalar
      else { continue }
      for words in ShellWords.commands(in: text, at: entry.value.place) {
        guard let command = ServerCommand(words), command.program == .next else { continue }
        CommandServers.read(command, owner: file.path, context, into: &reading)
      }
    }
  }

  /// A Procfile beside an `app.json` or `heroku.yml` goes to Heroku, whose router is in front.
  private static func heroku(_ file: CheckedFile, _ context: CheckContext, _ reading: inout CheckReading) {
    let folder = file.folder.isEmpty ? "" : file.folder + "/"
    let manifest = context.file(at: folder + "app.json")
    let isManifest = manifest.map { $0.contains("buildpacks") || $0.contains("formation") || $0.contains("heroku") }
    guard isManifest ?? false || context.file(at: folder + "heroku.yml") != nil,
      let web = ShellWords.commands(file).first(where: { $0.first?.text.hasPrefix("web:") ?? false })?.first
    else { return }
    reading.understood.insert(file.path)
    var pool = CheckedPool(
      .heroku, at: web.place, idle: CheckTimer(assumed: .heroku, .upstreamIdle), targets: [],
      owner: "\(file.path)#heroku")
    pool.hasOpenTargets = true
    reading.pools.append(pool)
  }

  private static func commands(_ file: CheckedFile, _ kind: FileKind) -> [[CheckWord]] {
    switch kind {
    case .dockerfile: dockerfile(file)
    case .procfile:
      ShellWords.commands(file).compactMap { words in
        // `web: command`; only that one gets requests.
        guard let first = words.first, first.text == "web:" || first.text.hasPrefix("web:") else { return nil }
        return Array(words.dropFirst())
      }
    case .systemd:
      IniReader.entries(file).filter { $0.key.lowercased() == "execstart" || $0.key.lowercased() == "command" }
        .flatMap { ShellWords.commands(in: $0.value, at: $0.valuePlace) }
    default: ShellWords.commands(file).flatMap(inner)
    }
  }

  /// `sh -c "gunicorn ..."`: the text is a command of its own.
  static func inner(_ words: [CheckWord]) -> [[CheckWord]] {
    guard words.count >= 3, let shell = words.first?.text.split(separator: "/").last,
      ["sh", "bash", "ash"].contains(shell),
      let flag = words.firstIndex(where: { $0.text.hasPrefix("-") && $0.text.hasSuffix("c") }), flag + 1 < words.count
    else { return [words] }
    return ShellWords.commands(in: words[flag + 1].text, at: words[flag + 1].place)
  }

  /// The sources that a command starts: `node dist/server.js`, `python main.py`; a compiled one stands for what it was made of.
  static func sources(_ words: [CheckWord], near file: String, _ context: CheckContext) -> [String] {
    words.compactMap { word in
      let text = word.text
      for (ending, origin) in [(".js", ".ts"), (".mjs", ".mts"), (".cjs", ".cts"), (".ts", nil), (".py", nil)]
        as [(String, String?)] where text.hasSuffix(ending)
      {
        if let found = context.file(endingWith: text, near: file) { return found.path }
        return origin.flatMap { context.file(endingWith: text.dropLast(ending.count) + $0, near: file)?.path }
      }
      return nil
    }
  }

  /// The last CMD and ENTRYPOINT, in either form.
  private static func dockerfile(_ file: CheckedFile) -> [[CheckWord]] {
    var last: [String: [[CheckWord]]] = [:]
    for words in ShellWords.commands(file) {
      guard let verb = words.first?.text.uppercased(), verb == "CMD" || verb == "ENTRYPOINT" else {
        // What stands behind `;`, `&&` or `|` of a CMD in shell form has lost its verb; it is read below.
        continue
      }
      last[verb] = [words]
    }
    return ["ENTRYPOINT", "CMD"].flatMap { verb -> [[CheckWord]] in
      guard let words = last[verb]?.first, words.count > 1 else { return [] }
      let body = Array(words.dropFirst())
      guard body[0].text.hasPrefix("[") else { return rest(of: file, from: words[0]).flatMap(inner) }
      return inner(elements(body))
    }
  }

  /// The words of an exec form: `["gunicorn",`, `"app"]`.
  private static func elements(_ words: [CheckWord]) -> [CheckWord] {
    words.flatMap { word -> [CheckWord] in
      word.text.split(separator: ",").map { part in
        CheckWord(
          String(part.drop { $0 == "[" || $0 == " " }.reversed().drop { $0 == "]" || $0 == " " }.reversed()),
          at: word.place)
      }.filter { !$0.text.isEmpty }
    }
  }

  /// The commands of a shell form, to the end of its line.
  private static func rest(of file: CheckedFile, from verb: CheckWord) -> [[CheckWord]] {
    ShellWords.commands(file).drop { $0.first?.place != verb.place }
      .prefix { $0.first?.place == verb.place || ($0.first.map { $0.place.line == verb.place.line } ?? false) }
      .map { $0.first?.place == verb.place ? Array($0.dropFirst()) : $0 }
  }
}
