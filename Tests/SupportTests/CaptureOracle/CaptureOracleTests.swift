import Analysis
import Foundation
import Testing

@testable import Support

/// Tests/Corpus holds what the fuzzers start from, and every input that they ever broke a rule with.
@Suite struct CaptureOracleTests {
  /// Far above what any of them takes: milliseconds. A hang must not pass.
  private static let longest = Duration.seconds(20)

  private static func corpus(_ name: String) throws -> [URL] {
    let folder = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../Corpus/\(name)").standardizedFileURL
    return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
      .sorted { $0.path < $1.path }
  }

  @Test func theCorpusOfFilesKeepsTheRules() throws {
    let files = try CaptureOracleTests.corpus("Capture")
    #expect(files.count > 50)
    var (whole, broken) = (0, 0)
    for file in files {
      let bytes = Array(try Data(contentsOf: file))
      let began = ContinuousClock.now
      let violation = CaptureOracle.checkFile(bytes)
      #expect(violation == nil, "\(file.lastPathComponent)")
      #expect(ContinuousClock.now - began < CaptureOracleTests.longest, "\(file.lastPathComponent)")
      if CaptureOracle.isWhole(bytes) { whole += 1 } else { broken += 1 }
    }
    #expect(whole > 30)
    #expect(broken > 8)
  }

  @Test func theCorpusOfPathsKeepsTheRules() throws {
    let files = try CaptureOracleTests.corpus("Path")
    #expect(files.count > 8)
    for file in files {
      let began = ContinuousClock.now
      let violation = PathOracle.check(Array(try Data(contentsOf: file)))
      #expect(violation == nil, "\(file.lastPathComponent)")
      #expect(ContinuousClock.now - began < CaptureOracleTests.longest, "\(file.lastPathComponent)")
    }
  }

  /// Steps at random, from a seed.
  @Test(arguments: UInt64(1)...16) func verdictsAreTrueOnAnyPath(_ seed: UInt64) {
    var random = GrammarOracleTests.Random(state: seed)
    for _ in 0..<60 {
      let bytes = (0..<Int.random(in: 20...300, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
      if let violation = PathOracle.check(bytes) {
        Issue.record("seed \(seed): \(violation)\n\(bytes)")
        return
      }
    }
  }

  /// The oracle must notice when what is said is out of form.
  @Test func noticesWhatIsNoJSON() {
    for text in ["{\"a\":1,}", "{\"a\":nan}", "\"\u{1}\"", "[1", "{\"a\" 1}", "01", "\"\\x\"", "[] []", "tru"] {
      #expect(JSONOracle.check(text) != nil, "\(text)")
    }
    for text in ["{}", "[]", "{\"a\":[1,-2.5e3,\"\\u00e9\\n\",null,true]}", " 0 ", "\"\""] {
      #expect(JSONOracle.check(text) == nil, "\(text)")
    }
  }
}
