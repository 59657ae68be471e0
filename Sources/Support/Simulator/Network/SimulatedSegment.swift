/// The two ends of every connection of a simulation.
package enum ConnectionEnd: UInt8, Sendable {
  /// The client of the TCP connection: our proxy.
  case proxy
  /// Who accepted it.
  case server

  package var other: ConnectionEnd { self == .proxy ? .server : .proxy }
}

/// One end of one connection.
package struct EndpointID: Hashable, Sendable {
  package var connection: Int32
  package var side: ConnectionEnd

  package init(_ connection: Int32, _ side: ConnectionEnd) {
    self.connection = connection
    self.side = side
  }

  package var other: EndpointID { EndpointID(connection, side.other) }
}

/// One TCP segment on its way. It carries no payload: what the bytes mean is kept beside the stream, as marks.
package struct SimulatedSegment: Equatable, Sendable {
  package struct Flags: OptionSet, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let synchronize = Flags(rawValue: 1)
    package static let finish = Flags(rawValue: 2)
    package static let reset = Flags(rawValue: 4)
  }

  package var receiver: EndpointID
  package var sequence: Int32
  package var length: Int32
  package var flags: Flags
  /// Every segment but the first SYN and the answer to an unknown one carries an acknowledgement; -1 means none.
  package var acknowledgment: Int32

  package var isReset: Bool { flags.contains(.reset) }
  package var isFinish: Bool { flags.contains(.finish) }
  package var isSynchronize: Bool { flags.contains(.synchronize) }

  /// The sequence number after this segment: SYN and FIN take one each.
  package var endSequence: Int32 {
    sequence + length + (isSynchronize ? 1 : 0) + (isFinish ? 1 : 0)
  }
}
