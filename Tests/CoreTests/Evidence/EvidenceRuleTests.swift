import Testing

@testable import Core

@Suite("The evidence rule")
struct EvidenceRuleTests {
  /// A row of DESIGN.md's table: what the server did, and what the proxy's socket shows first and after the wait.
  struct Row: Sendable, CustomTestStringConvertible {
    var server: String
    var atEnd: Observation
    var afterWait: Observation
    /// `nil`: the RST has to be awaited.
    var atOnce: Verdict?
    var finally: Verdict

    var testDescription: String { server }
  }

  private static func observation(
    _ reading: Observation.Reading, _ error: SocketError?, _ acknowledgement: Acknowledgement,
    _ response: Observation.Response = .none
  ) -> Observation {
    Observation(
      bytesSent: 52, reading: reading, error: error, acknowledgement: acknowledgement, response: response,
      roundTripTime: .milliseconds(40), retransmissionTimeout: .milliseconds(240))
  }

  static let rows = [
    Row(
      server: "closes while idle; its FIN crosses our request",
      atEnd: observation(.endOfFile, nil, .unmoved), afterWait: observation(.endOfFile, .brokenPipe, .unmoved),
      atOnce: nil, finally: .neverDelivered),
    Row(
      server: "reads the request, then closes unanswered",
      atEnd: observation(.endOfFile, nil, .moved), afterWait: observation(.endOfFile, nil, .moved),
      atOnce: .delivered, finally: .delivered),
    Row(
      server: "half-closes while idle, then keeps reading",
      atEnd: observation(.endOfFile, nil, .unmoved), afterWait: observation(.endOfFile, nil, .moved),
      atOnce: nil, finally: .delivered),
    Row(
      server: "half-closes while idle, and nothing more is heard of it",
      atEnd: observation(.endOfFile, nil, .unmoved), afterWait: observation(.endOfFile, nil, .unmoved),
      atOnce: nil, finally: .unknown),
    Row(
      server: "closes with our request unread in its buffer",
      atEnd: observation(.failed, .connectionReset, .moved), afterWait: observation(.failed, .connectionReset, .moved),
      atOnce: .delivered, finally: .delivered),
    Row(
      server: "reads the request, then aborts, or aborts while idle",
      atEnd: observation(.failed, .connectionReset, .unmoved),
      afterWait: observation(.failed, .connectionReset, .unmoved),
      atOnce: .unknown, finally: .unknown),
    Row(
      server: "sends a farewell, then closes, while idle",
      atEnd: observation(.endOfFile, nil, .unmoved, .cannotAnswer),
      afterWait: observation(.endOfFile, .brokenPipe, .unmoved, .cannotAnswer),
      atOnce: nil, finally: .neverDelivered),
    Row(
      server: "sends an unasked response and reads on",
      atEnd: observation(.open, nil, .unmoved, .cannotAnswer),
      afterWait: observation(.open, nil, .moved, .cannotAnswer),
      atOnce: nil, finally: .delivered),
    Row(
      server: "closed on loopback: FIN unread in our socket when we write",
      atEnd: observation(.endOfFile, .brokenPipe, .unmoved),
      afterWait: observation(.endOfFile, .brokenPipe, .unmoved),
      atOnce: .neverDelivered, finally: .neverDelivered),
    Row(
      server: "closed while idle; the write itself fails with EPIPE after some bytes",
      atEnd: observation(.failed, .brokenPipe, .unmoved), afterWait: observation(.failed, .brokenPipe, .unmoved),
      atOnce: .neverDelivered, finally: .neverDelivered),
    Row(
      server: "resets, and the end of file that follows the fetched error is no FIN",
      atEnd: observation(.endOfFile, .connectionReset, .unmoved),
      afterWait: observation(.endOfFile, .connectionReset, .unmoved),
      atOnce: .unknown, finally: .unknown),
    Row(
      server: "is cut off from the network",
      atEnd: observation(.failed, .timedOut, .unmoved), afterWait: observation(.failed, .timedOut, .unmoved),
      atOnce: .unknown, finally: .unknown),
    Row(
      server: "begins an answer and closes",
      atEnd: observation(.endOfFile, nil, .moved, .mayAnswer),
      afterWait: observation(.endOfFile, nil, .moved, .mayAnswer),
      atOnce: .delivered, finally: .delivered),
    Row(
      server: "says nothing until we give up",
      atEnd: observation(.open, nil, .unmoved), afterWait: observation(.open, nil, .unmoved),
      atOnce: .unknown, finally: .unknown),
    Row(
      server: "is a UNIX socket that closed",
      atEnd: observation(.endOfFile, nil, .unavailable), afterWait: observation(.endOfFile, nil, .unavailable),
      atOnce: .unknown, finally: .unknown),
    Row(
      server: "is a UNIX socket that broke the write",
      atEnd: observation(.failed, .brokenPipe, .unavailable),
      afterWait: observation(.failed, .brokenPipe, .unavailable),
      atOnce: .unknown, finally: .unknown),
  ]

