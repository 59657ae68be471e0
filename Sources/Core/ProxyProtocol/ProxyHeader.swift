/// The header of the PROXY protocol, by which a proxy tells the next one whose connection it passes on (the specification is
/// `proxy-protocol.txt` of HAProxy, versions 1 and 2).
///
/// ```
/// switch ProxyHeader.parse(inbound.readable) {
/// case .incomplete: // read more, within the time for a head; nothing may be answered yet
/// case .complete(let header, let byteCount): // consume byteCount; header.source ?? the peer is the client
/// case .failed(let error): // close without an answer: whoever this is, it is no proxy of ours
/// }
/// ```
///
/// Only parse it where the settings require it and the peer is one of those that may send it: anybody can write one.
package struct ProxyHeader: Sendable, Hashable {
  package struct Endpoint: Sendable, Hashable, BitwiseCopyable {
    package var address: IPAddress
    package var port: UInt16
    package init(address: IPAddress, port: UInt16) {
      self.address = address
      self.port = port
    }
  }

  /// The client. nil: the connection speaks for itself (a health check of the proxy's own), or the client has no IP address.
  package var source: Endpoint?
  /// What the client connected to.
  package var destination: Endpoint?

  package static let none = ProxyHeader(source: nil, destination: nil)

  package init(source: Endpoint?, destination: Endpoint?) {
    self.source = source
    self.destination = destination
  }

  /// The longest header of version 1, with its line end.
  package static let maximumVersion1Bytes = 107
  /// The longest header of version 2 that is read: all addresses, and room for what proxies add (names, certificates' data).
  package static let maximumVersion2Bytes = 4_096

  package enum Outcome: Sendable, Hashable {
    case incomplete
    case complete(ProxyHeader, byteCount: Int)
    case failed(ProxyHeaderError)
  }

  /// Parses a header at the start of `bytes`, whichever version it has. May be asked again and again as bytes come.
  package static func parse(_ bytes: RawSpan) -> Outcome {
    guard bytes.byteCount > 0 else { return .incomplete }
    switch bytes.byte(at: 0) {
    case UInt8(ascii: "P"): return parseVersion1(bytes)
    case signature[0]: return parseVersion2(bytes)
    default: return .failed(.notThere)
    }
  }

  static let signature: [UInt8] = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]
}

/// Why bytes are no PROXY header.
package enum ProxyHeaderError: String, Error, Sendable, Hashable, CaseIterable, CustomStringConvertible {
  case notThere = "the connection does not begin with a PROXY header"
  case lineMalformed = "the line of the PROXY header is malformed"
  case lineTooLong = "the line of the PROXY header is longer than 107 bytes"
  case addressMalformed = "an address of the PROXY header is malformed"
  case portMalformed = "a port of the PROXY header is malformed"
  case versionUnknown = "the PROXY header has an unknown version or command"
  case familyUnknown = "the PROXY header has an unknown address family or transport"
  case tooLong = "the PROXY header is longer than 4096 bytes"
  case tooShort = "the PROXY header is shorter than its addresses"
  case extensionMalformed = "an extension (TLV) of the PROXY header does not end where it should"
  case checksumWrong = "the checksum of the PROXY header is wrong"

  package var description: String { rawValue }
}
