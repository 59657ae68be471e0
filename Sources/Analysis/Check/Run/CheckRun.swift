internal import Core

/// One run over files: reads them, joins what they say, applies the rules.
package struct CheckRun {
  private var files: [(file: CheckedFile, kind: FileKind)]
  private var context: CheckContext
  private var reading = CheckReading()
  private var trees: [String: ConfigurationTree] = [:]

  /// - Parameter readYAML: parses YAML, which is done outside the pure layers.
  package init(_ files: [CheckedFile], readYAML: (CheckedFile) -> ConfigurationTree) {
    let sorted = files.sorted { $0.path < $1.path }
    self.files = sorted.compactMap { file in FileKind.of(file).map { (file, $0) } }
    context = CheckContext(files: [])
    var embedded: [(file: CheckedFile, kind: FileKind)] = []
    for (file, kind) in self.files {
      guard let tree = parse(file, kind, readYAML), kind == .yaml else { continue }
      embedded += EmbeddedFiles.of(tree, in: file).compactMap { file in FileKind.of(file).map { (file, $0) } }
    }
    let templates = self.files.filter { $0.kind == .yaml && $0.file.contains("{{") && $0.file.contains("apiVersion:") }
    if let first = templates.first {
      reading.problems.append(
        CheckEvidence(
          "\(templates.count) template\(templates.count == 1 ? " was" : "s were") read as written: what stands for {{ }} is not known; "
            + "check what `helm template` prints", at: first.file.place(at: 0)))
    }
    for (file, kind) in embedded { _ = parse(file, kind, readYAML) }
    self.files += embedded
    context = CheckContext(files: self.files.map(\.file))
  }

  private mutating func parse(
    _ file: CheckedFile, _ kind: FileKind, _ readYAML: (CheckedFile) -> ConfigurationTree
  ) -> ConfigurationTree? {
    switch kind {
    case .yaml: trees[file.path] = readYAML(file)
    case .json: trees[file.path] = JSONTreeReader.read(file)
    case .toml: trees[file.path] = TOMLTreeReader.read(file)
    default: return nil
    }
    reading.problems += trees[file.path]?.problems ?? []
    return trees[file.path]
  }

  /// - Parameter chain: what `--chain` says, from the client's side to the application.
  package mutating func run(chain: [String] = []) -> CheckReport {
    for (file, kind) in files { ContextCollector.collect(file, kind, trees[file.path], into: &context) }
    var nginx = NginxReader(files.filter { $0.kind == .nginx }.map(\.file), context)
    nginx.run()
    reading.join(nginx.reading)
    var terraform = TerraformReader(files.filter { $0.kind == .terraform }.map(\.file), context)
    terraform.run()
    reading.join(terraform.reading)
    let documents = files.flatMap { trees[$0.file.path]?.documents ?? [] }
    let values = files.filter { HelmReader.isNamedSo($0.file) }.flatMap { trees[$0.file.path]?.documents ?? [] }
    var kubernetes = KubernetesReader(documents.filter(KubernetesReader.isManifest), values: values, context)
    kubernetes.run()
    reading.join(kubernetes.reading)
    for (file, kind) in files { read(file, kind) }
    finishNode()
    finishGunicorn()
    PumaReader.finish(&reading, context)
    var joiner = ChainJoiner(reading, chain: chain)
    let hops = joiner.hops()
    var report = CheckReport(reading: reading, hops: hops, files: files.count)
    report.judge(joiner)
    return report
  }

  private mutating func read(_ file: CheckedFile, _ kind: FileKind) {
    switch kind {
    case .nginx, .environment: break
    case .shell, .dockerfile, .procfile, .systemd: ScriptReader.read(file, kind, context, into: &reading)
    case .python: PythonReader.read(file, context, into: &reading)
    case .javaScript:
      guard NodeReader.isCandidate(file) else { return }
      var reader = NodeReader(file, context)
      reader.read(into: &reading)
    case .ini:
      UwsgiReader.read(ini: file, context, into: &reading)
      TomcatReader.read(ini: file, context, into: &reading)
    case .haproxy, .apache, .caddyfile, .yaml, .json, .toml, .terraform, .properties, .xml, .go, .ruby, .cSharp:
      LanguageReaders.read(file, kind, trees[file.path], context, into: &reading)
    }
  }

  /// A server that one file makes and another imports and sets timers on is one server: that of the other file.
  private mutating func finishNode() {
    let servers = reading.servers
    reading.servers.removeAll { made in
      guard made.isHandedOn else { return false }
      let name = made.owner.split(separator: "/").last ?? ""
      let stem = name.prefix { $0 != "." }
      return servers.contains { other in
        other.software == made.software && other.owner != made.owner && !other.idle.isAssumed
          && context.file(at: other.owner)?.contains(text: "/\(stem)") ?? false
      }
    }
  }

  /// A configuration file that a command names is that command's, and no server of its own; so is one beside it.
  private mutating func finishGunicorn() {
    let taken = Set(reading.gunicorns.filter { $0.owner != $0.configuration }.compactMap(\.configuration))
    var configurations = reading.gunicorns.filter { $0.owner == $0.configuration && !taken.contains($0.owner) }
    var commands = reading.gunicorns.filter { $0.owner != $0.configuration }
    // `gunicorn.conf.py` is read without being named.
    for index in commands.indices
    where commands[index].configuration == nil && configurations.count == 1 && commands.count == 1 {
      guard let path = configurations.first?.configuration, let file = context.file(endingWith: path, near: path),
        file.name == "gunicorn.conf.py"
      else { continue }
      let flags = commands[index]
      commands[index].merge(configuration: file, context)
      commands[index].overrule(flags)
      configurations = []
    }
    for settings in commands + configurations { settings.read(into: &reading) }
  }
}

extension CheckReading {
  mutating func join(_ other: CheckReading) {
    servers += other.servers
    pools += other.pools
    services += other.services
    middleboxes += other.middleboxes
    findings += other.findings
    problems += other.problems
    understood.formUnion(other.understood)
    gunicorns += other.gunicorns
    pumaCommands += other.pumaCommands
  }
}