  @Test("Each row of the table", arguments: rows)
  func row(_ row: Row) {
    switch EvidenceRule.judge(row.atEnd) {
    case .verdict(let verdict): #expect(verdict == row.atOnce)
    case .awaitReset(let span):
      #expect(row.atOnce == nil)
      #expect(span == .milliseconds(2 * 40 + 240 + 10))
    }
    #expect(EvidenceRule.judgeAfterWait(row.afterWait) == row.finally)
  }

  private static func allObservations() -> [Observation] {
    var all: [Observation] = []
    let errors: [SocketError?] = [nil, .connectionReset, .brokenPipe, .timedOut, .other(113)]
    for connectFailed in [false, true] {
      for bytes in [UInt64(0), 1, 1 << 40] {
        for reading in Observation.Reading.allCases {
          for error in errors {
            for acknowledgement in Acknowledgement.allCases {
              for response in Observation.Response.allCases {
                all.append(
                  Observation(
                    connectFailed: connectFailed, bytesSent: bytes, reading: reading, error: error,
                    acknowledgement: acknowledgement, response: response))
              }
            }
          }
        }
      }
    }
    return all
  }

  @Test("Of all observations there are, only the proof proves")
  func everyObservation() {
    for observation in Self.allObservations() {
      let verdict = EvidenceRule.judgeAfterWait(observation)
      let wasSent = !observation.connectFailed && observation.bytesSent > 0
      #expect((verdict == .neverSent) == !wasSent, "\(observation)")
      if verdict == .neverDelivered {
        #expect(observation.acknowledgement == .unmoved, "\(observation)")
        #expect(observation.error == .brokenPipe, "\(observation)")
        #expect(observation.response != .mayAnswer, "\(observation)")
      }
      if wasSent, observation.acknowledgement == .moved { #expect(verdict == .delivered, "\(observation)") }
      switch EvidenceRule.judge(observation) {
      case .verdict(let early): #expect(early == verdict, "waiting changes nothing: \(observation)")
      case .awaitReset(let span):
        #expect(verdict == .unknown, "\(observation)")
        #expect(span >= EvidenceRule.minimumResetWait && span <= EvidenceRule.maximumResetWait)
      }
    }
  }

  @Test(
    "The wait covers one lost segment, within its bounds",
    arguments: [
      (0, 0, 20_000), (30, 0, 20_000), (100, 201_000, 211_200), (20_000, 220_000, 270_000),
      (300_000, 600_000, 1_210_000), (900_000, 3_000_000, 1_500_000),
    ] as [(Int64, Int64, Int64)])
  func wait(roundTrip: Int64, retransmission: Int64, expected: Int64) {
    let observation = Observation(
      bytesSent: 1, reading: .endOfFile, acknowledgement: .unmoved, roundTripTime: .microseconds(roundTrip),
      retransmissionTimeout: .microseconds(retransmission))
    #expect(EvidenceRule.judge(observation) == .awaitReset(atMost: .microseconds(expected)))
  }

  @Test(
    "What may be the answer",
    arguments: [
      (0, 0, false), (0, nil, false), (52, 52, false), (52, 51, true), (52, 0, true), (52, nil, true), (52, 60, false),
    ] as [(UInt64, UInt64?, Bool)])
  func couldAnswer(written: UInt64, unacknowledged: UInt64?, expected: Bool) {
    #expect(EvidenceRule.couldAnswer(bytesWritten: written, unacknowledgedBytes: unacknowledged) == expected)
  }
}
