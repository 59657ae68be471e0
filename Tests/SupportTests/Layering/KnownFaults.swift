/// Breaches of the rules that are known and to be mended. A list may only become shorter.
enum KnownFaults {
  static let ambiguousTypes: Set<String> = ["ConnectionEnd", "Exchange"]

  static let unusedNames: Set<String> = [
    "Observation.connectFailure", "Pool.connectingExchangeLeft", "Pool.nextWaitExpiry", "Pool.waitExpired",
    // A bit of the header like its neighbours; the makers of test captures set it.
    "TCPSegment.Flags.psh",
    // Under way.
    "FrameReader.Frame.isAcknowledgement", "LineScanner.nextWord", "LogFailure.textEnd",
    "ConfigurationNode.loose", "DurationText.parseSpan", "GunicornSettings.isInTerraform",
  ]

  static let deadPaths: Set<String> = ["docs/manual/defaults.md"]
}
