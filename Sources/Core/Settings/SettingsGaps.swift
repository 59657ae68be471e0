/// Settings that are read, checked and kept, and that the data plane does not obey yet. Whoever has it obey one takes it out here.
///
/// Nothing may look as if it protected somebody and not do so: serving and validating tell each of them.
package enum SettingsGaps {
  /// The keys of `settings` that have no effect.
  package static func keys(of settings: ProxySettings) -> [String] {
    var keys: [String] = []
    func note(_ key: String, _ isSet: Bool) {
      if isSet { keys.append(key) }
    }
    note("listen.proxy-protocol", settings.listeners.contains { $0.proxyProtocol != .off })
    for upstream in settings.upstreams {
      let subject = "upstreams.\(upstream.name)"
      note("\(subject).proxy-protocol", upstream.proxyProtocol != .off)
    }
    let guards = settings.guards
    note("guards.request-rate", guards.requestRate != nil)
    note("guards.connections-per-client", guards.connectionsPerClient != nil)
    note("guards.minimum-body-rate", guards.minimumBodyRate != nil)
    return keys
  }

  package static func sentence(_ key: String) -> String {
    "\(key) is read and not obeyed yet: this version has no code for it; leave it out"
  }
}
