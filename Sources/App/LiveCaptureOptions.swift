import ArgumentParser
import Core
import Host

/// What `photofinish capture --live` understands beside the filters and outputs of `capture`.
struct LiveCaptureOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Listen to this interface (any: to all) until interrupted, and tell each finding as it happens. Needs CAP_NET_RAW.",
      valueName: "interface"))
  var live: String?

  @Option(
    help: ArgumentHelp("With --live: keep the packets of connections with findings here.", valueName: "directory"),
    completion: .directory)
  var into: String?

  @Option(help: ArgumentHelp("With --into: files at most; then the oldest goes.", valueName: "number"))
  var ringFiles = 16

  @Option(help: ArgumentHelp("With --into: size of a file, 1m to 2g.", valueName: "size"))
  var ringSize = ByteSize(bytes: 16 << 20)

  @Option(help: ArgumentHelp("With --live: end by itself after this time.", valueName: "time"))
  var duration: TimeSpan?

  @Option(help: ArgumentHelp("With --live: memory shared with the kernel, 1m to 1g.", valueName: "size"))
  var buffer = ByteSize(bytes: 32 << 20)

  @Option(
    help: ArgumentHelp("With --live: bytes of a packet that are looked at, 256 to 262144.", valueName: "bytes"))
  var snapLength = 262_144

  @Option(
    help: ArgumentHelp("With --live: connections that are followed at once, 16 to 131072.", valueName: "number"))
  var connections = 16_384

  @Option(
    help: ArgumentHelp(
      "With --live: memory for packets whose connection is not judged yet, 1m to 16g.", valueName: "size"))
  var keep = ByteSize(bytes: 64 << 20)

  func validate() throws {
    guard live != nil else {
      guard into == nil, duration == nil else {
        throw ValidationError("--into and --duration belong to --live INTERFACE")
      }
      return
    }
    guard (1...10_000).contains(ringFiles) else { throw ValidationError("--ring-files takes 1 to 10000") }
    guard (1 << 20...2 << 30).contains(ringSize.bytes) else { throw ValidationError("--ring-size takes 1m to 2g") }
    guard (1 << 20...1 << 30).contains(buffer.bytes) else { throw ValidationError("--buffer takes 1m to 1g") }
    guard (256...262_144).contains(snapLength) else { throw ValidationError("--snap-length takes 256 to 262144") }
    guard (16...131_072).contains(connections) else { throw ValidationError("--connections takes 16 to 131072") }
    guard (1 << 20...16 << 30).contains(keep.bytes) else { throw ValidationError("--keep takes 1m to 16g") }
  }

  /// What can be had only when all packets were seen, that is from the kept files.
  static func refuse(
    _ files: [String], _ html: String?, _ writePcap: String?, _ ladder: Int?, _ from: String?, _ until: String?,
    isJSON: Bool
  ) throws {
    guard files.isEmpty else { throw ValidationError("--live takes no capture files") }
    guard html == nil, writePcap == nil, ladder == nil, !isJSON else {
      throw ValidationError(
        "--html, --write-pcap, --ladder and --output json need a capture that has ended: keep packets with --into "
          + "DIRECTORY, then run 'photofinish capture DIRECTORY/*.pcapng'; --output ndjson works with --live")
    }
    guard from == nil, until == nil else {
      throw ValidationError("--from and --until choose from what was captured before; with --live use --duration")
    }
  }
}
