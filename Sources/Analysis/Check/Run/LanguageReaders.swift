internal import Core

/// The readers of further languages, by the kind of the file.
enum LanguageReaders {
  static func read(
    _ file: CheckedFile, _ kind: FileKind, _ tree: ConfigurationTree?, _ context: CheckContext,
    into reading: inout CheckReading
  ) {
    switch kind {
    case .haproxy: HAProxyReader(file, context).read(into: &reading)
    case .apache: ApacheReader(file, context).read(into: &reading)
    case .caddyfile: CaddyReader(file, context).read(into: &reading)
    case .go: if GoReader.isCandidate(file) { GoReader(file, context).read(into: &reading) }
    case .ruby:
      if PumaReader.isConfiguration(file) { PumaReader.read(file, context, into: &reading) }
      if PumaReader.isUnicorn(file) { PumaReader.read(unicorn: file, context, into: &reading) }
    case .properties: SpringReader(properties: file, context).read(into: &reading)
    case .cSharp: KestrelReader.read(source: file, context, into: &reading)
    case .xml: TomcatReader.read(file, context, into: &reading)
    case .yaml, .json, .toml: tree.map { Self.read($0.documents, file, context, into: &reading) }
    case .nginx, .terraform, .ini, .environment, .dockerfile, .procfile, .systemd, .shell, .javaScript, .python: break
    }
  }

  /// Trees are told apart by what they hold.
  private static func read(
    _ documents: [ConfigurationNode], _ file: CheckedFile, _ context: CheckContext, into reading: inout CheckReading
  ) {
    if SpringReader.isNamedSo(file), documents.contains(where: { $0["server"] != nil || $0["spring"] != nil }) {
      SpringReader(documents, file, context).read(into: &reading)
    }
    if file.name == "package.json", let node = documents.first {
      ScriptReader.read(package: node, file, context, into: &reading)
    }
    for node in documents where node.isMap && !KubernetesReader.isManifest(node) {
      if ComposeReader.isCompose(node, file) { ComposeReader.read(node, file, context, into: &reading) }
      if EnvoyReader.isConfiguration(node) { EnvoyReader(file, context).read(node, into: &reading) }
      if TraefikReader.isConfiguration(node, file) { TraefikReader.read(node, file, context.traefik, into: &reading) }
      if CloudFormationReader.isTemplate(node) { CloudFormationReader.read(node, file, context, into: &reading) }
      if PhotofinishReader.isSettings(node) { PhotofinishReader.read(node, file, into: &reading) }
      if node.loose(["Kestrel"]) != nil { KestrelReader.read(node, file, into: &reading) }
      if let options = node["uwsgi"], options.isMap { UwsgiReader.read(options, file, context, into: &reading) }
      if CaddyJSONReader.isConfiguration(node) { CaddyJSONReader(file).read(node, into: &reading) }
      if file.name.contains("hypercorn"), node["keep_alive_timeout"] != nil || node["bind"] != nil {
        PythonReader.read(hypercorn: node, file, into: &reading)
      }
    }
  }
}
