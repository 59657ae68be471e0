/// The key `admin`.
enum AdminSchema {
  static var form: SettingsForm<AdminSettings> {
    let address = SettingsForm<ListenAddress>.scalar(
      "an address, for instance 127.0.0.1:9180 or unix:/run/photofinish/admin", kind: "address",
      parse: ListenAddress.init(parsing:), show: \.text)
    struct Draft {
      var address: ListenAddress?
      var token: String?
      var hosts: [String] = []
    }
    let section = SettingsSection<Draft>(
      title: "the admin endpoint",
      keys: [
        SettingsKey("address", \.address, address.optional(), "Where to listen: `host:port` or `unix:/path`."),
        SettingsKey(
          "token", \.token, SettingsForm<String>.text("a secret text").optional(),
          "What clients show as `Authorization: Bearer` for changes, and for everything where other machines can connect; best from the environment: `${PHOTOFINISH_ADMIN_TOKEN}`."
        ),
        SettingsKey(
          "hosts", \.hosts, SettingsForm<String>.authority.list(),
          "Names beside IP addresses and localhost that requests may have as Host."),
      ])
    return SettingsForm(
      description: "an address, for instance 127.0.0.1:9180", kind: "address, or map",
      read: { node, _, reader in
        guard case .map = node.content else { return address.read(node, nil, &reader).map { AdminSettings($0) } }
        var draft = Draft()
        let before = reader.errorCount
        section.read(node, into: &draft, &reader)
        guard let address = draft.address else {
          if reader.errorCount == before {
            reader.report("has no 'address'", fix: "add one, for instance address: 127.0.0.1:9180")
          }
          return nil
        }
        var admin = AdminSettings(address)
        admin.token = draft.token
        admin.hosts = draft.hosts
        return admin
      },
      show: { admin in
        if admin.token == nil, admin.hosts.isEmpty { return address.show(admin.address) }
        return section.show(Draft(address: admin.address, token: admin.token, hosts: admin.hosts))
      },
      keys: section.describe(Draft()))
  }

  static func check(_ admin: AdminSettings, _ listeners: [ListenerSettings], _ reader: inout SettingsReader) {
    let subject = reader.has("admin.address") ? "admin.address" : "admin"
    if case .inherited = admin.address {
      reader.report(of: subject, "is a socket of the service manager", fix: "write host:port or unix:/path")
    }
    if case .tcp(_, 0) = admin.address {
      // Any free port, each time another: for tests.
    } else if listeners.contains(where: { $0.address == admin.address }) {
      reader.report(of: subject, "is also where clients come in", fix: "choose another address")
    }
    if !admin.address.isLocal, admin.token == nil {
      reader.report(
        of: subject, "is where other machines can connect, and everybody there could look",
        fix: "listen on 127.0.0.1 or a UNIX socket, or write a map with 'address' and 'token'")
    }
    if let token = admin.token {
      let isVisible = token.utf8.allSatisfy { (0x21..<0x7f).contains($0) }
      if token.utf8.count < AdminSettings.shortestToken || !isVisible {
        reader.report(
          of: "admin.token", "is shorter than \(AdminSettings.shortestToken) visible ASCII characters",
          fix: "make one, for instance with: openssl rand -hex 16")
      }
    }
  }
}
