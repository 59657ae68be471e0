import Analysis
import Core
import Testing

@Suite struct PacketKeeperTests {
  /// Judges a capture as if its packets came one by one, and gives the findings with the packets that were kept of them.
  private func live(
    _ name: String, _ limits: PacketKeeper.Limits, losing: (Instant, Instant)? = nil
  ) throws -> (told: [CaptureFinding], kept: PacketList) {
    var packets = try PacketList(CaptureFixtures.bytes(name))
    var analyser = CaptureAnalyser(linger: .seconds(2), isLive: true)
    if let losing { analyser.packetsLost(3, from: losing.0, to: losing.1) }
    var keeper = PacketKeeper(limits)
    var told: [CaptureFinding] = []
    var file = CaptureWriter()
    func collect() {
      for connection in analyser.takeJudged() {
        let kept = keeper.take(connection.number)
        guard !connection.findings.isEmpty else { continue }
        told += connection.findings
        kept?.forEach { file.add($0, bytes: $1) }
      }
    }
    for entry in packets.packets {
      // Safe, here and below: every bit of a UInt8 is initialised.
      let bytes = unsafe entry.bytes.span.bytes
      analyser.packetRead(entry.packet, bytes: bytes)
      if let place = analyser.lastPlace { keeper.add(entry.packet, bytes, at: place) }
      collect()
    }
    analyser.captureEnded()
    collect()
    let left = keeper.size
    #expect(left == 0)
    packets = try PacketList(file.takeBytes())
    return (told, packets)
  }

  /// The kept packets must tell the same as all of them told. When no more than the last exchange before it is left, a reset
  /// that needs the round trip and the history of its connection is inconclusive, and says what it looks like.
  @Test(arguments: VerdictTests.cases, [0, 32]) func keepsWhatTheVerdictNeeds(
    _ sample: VerdictTests.Case, needless: Int
  )
    throws
  {
    var limits = PacketKeeper.Limits()
    limits.needlessPackets = needless
    let (told, kept) = try live(sample.capture, limits)
    let again = kept.report()
    func key(_ finding: CaptureFinding) -> String {
      // A timer shows only in several cases together, which one by one are closes.
      let kind = finding.finding.suspected ?? finding.finding.kind
      let isTimer = kind == .serverTimer || kind == .closedWhileHandling
      return "\(finding.client) \(finding.request) \(isTimer ? "timer or close" : "\(kind)")"
    }
    #expect(again.findings.map(key).sorted() == told.map(key).sorted())
    #expect(told.count == sample.kinds.count)
    let open = again.findings.filter { $0.finding.kind == .inconclusive }
    // Whether the request lay unread rests on what came before it.
    let restsOnHistory = sample.kinds.contains(.resetUnread) || sample.kinds.contains(.closedWhileHandling)
    #expect(open.isEmpty || (needless == 0 && restsOnHistory))
  }

  /// With too little room a verdict may become inconclusive, but never blame somebody else. (That a close was announced, or
  /// that a time is a timer's, may be lost with the packets that showed it.)
  @Test(arguments: VerdictTests.cases, [1, 4, 6]) func neverMisleadsWhenRoomIsShort(
    _ sample: VerdictTests.Case, packets: Int
  )
    throws
  {
    var limits = PacketKeeper.Limits()
    limits.packetsPerConnection = packets
    let (told, kept) = try live(sample.capture, limits)
    let isReuse = Set(told.map(\.finding.kind.isReuseFailure))
    for finding in kept.report().findings where finding.finding.kind != .inconclusive {
      #expect(isReuse.contains(finding.finding.kind.isReuseFailure), "\(finding.finding.summary)")
    }
  }

  @Test func losesNoVerdictToItsLimits() throws {
    var limits = PacketKeeper.Limits()
    limits.bytesInAll = 1
    let (told, _) = try live("crossing-fin.client", limits)
    #expect(told.map(\.finding.kind) == [.crossingFIN, .crossingFIN])
  }

