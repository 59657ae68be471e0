import Foundation
import Support
import Testing

/// Replays what fuzzing and people have found worth keeping.
struct CheckOracleTests {
  private static let corpus = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
    .appending(path: "Corpus/Configurations")

  @Test func nothingOfTheCorpusBreaksARule() throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: Self.corpus.path).sorted()
    #expect(names.count >= CheckOracle.names.count)
    for name in names {
      let bytes = Array(try Data(contentsOf: Self.corpus.appending(path: name)))
      #expect(CheckOracle.check(bytes) == nil, "\(name)")
      // Cut anywhere, and with any byte replaced.
      for length in stride(from: 1, to: bytes.count, by: 1 + bytes.count / 60) {
        #expect(CheckOracle.check(Array(bytes[..<length])) == nil, "\(name), \(length)")
      }
      for position in stride(from: 1, to: bytes.count, by: 1 + bytes.count / 60) {
        for replacement in [UInt8(0), UInt8(ascii: "{"), UInt8(ascii: "\""), UInt8(ascii: "\n"), 0xff] {
          var damaged = bytes
          damaged[position] = replacement
          #expect(CheckOracle.check(damaged) == nil, "\(name), \(position), \(replacement)")
        }
      }
    }
  }
}
