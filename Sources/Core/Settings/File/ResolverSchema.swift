/// The keys about name servers.
enum ResolverSchema {
  static var section: SettingsSection<ResolverSettings> {
    SettingsSection(
      title: "a resolver",
      keys: [
        SettingsKey(
          "servers", \.servers, serversForm,
          "Name servers, in the order in which they are asked: `192.0.2.53`, `192.0.2.53:5353`, `[2001:db8::53]:53`. Without them, those of the system."
        ),
        SettingsKey(
          "shortest-ttl", \.minimumTTL, .time(.zero...(.seconds(86_400))),
          "An answer is believed for at least this long."),
        SettingsKey(
          "longest-ttl", \.maximumTTL, .time(.seconds(1)...(.seconds(604_800))),
          "An answer is believed for at most this long, or for `resolve-every` of the upstream where that is shorter."),
        SettingsKey(
          "timeout", \.timeout, SettingsForm<Nanoseconds>.time(.milliseconds(10)...(.seconds(60))).optional(),
          example: "5s",
          "How long a name server has to answer. Without it, as the system has it."),
        SettingsKey(
          "attempts", \.attempts, SettingsForm<Int>.count(1...10).optional(), example: "2",
          "How often all of them are asked. Without it, as the system has it."),
        SettingsKey(
          "system-file", \.systemFile, filePath, "Where the system names its servers, search domains and options."),
        SettingsKey("hosts-file", \.hostsFile, filePath, "Names that are known without asking."),
      ],
      foreignKeys: ["nameservers": "did you mean 'servers'?", "valid": "did you mean 'longest-ttl'?"])
  }

  private static var filePath: SettingsForm<String> { .text("the path of a file") }

  private static var serversForm: SettingsForm<[ResolverSettings.NameServer]> {
    SettingsForm<ResolverSettings.NameServer>.scalar(
      "an address, for instance 192.0.2.53", kind: "address", parse: parse, show: text
    ).list().checked { servers in
      servers.count <= ResolverSettings.maximumServers
        ? nil : ("has \(servers.count) name servers", "name at most \(ResolverSettings.maximumServers)")
    }
  }

  /// An address, with a port if it is not 53.
  private static func parse(_ text: String) throws(QuantityError) -> ResolverSettings.NameServer {
    if IPAddressText.parse(text) != nil { return ResolverSettings.NameServer(address: text) }
    guard let colon = text.lastIndex(of: ":") else { throw wrong(text) }
    var host = String(text[..<colon])
    let digits = text[text.index(after: colon)...]
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = String(host.dropFirst().dropLast())
      guard IPAddressText.parse(host)?.count == 16 else { throw wrong(text) }
    } else {
      guard IPAddressText.parse(host)?.count == 4 else { throw wrong(text) }
    }
    guard let port = UInt16(digits), port > 0, digits.utf8.allSatisfy(ByteClass.isDigit) else {
      throw QuantityError(
        text: text, fact: "has a port that is not a number from 1 to 65535", fix: "write for instance 192.0.2.53:53")
    }
    return ResolverSettings.NameServer(address: host, port: port)
  }

  private static func wrong(_ text: String) -> QuantityError {
    QuantityError(
      text: text, fact: "is not the address of a name server",
      fix: "write for instance 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:53; a name could not be resolved")
  }

  private static func text(_ server: ResolverSettings.NameServer) -> String {
    let isIPv6 = server.address.contains(":")
    guard server.port != 53 else { return server.address }
    return isIPv6 ? "[\(server.address)]:\(server.port)" : "\(server.address):\(server.port)"
  }
}
