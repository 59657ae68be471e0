import Foundation
import Support
import Testing

/// The whole worker against inputs that a fuzzer found worth keeping, and against steps at random.
@Suite struct WorkerOracleTests {
  @Test func theCorpusKeepsTheRules() throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../Corpus/Worker").standardizedFileURL
    let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
      .sorted { $0.path < $1.path }
    #expect(files.count > 8)
    for file in files {
      #expect(try WorkerOracle.check(Array(Data(contentsOf: file))) == nil, "\(file.lastPathComponent)")
    }
  }

  /// A failing seed replays its steps; what the kernel's scheduling adds it does not.
  @Test(arguments: UInt64(1)...6) func nothingIsLeftBehind(_ seed: UInt64) throws {
    var random = GrammarOracleTests.Random(state: seed)
    for round in 0..<8 {
      let bytes = (0..<Int.random(in: 20...300, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
      if let violation = try WorkerOracle.check(bytes) {
        Issue.record("seed \(seed), round \(round): \(violation)\n\(bytes)")
        return
      }
    }
  }
}
