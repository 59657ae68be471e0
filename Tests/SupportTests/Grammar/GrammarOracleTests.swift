import Core
import Foundation
import Testing

@testable import Support

@Suite struct GrammarOracleTests {
  /// A small generator with a seed, so that a failure can be had again.
  struct Random: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      var mixed = state
      mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
      mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
      return mixed ^ (mixed >> 31)
    }
  }

  @Test(arguments: UInt64(0)..<24) func mutatedMessagesKeepTheRules(_ seed: UInt64) {
    var random = Random(state: seed)
    for _ in 0..<150 {
      let message = MessageMaker.mutated(MessageMaker.message(using: &random), using: &random)
      if let violation = GrammarOracle.check(message) {
        Issue.record("seed \(seed): \(violation)\nin \(String(decoding: message, as: UTF8.self).debugDescription)")
        return
      }
    }
  }

  @Test(arguments: UInt64(0)..<8) func legalMessagesAreAccepted(_ seed: UInt64) {
    var random = Random(state: seed)
    for _ in 0..<100 {
      let message = MessageMaker.message(using: &random)
      if let violation = GrammarOracle.check(message) {
        Issue.record("seed \(seed): \(violation)\nin \(String(decoding: message, as: UTF8.self).debugDescription)")
        return
      }
      let body = Array(message.dropFirst())
      let isAccepted =
        switch message[0] % 3 {
        case 0: ReferenceGrammar.request(body) != .incomplete && ReferenceGrammar.request(body) != .refused
        case 1: ReferenceGrammar.response(body) != .incomplete && ReferenceGrammar.response(body) != .refused
        default: ReferenceGrammar.chunked(body) != nil
        }
      #expect(isAccepted, "seed \(seed): \(String(decoding: message, as: UTF8.self).debugDescription)")
    }
  }

  /// Tests/Corpus/HTTP holds what the fuzzer starts from, and every input that it ever broke a rule with.
  @Test func theCorpusKeepsTheRules() throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../Corpus/HTTP").standardizedFileURL
    let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
    #expect(files.count > 30)
    for file in files {
      let violation = GrammarOracle.check(Array(try Data(contentsOf: file)))
      #expect(violation == nil, "\(file.lastPathComponent)")
    }
  }

  /// The oracle must notice when the grammar is wrong; here, the message is.
  @Test func noticesADifference() {
    #expect(GrammarOracle.check([]) == nil)
    #expect(GrammarOracle.check(Array("\u{0}GET / HTTP/1.1\r\nHost: a\r\n\r\n".utf8)) == nil)
    #expect(ReferenceGrammar.request(Array("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".utf8)) == .refused)
    #expect(ReferenceGrammar.request(Array("GET / HTTP/1.1\r\nHost: a\r\n".utf8)) == .incomplete)
  }
}
