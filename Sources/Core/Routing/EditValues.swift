/// What the variables of a ``FieldEdit`` stand for in one request.
///
/// Fill in only what ``CompiledEdits/variables`` names. Bytes that a field value cannot hold are written as "?".
package struct EditValues: Sendable {
  package struct Variables: OptionSet, Hashable, Sendable, BitwiseCopyable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let clientAddress = Variables(rawValue: 1)
    package static let clientPort = Variables(rawValue: 2)
    package static let host = Variables(rawValue: 4)
    package static let requestID = Variables(rawValue: 8)
    package static let scheme = Variables(rawValue: 16)
    package static let server = Variables(rawValue: 32)
    package static let upstream = Variables(rawValue: 64)
    package static let route = Variables(rawValue: 128)
  }

  /// The client's IP address as text.
  package var clientAddress: [UInt8] = []
  package var clientPort: UInt16 = 0
  /// What the client asked for, with its port. A request has it in its head: only needed for responses.
  package var host: [UInt8] = []
  package var requestID: (UInt64, UInt64) = (0, 0)
  /// The valid X-Request-Id that the client sent, in place of the number. A request has it in its head: only needed for responses.
  package var receivedRequestID: [UInt8] = []
  /// `http` or `https`, as the client speaks to the listener.
  package var scheme: [UInt8] = []
  /// As it is shown: `host:port` or the socket's path. Empty until one is chosen.
  package var server: [UInt8] = []
  package var upstream: [UInt8] = []
  package var route: [UInt8] = []

  package init() {}

  func write(_ variable: Variables, to buffer: inout ByteBuffer) {
    switch variable {
    case .clientAddress: buffer.append(asFieldValue: clientAddress)
    case .clientPort: if clientPort != 0 { buffer.append(decimal: UInt64(clientPort)) }
    case .host: buffer.append(asFieldValue: host)
    case .requestID:
      if receivedRequestID.isEmpty {
        RequestID.write(requestID, to: &buffer)
      } else {
        buffer.append(asFieldValue: receivedRequestID)
      }
    case .scheme: buffer.append(asFieldValue: scheme)
    case .server: buffer.append(asFieldValue: server)
    case .upstream: buffer.append(asFieldValue: upstream)
    case .route: buffer.append(asFieldValue: route)
    default: preconditionFailure("a part of a value is one variable")
    }
  }
}

extension ByteBuffer {
  /// Appends bytes of whatever origin so that they cannot end the line.
  mutating func append(asFieldValue bytes: [UInt8]) {
    for byte in bytes {
      let isControl = (byte < ByteClass.space && byte != ByteClass.horizontalTab) || byte == ByteClass.delete
      append(isControl ? UInt8(ascii: "?") : byte)
    }
  }
}
