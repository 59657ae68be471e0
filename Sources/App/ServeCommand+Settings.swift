import ArgumentParser
import Core
import Host
import Logging

extension ServeCommand {
  /// The settings of the file, if there is one, with the flags that are given. What starting and reloading take.
  ///
  /// - Parameter demoOrigin: the embedded server.
  func load(demoOrigin: OriginAddress? = nil) -> Result<SettingsFile.Loaded, SettingsErrors> {
    guard let settingsFile else {
      var settings = ProxySettings()
      settings.listeners = [ListenerSettings(.tcp(host: "127.0.0.1", port: 8080))]
      settings.threads = Machine.availableProcessors
      if let demoOrigin { settings.upstream.origins = [demoOrigin] }
      return applied(to: SettingsFile.Loaded(settings: settings, warnings: [], file: "the flags"), "the flags")
    }
    return SettingsFile.load(path: settingsFile).flatMap { applied(to: $0, "\(settingsFile) and the flags") }
  }

  func warn(_ loaded: SettingsFile.Loaded, _ log: Logger) {
    for line in loaded.warningLines { log.warning("\(line)") }
  }

  /// Takes over what the file says now, with the same flags. Settings that are refused change nothing.
  func reload(_ proxy: Proxy, _ logs: ServeLogs) -> ReloadOutcome {
    let log = logs.log
    guard let settingsFile else {
      return ReloadOutcome(
        isSuccess: false,
        lines: ["the settings come from the command line, so there is nothing to reload; start it with --settings FILE"]
      )
    }
    let before = proxy.settings
    let refusal = "\(settingsFile) is refused, the old settings stay"
    switch load() {
    case .failure(let errors):
      for line in errors.lines { log.error("\(line)") }
      log.error("\(refusal)")
      return ReloadOutcome(isSuccess: false, lines: errors.lines + [refusal])
    case .success(let loaded):
      warn(loaded, log)
      do {
        let settings = loaded.settings
        let writer = try logs.open(settings.logs)
        var notes = try proxy.reload(settings, accessLog: writer)
        logs.adopt(writer)
        if settings.logs.level != before.logs.level { logs.level.level = settings.logs.level.logLevel }
        if settings.control != before.control { notes.append("control: is taken up at the next start or upgrade") }
        if settings.admin != before.admin { notes.append("admin: is taken up at the next start or upgrade") }
        for note in notes { log.notice("\(note)") }
        log.info("\(settingsFile) is taken over")
        return ReloadOutcome(
          isSuccess: true,
          lines: loaded.warningLines + notes)
      } catch {
        log.error("\(refusal): \(error)")
        return ReloadOutcome(isSuccess: false, lines: ["\(refusal): \(error)"])
      }
    }
  }

  /// - Parameter place: where settings come from that do not go together, as messages have it.
  private func applied(
    to loaded: SettingsFile.Loaded, _ place: String
  ) -> Result<SettingsFile.Loaded, SettingsErrors> {
    var result = loaded
    if !listen.isEmpty { result.settings.listeners = listen.map { ListenerSettings($0) } }
    if let tlsChain, let tlsKey {
      for index in result.settings.listeners.indices {
        var tls = result.settings.listeners[index].tls ?? ListenerTLS()
        tls.certificates = [CertificateFiles(chain: tlsChain, key: tlsKey)]
        result.settings.listeners[index].tls = tls
      }
    }
    if let threads { result.settings.threads = threads }
    if !upstream.isEmpty {
      guard result.settings.upstreams.count == 1 else {
        return .failure(
          SettingsErrors(
            file: place,
            problems: [
              SettingsProblem(
                .error, at: .whole, subject: "--upstream",
                fact:
                  "the file has \(result.settings.upstreams.count) upstreams, and the flag does not say which it means",
                fix: "leave it out, or change the servers in the file")
            ]))
      }
      result.settings.upstream.servers = upstream
    }
    for index in result.settings.upstreams.indices {
      if let upstreamCA { result.settings.upstreams[index].tls.authorities = upstreamCA }
      if upstreamInsecure { result.settings.upstreams[index].tls.isVerified = false }
    }
    race.apply(to: &result.settings)
    pool.apply(to: &result.settings)
    timeouts.apply(to: &result.settings)
    limits.apply(to: &result.settings)
    forwarding.apply(to: &result.settings)
    logs.apply(to: &result.settings)
    lifecycle.apply(to: &result.settings)
    guard result.settings != loaded.settings else { return .success(result) }
    let problems = SettingsParser.conflicts(result.settings)
    return problems.isEmpty ? .success(result) : .failure(SettingsErrors(file: place, problems: problems))
  }
}

/// Parses the value of a flag.
func parsed<Value>(
  _ text: String, _ parse: (String) throws(QuantityError) -> Value
) throws -> Value {
  do throws(QuantityError) {
    return try parse(text)
  } catch {
    throw ValidationError("it \(error.fact); \(error.fix)")
  }
}
