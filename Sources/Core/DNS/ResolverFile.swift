/// What a system says of its name servers: `/etc/resolv.conf` (resolv.conf(5)). Lines and values that are not understood are
/// left aside, as the C library does.
package struct ResolverFile: Equatable, Sendable {
  /// Address literals, in the order in which they are asked.
  package var servers: [String] = []
  /// Domains within which a name with few dots is looked for.
  package var search: [DNSName] = []
  /// Dots from which on a name is first looked for as it is.
  package var dots = 1
  /// How long a server has to answer, in seconds.
  package var timeoutSeconds = 5
  /// How often all servers are asked.
  package var attempts = 2
  /// Ask over TCP at once.
  package var streamsOnly = false

  /// More are left aside, as in the C library.
  package static let maximumServers = 3
  package static let maximumSearchDomains = 32
  /// Bytes of a file that are read.
  package static let maximumBytes = 65_536

  package init() {}

  package init(parsing text: String) {
    for line in text.utf8.split(whereSeparator: { $0 == 0x0a || $0 == 0x0d }) {
      let code = line.prefix { $0 != UInt8(ascii: "#") && $0 != UInt8(ascii: ";") }
      let words = code.split { $0 == 0x20 || $0 == 0x09 }.map { String(decoding: $0, as: UTF8.self) }
      guard let keyword = words.first else { continue }
      let values = words.dropFirst()
      switch keyword {
      case "nameserver":
        if let server = values.first, servers.count < Self.maximumServers { servers.append(server) }
      case "domain", "search":
        // The last such line holds.
        search = values.prefix(keyword == "domain" ? 1 : Self.maximumSearchDomains).compactMap { DNSName($0) }
      case "options": values.forEach { readOption($0) }
      default: break
      }
    }
    // Nothing named means a server on this machine.
    if servers.isEmpty { servers = ["127.0.0.1"] }
  }

  private mutating func readOption(_ option: String) {
    func number(_ range: ClosedRange<Int>) -> Int? {
      let digits = option.drop { $0 != ":" }.dropFirst()
      guard let value = Int(digits), value >= 0 else { return nil }
      return min(max(value, range.lowerBound), range.upperBound)
    }
    switch option.prefix(while: { $0 != ":" }) {
    case "ndots": dots = number(0...15) ?? dots
    case "timeout": timeoutSeconds = number(1...30) ?? timeoutSeconds
    case "attempts": attempts = number(1...5) ?? attempts
    case "use-vc": streamsOnly = true
    default: break
    }
  }

  /// The names that `host` may stand for, in the order in which they are asked for; none when it is no name.
  ///
  /// One with a dot at its end is looked for as it is and nowhere else.
  package func candidates(for host: String) -> [DNSName] {
    guard let name = DNSName(host) else { return [] }
    guard !host.hasSuffix(".") else { return [name] }
    let found = search.compactMap { name.within($0) }
    return name.labelCount - 1 >= dots ? [name] + found : found + [name]
  }
}
