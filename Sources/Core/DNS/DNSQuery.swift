/// A question to a name server, and how its answer is told from others.
package struct DNSQuery: Equatable, Sendable {
  /// Drawn at random for each sending, so that nobody who cannot see it can answer (RFC 5452).
  package var id: UInt16
  package var name: DNSName
  package var family: DNSAddress.Family

  package init(id: UInt16, name: DNSName, family: DNSAddress.Family) {
    self.id = id
    self.name = name
    self.family = family
  }

  /// The message, which asks the server to find out itself (RFC 1035 section 4.1).
  package var bytes: [UInt8] {
    let recursionDesired: [UInt8] = [0x01, 0x00]
    let oneQuestion: [UInt8] = [0, 1, 0, 0, 0, 0, 0, 0]
    let header = [UInt8(id >> 8), UInt8(truncatingIfNeeded: id)] + recursionDesired + oneQuestion
    let internet: [UInt8] = [0, 1]
    return header + name.wire + [0, 0, UInt8(family.recordType)] + internet
  }
}
