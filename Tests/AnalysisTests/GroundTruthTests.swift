import Analysis
import Core
import Foundation
import Testing

/// tshark, which nobody here wrote, counts the same in every sample capture.
@Suite struct GroundTruthTests {
  /// Runs tshark; fails the test when it is not there (script/bootstrap test).
  static func tshark(_ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["tshark"] + arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0, "tshark failed on \(arguments)")
    return String(decoding: data, as: UTF8.self)
  }

  @Test(arguments: VerdictTests.cases) func countsAsTsharkDoes(_ sample: VerdictTests.Case) throws {
    let text = try GroundTruthTests.tshark([
      "-r", CaptureFixtures.path(sample.capture), "-T", "fields", "-E", "separator=,", "-e", "frame.number", "-e",
      "tcp.stream", "-e", "tcp.flags.reset", "-e", "tcp.analysis.retransmission", "-e",
      "tcp.analysis.fast_retransmission",
      "-e", "tcp.analysis.spurious_retransmission",
    ])
    let rows = text.split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
    let report = try CaptureFixtures.report(CaptureFixtures.bytes(sample.capture))
    #expect(report.counts.frames == rows.count)
    #expect(report.counts.connections == Set(rows.map { $0[1] }).count)
    #expect(report.counts.resets == rows.count { $0[2] == "1" || $0[2] == "True" })
    // A SYN that is sent again counts for tshark; here it is no part of a stream.
    let syns = report.findings.filter { $0.finding.kind == .noAnswerToSYN }.count
    #expect(report.counts.retransmissions + syns == rows.count { row in row[3...5].contains { !$0.isEmpty } })
  }

  /// The frames that a verdict quotes are what it says they are.
  @Test func quotesTheRightFrames() throws {
    let report = try CaptureFixtures.report(CaptureFixtures.bytes("crossing-fin.client"))
    let finding = try #require(report.findings.first)
    let text = try GroundTruthTests.tshark([
      "-r", CaptureFixtures.path("crossing-fin.client"), "-T", "fields", "-e", "frame.number", "-e", "tcp.flags.fin",
      "-e",
      "tcp.flags.reset", "-e", "http.request.method",
    ])
    let rows = text.split(separator: "\n").map {
      $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
    }
    func row(_ frame: Int64) -> [String] { rows[Int(frame) - 1] }
    #expect(row(finding.frame)[3] == "GET")
    let reset = try #require(finding.finding.evidence.first { $0.text.hasPrefix("RST") }?.frame)
    #expect(["1", "True"].contains(row(reset)[2]))
    let fin = try #require(finding.finding.evidence.first { $0.text.contains("FIN, at byte") }?.frame)
    #expect(["1", "True"].contains(row(fin)[1]))
  }
}
