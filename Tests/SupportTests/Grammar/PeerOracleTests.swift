import Core
import Foundation
import Testing

@testable import Support

@Suite struct PeerOracleTests {
  /// Tests/Corpus/Peers holds what the fuzzer starts from, and every input that it ever broke a rule with.
  @Test func theCorpusKeepsTheRules() throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../Corpus/Peers").standardizedFileURL
    let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
    #expect(files.count >= 15)
    for file in files {
      #expect(PeerOracle.check(Array(try Data(contentsOf: file))) == nil, "\(file.lastPathComponent)")
    }
  }

  /// Whatever bytes come, cut and changed: a rule that is broken is told, and nothing traps.
  @Test(arguments: 0..<8) func changedInputsKeepTheRules(part: Int) throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../Corpus/Peers").standardizedFileURL
    let files = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
      .sorted { $0.path < $1.path }
    for (index, file) in files.enumerated() where index % 8 == part {
      let bytes = Array(try Data(contentsOf: file))
      for count in 0...bytes.count { #expect(PeerOracle.check(Array(bytes[..<count])) == nil) }
      for position in 1..<bytes.count {
        for bit in 0..<8 {
          var changed = bytes
          changed[position] ^= 1 << UInt8(bit)
          #expect(PeerOracle.check(changed) == nil, "\(file.lastPathComponent): byte \(position), bit \(bit)")
        }
      }
    }
  }

  /// The seeds are what their names say.
  @Test func theSeedsAreUnderstood() throws {
    let folder = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../Corpus/Peers").standardizedFileURL
    func seed(_ name: String) throws -> [UInt8] {
      Array(try Data(contentsOf: folder.appending(path: name)).dropFirst())
    }
    for name in ["proxy-v1-tcp4", "proxy-v1-tcp6", "proxy-v2-tcp4", "proxy-v2-tcp6-tlv"] {
      let bytes = try seed(name)
      var source: ProxyHeader.Endpoint?
      if case .complete(let header, _) = ProxyHeader.parse(bytes.rawSpan) { source = header.source }
      #expect(source != nil, "\(name)")
    }
    for name in ["dns-a", "dns-cname"] {
      #expect(reply(try seed(name)) == .addresses([], seconds: 60), "\(name)")
    }
    #expect(reply(try seed("dns-nxdomain")) == .nameNotFound)
    #expect(reply(try seed("dns-truncated")) == .truncated)
  }

  /// An answer, its addresses left out.
  private func reply(_ bytes: [UInt8]) -> DNSReply {
    let reply = DNSReply(bytes.rawSpan, to: PeerOracle.query)
    if case .addresses(let addresses, let seconds) = reply, !addresses.isEmpty {
      return .addresses([], seconds: seconds)
    }
    return reply
  }
}
