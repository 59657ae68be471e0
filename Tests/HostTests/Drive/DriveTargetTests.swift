import Core
import Host
import Support
import Testing

/// Targets that answer in ways that are not what a client hopes for.
struct DriveTargetTests {
  /// Answers each connection's first request with `answer` and closes; says how the drive's one request ended.
  private func end(whenAnswered answer: String, method: String = "GET") throws -> DriveEnd {
    let listener = try BlockingListener()
    try Thread.start(named: "target") {
      while let socket = try? listener.accept(atMost: .seconds(20)) {
        _ = try? socket.receive(through: "\r\n\r\n")
        try? socket.send(answer)
        socket.close()
      }
    }
    defer { listener.stop() }
    var settings = DriveSettings(target: listener.address, host: "a")
    settings.traffic = .openLoop(requestsPerSecond: 1_000, arrivals: .constant, reuse: .newest)
    settings.count = 1
    settings.method = method
    var driver = try Driver(settings)
    return try #require(driver.run().outcomes.first).end
  }

  @Test(arguments: [
    ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", DriveEnd.answered),
    ("HTTP/1.1 200 OK\n\nuntil the end", .answered),
    ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", .answered),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", .answered),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", .cutOff),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", .malformed),
    ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", .cutOff),
    ("HTTP/1.1 200 OK\r\nContent-", .cutOff),
    ("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n", .status(408)),
    ("", .closed),
    ("SSH-2.0-OpenSSH_9.2\r\n", .malformed),
    ("HTTP/1.1 what\r\n\r\n", .malformed),
  ])
  func endsAreToldApart(answer: String, expected: DriveEnd) throws {
    #expect(try end(whenAnswered: answer) == expected)
  }

  @Test func headHasNoBody() throws {
    #expect(try end(whenAnswered: "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", method: "HEAD") == .answered)
  }

  /// A farewell on an idle connection is not the answer to anything.
  @Test func unaskedAnswersAreCounted() throws {
    let origin = try Origin.start(OriginScript(verbs: ["idle=50ms", "at-idle=farewell"]))
    var settings = DriveSettings(target: origin.address, host: "a")
    settings.count = 4
    settings.connections = 4
    settings.idle = .milliseconds(400)
    var driver = try Driver(settings)
    let ledger = driver.run()
    #expect(ledger.outcomes.allSatisfy { $0.end == .answered })
    #expect(ledger.unaskedAnswers == 4)
  }
}
