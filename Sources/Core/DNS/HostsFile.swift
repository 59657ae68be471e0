/// Names with their addresses as a file gives them: `/etc/hosts` (hosts(5)).
package struct HostsFile: Equatable, Sendable {
  private var addresses: [String: [String]] = [:]

  /// Lines that are looked at; further ones are left aside.
  package static let maximumLines = 65_536
  /// Bytes of a file that are read.
  package static let maximumBytes = 1 << 20

  package init() {}

  package init(parsing text: String) {
    for line in text.utf8.split(separator: 0x0a).prefix(Self.maximumLines) {
      let code = line.prefix { $0 != UInt8(ascii: "#") }
      let words = code.split { $0 == 0x20 || $0 == 0x09 || $0 == 0x0d }.map { String(decoding: $0, as: UTF8.self) }
      guard let address = words.first else { continue }
      for name in words.dropFirst() {
        let key = Self.key(name)
        if addresses[key]?.contains(address) != true { addresses[key, default: []].append(address) }
      }
    }
  }

  /// Address literals; nil when the file does not name it.
  package func addresses(of host: String) -> [String]? { addresses[Self.key(host)] }

  private static func key(_ host: String) -> String {
    let key = host.lowercased()
    return key.hasSuffix(".") ? String(key.dropLast()) : key
  }
}

/// Where a system looks for hosts beside files and name servers: the `hosts` line of `/etc/nsswitch.conf`.
package struct HostSources: Equatable, Sendable {
  /// The services of the line, without what is done on success or failure.
  package var services: [String]

  package init(services: [String] = ["files", "dns"]) { self.services = services }

  package init(parsing text: String) {
    self.init()
    for line in text.utf8.split(separator: 0x0a) {
      let code = line.prefix { $0 != UInt8(ascii: "#") }
      let words = String(decoding: code, as: UTF8.self).split { $0 == " " || $0 == "\t" }
      guard words.first == "hosts:" else { continue }
      services = words.dropFirst().filter { !$0.hasPrefix("[") && !$0.hasSuffix("]") }.map(String.init)
    }
  }

  /// Whether some service may know a name that neither the files nor the name servers know.
  package var hasOthers: Bool { services.contains { $0 != "files" && $0 != "dns" } }
}
