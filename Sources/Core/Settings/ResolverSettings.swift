/// Who is asked for the addresses of names.
package struct ResolverSettings: Sendable, Hashable {
  /// A name server: an address literal and its port.
  package struct NameServer: Sendable, Hashable {
    package var address: String
    package var port: UInt16
    package init(address: String, port: UInt16 = 53) {
      self.address = address
      self.port = port
    }
  }

  /// Asked in this order, at most ``maximumServers``; empty: those of the system (`/etc/resolv.conf`), whose search domains and
  /// options hold in either case.
  package var servers: [NameServer] = []
  /// Answers are believed for as long as they say, but not shorter than this, and not longer than the other or the upstream's
  /// ``UpstreamSettings/resolvePeriod``.
  package var minimumTTL = Nanoseconds.seconds(1)
  package var maximumTTL = Nanoseconds.seconds(3_600)
  /// How long a server has to answer, and how often all are asked; nil: as the system has it.
  package var timeout: Nanoseconds?
  package var attempts: Int?
  /// Where the system says what it knows.
  package var systemFile = "/etc/resolv.conf"
  package var hostsFile = "/etc/hosts"

  package static let maximumServers = 8

  package init() {}
}
