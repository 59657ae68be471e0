/// The keys of TLS: to the clients of a listener, and to the servers of an upstream.
enum TLSSchema {
  private static var filesSection: SettingsSection<FilesDraft> {
    SettingsSection(
      title: "a certificate",
      keys: [
        SettingsKey(
          "chain", \.chain, pathForm.optional(),
          "A file in PEM: the certificate first, and those of its issuers behind it."),
        SettingsKey("key", \.key, pathForm.optional(), "A file in PEM: its private key, not encrypted."),
      ],
      foreignKeys: [
        "cert": "did you mean 'chain'?", "certificate": "did you mean 'chain'?", "fullchain": "did you mean 'chain'?",
        "crt": "did you mean 'chain'?", "private-key": "did you mean 'key'?",
      ])
  }

  private struct FilesDraft {
    var chain: String?
    var key: String?
  }

  private static var pathForm: SettingsForm<String> { .text("the path of a file") }

  private static var filesForm: SettingsForm<CertificateFiles> {
    let section = filesSection
    return SettingsForm(
      description: "a map with chain and key", kind: "map",
      read: { node, _, reader in
        var draft = FilesDraft()
        let before = reader.errorCount
        section.read(node, into: &draft, &reader)
        guard let chain = draft.chain, let key = draft.key else {
          if reader.errorCount == before {
            reader.report(
              draft.chain == nil ? "has no 'chain'" : "has no 'key'", fix: "name the files of both in PEM")
          }
          return nil
        }
        return CertificateFiles(chain: chain, key: key)
      },
      show: { section.show(FilesDraft(chain: $0.chain, key: $0.key)) },
      keys: section.describe(FilesDraft()))
  }

  // MARK: - Listeners

  private struct ListenerDraft {
    var tls = ListenerTLS()
    var asks = Asks.off
    var authorities: String?
  }

  private enum Asks: String, CaseIterable {
    case off, optional, required
  }

  private static var listenerSection: SettingsSection<ListenerDraft> {
    SettingsSection(
      title: "a listener's TLS",
      keys: [
        SettingsKey(
          "certificates", \.tls.certificates, filesForm.list(),
          "Chosen by the name that a client asks for; the first serves those that ask for none, or for an unknown one. A name may have one for RSA and one for ECDSA."
        ),
        SettingsKey(
          "policy", \.tls.policy, .choice(ListenerTLS.Policy.allCases.map { ($0.rawValue, $0) }),
          "`modern`: suites with forward secrecy and authenticated encryption alone. `intermediate`: older ones behind them, for older clients."
        ),
        SettingsKey(
          "minimum-version", \.tls.minimumVersion, .choice(TLSVersion.allCases.map { ($0.rawValue, $0) }),
          "The oldest version of TLS that is spoken."),
        SettingsKey(
          "client-certificates", \.asks, .choice(Asks.allCases.map { ($0.rawValue, $0) }),
          "Whether clients are asked for a certificate: `optional` serves those that have none, too."),
        SettingsKey(
          "client-ca", \.authorities, pathForm.optional(),
          "A file in PEM with the authorities that issue the certificates of clients."),
        SettingsKey(
          "alpn", \.tls.protocols,
          SettingsForm<ApplicationProtocol>.choice(ApplicationProtocol.allCases.map { ($0.rawValue, $0) }).list(),
          "The protocols that are offered, the preferred one first."),
      ],
      foreignKeys: [
        "certificate": "did you mean 'certificates'?", "ssl-certificate": "did you mean 'certificates' with 'chain'?",
        "ssl-certificate-key": "did you mean 'certificates' with 'key'?",
        "protocols": "did you mean 'minimum-version'?",
        "ssl-protocols": "did you mean 'minimum-version'?", "ciphers": "did you mean 'policy'?",
        "ssl-ciphers": "did you mean 'policy'?", "ca": "did you mean 'client-ca'?",
        "chain": "write it below 'certificates'",
        "key": "write it below 'certificates'", "ssl-verify-client": "did you mean 'client-certificates'?",
      ])
  }

  static var listenerForm: SettingsForm<ListenerTLS?> {
    let section = listenerSection
    return SettingsForm<ListenerTLS>(
      description: "a map with certificates", kind: "map",
      read: { node, _, reader in
        var draft = ListenerDraft()
        let before = reader.errorCount
        section.read(node, into: &draft, &reader)
        guard reader.errorCount == before else { return nil }
        if draft.tls.certificates.isEmpty {
          reader.report(
            "has no 'certificates'", fix: "add them, for instance certificates: [{chain: a.pem, key: a.key}]")
          return nil
        }
        if draft.tls.protocols.isEmpty {
          reader.report("has an empty 'alpn', so every client would be refused", fix: "leave it out")
          return nil
        }
        switch (draft.asks, draft.authorities) {
        case (.off, nil): draft.tls.clientCertificates = .off
        case (.optional, let authorities?): draft.tls.clientCertificates = .optional(authorities: authorities)
        case (.required, let authorities?): draft.tls.clientCertificates = .required(authorities: authorities)
        case (.optional, nil), (.required, nil):
          reader.report("asks for certificates of clients and names nobody who issues them", fix: "add 'client-ca'")
          return nil
        case (.off, _?):
          reader.report("has a 'client-ca' and asks for no certificates", fix: "add 'client-certificates: required'")
          return nil
        }
        return draft.tls
      },
      show: { tls in
        var draft = ListenerDraft(tls: tls)
        switch tls.clientCertificates {
        case .off: break
        case .optional(let authorities): (draft.asks, draft.authorities) = (.optional, authorities)
        case .required(let authorities): (draft.asks, draft.authorities) = (.required, authorities)
        }
        return section.show(draft)
      },
      keys: section.describe(ListenerDraft())
    ).optional()
  }

  // MARK: - Upstreams

  private static var upstreamSection: SettingsSection<UpstreamTLS> {
    SettingsSection(
      title: "an upstream's TLS",
      keys: [
        SettingsKey(
          "ca", \.authorities, pathForm.orNone("system"),
          "A file in PEM with the authorities, or the certificates themselves, that are trusted; `system`: those that the system trusts."
        ),
        SettingsKey(
          "verify", \.isVerified, .onOff,
          "Whether the servers' certificates are verified. `off` lets anybody between the proxy and a server read and change everything."
        ),
        SettingsKey(
          "server-name", \.serverName, SettingsForm<String>.text("a name").orNone("server"),
          "The name that is asked for and that the certificate must be for; `server`: the host of the server's URL."),
        SettingsKey(
          "certificate", \.certificate, filesForm.orNone("off"),
          "What a server is shown that asks for a certificate: a map with `chain` and `key`."),
        SettingsKey(
          "minimum-version", \.minimumVersion, .choice(TLSVersion.allCases.map { ($0.rawValue, $0) }),
          "The oldest version of TLS that is spoken."),
        SettingsKey(
          "alpn", \.protocols,
          SettingsForm<ApplicationProtocol>.choice(ApplicationProtocol.allCases.map { ($0.rawValue, $0) }).list(),
          "The protocols that are offered, the preferred one first."),
      ],
      foreignKeys: [
        "proxy-ssl-verify": "did you mean 'verify'?", "insecure": "did you mean 'verify: off'?",
        "insecure-skip-verify": "did you mean 'verify: off'?", "sni": "did you mean 'server-name'?",
        "cafile": "did you mean 'ca'?", "ca-file": "did you mean 'ca'?",
      ])
  }

  static var upstreamForm: SettingsForm<UpstreamTLS> { upstreamSection.form(standard: UpstreamTLS()) }
}
