package import Core

/// A GOAWAY of the server (RFC 9113 section 6.8).
package struct GoAway: Sendable {
  package var mark: Mark
  /// Offsets of the frame in the server's stream.
  package var start: Int64
  package var end: Int64
  /// Streams above it were not processed and never will be.
  package var lastStream: UInt32
  package var errorCode: UInt32
  /// How long the connection had been idle, when no stream was open that the server could know of.
  package var idleAge: Nanoseconds?
}

/// An RST_STREAM (RFC 9113 section 6.4).
package struct StreamReset: Sendable {
  package var mark: Mark
  package var side: Side
  package var errorCode: UInt32

  package static let refused: UInt32 = 7
  private static let names = [
    "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
    "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
  ]

  /// The name of an error code (section 7).
  package static func name(_ code: UInt32) -> String {
    code < names.count ? names[Int(code)] : "error \(code)"
  }
}
