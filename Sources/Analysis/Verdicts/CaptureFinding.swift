package import Core

/// A finding of a capture: the conclusion, and which request on which connection it is about.
package struct CaptureFinding: Sendable {
  /// Number in the report, from 1.
  package var number = 0
  package var finding: Finding
  package var trace: Int
  /// Number of the connection, from 0, as Wireshark counts TCP streams.
  package var connection: Int
  package var client: Endpoint
  package var server: Endpoint
  package var vantage: Vantage
  package var speech: Speech
  /// What was asked; empty when the finding is about the connection itself.
  package var request: String
  package var method: String
  /// Number of the exchange on its connection, from 1; 0 for the connection itself.
  package var exchange: Int
  /// When the request was sent; when the connection was opened, for a finding about the connection.
  package var time: Instant
  package var frame: Int64
  package var idleAge: Nanoseconds?
  package var reuseCount: Int
  /// From the request to what ended it.
  package var duration: Nanoseconds?
  /// Its connection, and its first byte on the wire, as every place on the path shows them.
  package var identity: ConnectionIdentity
  var sequence: UInt32?
  var requestLength: Int64
  /// HTTP/2: its stream.
  package var stream: UInt32
  /// HTTP/2 in TLS: the streams that the request consists of, where more than one and the lengths of its records tell.
  package var streams: Int?
  /// What a client was told by the proxy that sent this request.
  package var gateway: GatewayAnswer?
  /// What ended the connection was a reset of the server.
  var restsOnReset: Bool
  /// The server closed at once behind a request that came after idling: its timer can have fired in the same moment.
  package var endedAtOnce = false
  package var ladder: [LadderStep]
  package var ladderOmitted: Int
  /// Offset of the request in the client's stream, and of the server's FIN in its own: for marking the ladder.
  package var requestStart: Int64
  package var serverFIN: Int64?
  package var serverFINAcknowledges: Int64?
  /// The last frame of the connection: with ``Connection/firstFrame`` it bounds where its packets are.
  package var firstFrame: Int64
}
