import Analysis
import Core
import Foundation
import Testing

/// The captures of Tests/Fixtures/Captures, which script/captures made on real sockets.
enum CaptureFixtures {
  static let folder = URL(filePath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Fixtures/Captures")

  static func path(_ name: String) -> String { folder.appending(path: name + ".pcap").path }

  static func bytes(_ name: String) throws -> [UInt8] {
    try Array(Data(contentsOf: folder.appending(path: name + ".pcap")))
  }

  static func report(_ bytes: [UInt8], pieces: Int = .max, isComplete: Bool = false) throws -> CaptureReport {
    var analyser = CaptureAnalyser()
    analyser.captureIsComplete = isComplete
    var reader = CaptureReader()
    var start = 0
    while start < bytes.count {
      let end = min(bytes.count, start + min(pieces, bytes.count))
      // Safe: every bit of a UInt8 is initialised.
      try unsafe reader.feed(bytes[start..<end].span.bytes, into: &analyser)
      start = end
    }
    try reader.finish(into: &analyser)
    return analyser.finish()
  }
}
