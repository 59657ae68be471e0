import Core
import Host
import Support
import Testing

/// The prober against a server that does as it is told. Real servers are in AppTests, through the command.
@Suite struct ProberTests {
  private static func setup(_ addresses: [SocketAddress], wait: Nanoseconds, other: [UInt8]? = nil) -> ProbeSetup {
    var setup = ProbeSetup(
      addresses: addresses, serverName: nil,
      request: ProbeRequest(method: "GET", target: "/", host: "probe.test", userAgent: "test", other: other),
      maximumWait: wait)
    setup.maximumRequests = 20
    setup.rounds = 1
    return setup
  }

  private static func probe(
    _ verbs: [String], wait: Nanoseconds = .seconds(20), change: (inout ProbeSetup) -> Void = { _ in }
  ) throws -> ProbeResult {
    let origin = try Origin.start(OriginScript(verbs: verbs))
    var setup = ProberTests.setup([origin.address], wait: wait)
    change(&setup)
    let result = try Prober(setup).run(target: "origin") { _ in }
    withExtendedLifetime(origin) {}
    return result
  }

  private static func freeAddress() throws -> SocketAddress {
    let listener = try Socket.listen(on: SocketAddress(.ipv4(0x7f00_0001, port: 0)), shared: false)
    return try #require(Socket.localAddress(listener.number))
  }

  @Test(arguments: [("close", ProbeEnding.fin), ("abort", .reset), ("half-close", .fin), ("farewell", .fin)])
  func seesHowItCloses(_ verb: String, ending: ProbeEnding) throws {
    let result = try ProberTests.probe(["idle=700ms", "at-idle=\(verb)"], wait: .seconds(4)) { $0.isGentle = true }
    let idle = result.observations.filter {
      if case .idle = $0.plan { true } else { false }
    }
    #expect(idle.count == 2 && idle.allSatisfy { $0.ending == ending }, "\(result.observations)")
    #expect(idle.allSatisfy { ($0.unaskedStatus == 408) == (verb == "farewell") }, "\(idle)")
    for age in result.idleAges {
      #expect(abs(age.inSeconds - 0.7) < result.error.inSeconds + 0.3, "\(result.idleAges)")
    }
    let late = result.observations.compactMap(\.late)
    // After a reset there is nothing to write to.
    let expected: [LateAnswer] = verb == "abort" ? [] : verb == "half-close" ? [.silence] : [.reset]
    #expect(late == expected, "\(result.observations)")
  }

  @Test func findsTheLimitOfRequests() throws {
    let result = try ProberTests.probe(["idle=500ms", "requests=7"]) { $0.isGentle = true }
    let seen = try #require(result.observations.first { $0.plan == .requests(limit: 20) })
    #expect(seen.answers == 7)
  }

  @Test func asksNoMoreThanItSays() throws {
    let result = try ProberTests.probe(["idle=500ms"]) { $0.maximumConnections = 1 }
    #expect(result.observations.allSatisfy { $0.problem == nil }, "\(result.observations)")
    // Idle 1 and 3, late 2, the sequence 20, HTTP/1.0 twice, HEAD twice.
    #expect(result.requests <= 1 + 3 + 2 + 20 + 2 + 2)
    #expect(result.connections == 9)
  }

  @Test func readsAnnouncements() throws {
    let result = try ProberTests.probe(["idle=600ms", "hint=5s"]) { $0.isGentle = true }
    #expect(result.observations.compactMap(\.advertisedTimeout).allSatisfy { $0 == 5 })
    #expect(!result.observations.compactMap(\.advertisedTimeout).isEmpty)
  }

  @Test func saysThatItSpeaksSomethingElse() throws {
    for (verb, text) in [("ssh", "it speaks SSH"), ("tls", "give https://")] {
      let result = try ProberTests.probe(["speaks=\(verb)"], wait: .seconds(8))
      let obstacle = try #require(result.obstacle, "\(verb): \(result.observations)")
      #expect(obstacle.text.contains(text))
      #expect(result.connections <= 2)
    }
  }

  @Test func takesTheNextAddress() throws {
    let origin = try Origin.start(OriginScript(verbs: ["idle=400ms"]))
    let nobody = try ProberTests.freeAddress()
    var setup = ProberTests.setup([nobody, origin.address], wait: .seconds(10))
    setup.isGentle = true
    let result = try Prober(setup).run(target: "two") { _ in }
    #expect(result.address == origin.address.description)
    #expect(result.otherAddresses == [nobody.description])
    #expect(!result.idleAges.isEmpty)
    withExtendedLifetime(origin) {}
  }

  @Test func saysThatNothingListens() throws {
    let result = try Prober(ProberTests.setup([ProberTests.freeAddress()], wait: .seconds(2))).run(target: "nobody") {
      _ in
    }
    guard case .unreachable(let text) = result.obstacle else {
      Issue.record("\(String(describing: result.obstacle))")
      return
    }
    #expect(text.contains("refused"))
  }

  @Test func saysThatNobodyAnswers() throws {
    let listener = try Socket.listen(on: SocketAddress(.ipv4(0x7f00_0001, port: 0)), shared: false)
    let address = try #require(Socket.localAddress(listener.number))
    let result = try Prober(ProberTests.setup([address], wait: .seconds(1))).run(target: "mute") { _ in }
    #expect(result.obstacle?.text.contains("did not answer within") == true)
  }

  @Test func measuresAnyProtocol() throws {
    let origin = try Origin.start(OriginScript(verbs: ["idle=600ms"]))
    let request = Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8)
    for other in [request, []] {
      let setup = ProberTests.setup([origin.address], wait: .seconds(6), other: other)
      let result = try Prober(setup).run(target: "any") { _ in }
      #expect(!result.idleAges.isEmpty, "\(result.observations)")
      #expect(result.idleAges.allSatisfy { abs($0.inSeconds - 0.6) < result.error.inSeconds + 0.3 })
    }
    withExtendedLifetime(origin) {}
  }

  @Test func endsWithWhatItKnowsWhenInterrupted() throws {
    // Something that is readable at once: a listener at which somebody waits.
    let listener = try Socket.listen(on: SocketAddress(.ipv4(0x7f00_0001, port: 0)), shared: false)
    let visitor = try BlockingSocket(to: #require(Socket.localAddress(listener.number)))
    let result = try ProberTests.probe(["idle=never"], wait: .seconds(60)) { $0.interruption = listener.number }
    #expect(result.wasInterrupted)
    #expect(result.waited < .seconds(30))
    withExtendedLifetime(visitor) {}
  }
}
