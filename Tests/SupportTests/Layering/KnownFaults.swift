/// Breaches of the rules that are known and to be mended. A list may only become shorter.
enum KnownFaults {
  static let ambiguousTypes: Set<String> = ["ConnectionEnd", "Exchange"]

  static let unusedNames: Set<String> = [
    "Observation.connectFailure", "Pool.connectingExchangeLeft", "Pool.nextWaitExpiry", "Pool.waitExpired",
    // A bit of the header like its neighbours; the makers of test captures set it.
    "TCPSegment.Flags.psh",
    // Under way.
    "FrameReader.Frame.isAcknowledgement", "LineScanner.nextWord", "LogFailure.textEnd",
    // TLS and HTTP/2 stand and are tested; the data plane does not use them yet.
    "FilesFingerprint", "TLSSession.alpn", "TLSSession.consumeOutput", "TLSSession.feedEnd", "TLSSession.hasPlaintext",
    "TLSSession.isEstablished", "TLSSession.peerCertificate", "TLSSession.requestKeyUpdate",
    "TLSSession.serverNameAsked", "TLSSession.wasResumed", "TLSSession.withOutput", "TLSClientContext.keptSessions",
    "HTTP2ServerSession", "HTTP2Session.nextEvent", "HTTP2Session.produce", "HTTP2Stream.endOfResponse",
    "HTTP2Stream.isResponseComplete", "HTTP2ClientStream.endOfRequest",
    "ConfigurationNode.loose", "DurationText.parseSpan", "GunicornSettings.isInTerraform",
  ]

  static let deadPaths: Set<String> = ["docs/manual/defaults.md"]
}