  /// Many connections at once, each with a long history: what is held stays within its bound.
  @Test func holdsNoMoreThanItMay() {
    var limits = PacketKeeper.Limits()
    limits.bytesInAll = 100_000
    limits.packetsPerConnection = 20
    limits.bytesPerConnection = 4_000
    var keeper = PacketKeeper(limits)
    let bytes = [UInt8](repeating: 7, count: 300)
    for round in 0..<50 {
      for connection in 0..<400 {
        let packet = CapturePacket(
          frame: Int64(round * 400 + connection), time: Instant(nanoseconds: 0), wireLength: 300, link: .raw)
        // Safe: every bit of a UInt8 is initialised.
        unsafe keeper.add(packet, bytes.span.bytes, at: PacketPlace(connection: connection))
        let size = keeper.size
        #expect(size <= limits.bytesInAll + 400)
      }
    }
    // The connections that were used last still have theirs.
    let last = keeper.take(399)?.count ?? 0
    #expect(last > 0)
    for connection in 0..<399 { _ = keeper.take(connection) }
    let left = keeper.size
    #expect(left == 0)
  }

  @Test func makesWhatLossesCanHaveChangedInconclusive() throws {
    let whole = try CaptureFixtures.report(CaptureFixtures.bytes("crossing-fin.client"))
    let second = try #require(whole.findings.last)
    let moment = second.time.advanced(by: .milliseconds(-1))
    let (told, _) = try live("crossing-fin.client", PacketKeeper.Limits(), losing: (moment, moment))
    let hit = try #require(told.first { $0.time == second.time })
    #expect(hit.finding.kind == .inconclusive)
    #expect(hit.finding.suspected == .crossingFIN)
    #expect(hit.finding.missing.contains { $0.contains("3 packets that the capture lost") })
    // A loss that was over before this exchange, and the one before it, changes nothing.
    let early = Instant(nanoseconds: 1)
    let (unharmed, _) = try live("crossing-fin.client", PacketKeeper.Limits(), losing: (early, early))
    #expect(unharmed.map(\.finding.kind) == [.crossingFIN, .crossingFIN])
  }

  /// The first two closes of a timer are closes; the third, after the same time, is a timer's.
  @Test func recognisesATimerAtItsThirdClose() throws {
    let (told, _) = try live("server-timer.client", PacketKeeper.Limits())
    #expect(told.map(\.finding.kind) == [.closedWhileHandling, .closedWhileHandling, .serverTimer])
  }

  /// Without another packet, time alone must bring the verdict.
  @Test func judgesWhenTimePasses() throws {
    let packets = try PacketList(CaptureFixtures.bytes("refused.client"))
    var analyser = CaptureAnalyser(linger: .seconds(2), isLive: true)
    for entry in packets.packets {
      // Safe: every bit of a UInt8 is initialised.
      unsafe analyser.packetRead(entry.packet, bytes: entry.bytes.span.bytes)
    }
    let end = analyser.lastTime
    let last = try #require(end)
    analyser.timePassed(last.advanced(by: .seconds(1)), abandoned: .seconds(75), quiet: .seconds(100))
    let early = analyser.takeJudged().flatMap(\.findings).count
    analyser.timePassed(last.advanced(by: .seconds(5)), abandoned: .seconds(75), quiet: .seconds(100))
    let later = analyser.takeJudged().flatMap(\.findings).count
    #expect(early + later == 2)
  }

  @Test func judgesASYNThatNobodyAnswers() throws {
    let packets = try PacketList(CaptureFixtures.bytes("no-answer-to-syn.client"))
    var analyser = CaptureAnalyser(linger: .seconds(2), isLive: true)
    for entry in packets.packets {
      // Safe: every bit of a UInt8 is initialised.
      unsafe analyser.packetRead(entry.packet, bytes: entry.bytes.span.bytes)
    }
    let end = analyser.lastTime
    let last = try #require(end)
    analyser.timePassed(last.advanced(by: .seconds(80)), abandoned: .seconds(75), quiet: .seconds(1_000))
    let kinds = analyser.takeJudged().flatMap(\.findings).map(\.finding.kind)
    #expect(kinds == [.noAnswerToSYN])
  }
}
