import Foundation
import Support
import Testing

/// Replays what fuzzing and people have found worth keeping.
struct LogOracleTests {
  private static let corpus = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
    .appending(path: "Corpus/Logs")

  @Test func nothingOfTheCorpusBreaksARule() throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: Self.corpus.path).sorted()
    #expect(names.count >= 11)
    for name in names {
      let bytes = Array(try Data(contentsOf: Self.corpus.appending(path: name)))
      #expect(LogOracle.check(bytes) == nil, "\(name)")
      // Cut anywhere, and with any byte replaced: the oracle writes five reports each time, so only some places.
      for length in stride(from: 1, to: bytes.count, by: 1 + bytes.count / 12) {
        #expect(LogOracle.check(Array(bytes[..<length])) == nil, "\(name), \(length)")
      }
      for position in stride(from: 1, to: bytes.count, by: 1 + bytes.count / 8) {
        for replacement in [UInt8(0), UInt8(ascii: "\""), UInt8(ascii: "\n"), 0xff] {
          var damaged = bytes
          damaged[position] = replacement
          #expect(LogOracle.check(damaged) == nil, "\(name), \(position), \(replacement)")
        }
      }
    }
  }
}
