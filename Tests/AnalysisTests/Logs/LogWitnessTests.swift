import Core
import Testing

@testable import Analysis

/// A balancer's log beside the log of the application behind it.
@Suite struct LogWitnessTests {
  private static func time(_ milliseconds: Int) -> String {
    Display.dateAndTime(Instant(nanoseconds: 1_768_480_000_000_000_000 + Int64(milliseconds) * 1_000_000))
  }

  /// What a balancer and an application write of one day of a shop.
  private struct Day {
    var balancer: [String] = []
    var application: [String] = []
    var trace = 0

    mutating func request(at milliseconds: Int, _ method: String, _ path: String, isAnswered: Bool) {
      trace += 1
      let rest = isAnswered ? "0.000 0.040 0.000 200 200" : "0.000 0.004 -1 502 -"
      balancer.append(
        #"https \#(LogWitnessTests.time(milliseconds)) app/web/0a1b 192.0.2.10:54321 198.51.100.7:3000 \#(rest) 312 272 "\#(method) https://shop.example:443\#(path)?a=1 HTTP/1.1" "-" ECDHE TLSv1.2 arn:tg "Root=1-67891233-\#(String(1_000_000_000 + trace))" "shop.example" "-" 0 \#(LogWitnessTests.time(milliseconds)) "forward" "-" "-" "198.51.100.7:3000" "-" "-" "-" TID_0"#
      )
    }
  }

  private func report(_ day: Day, clock: Int, line: (Int, String, String) -> String, heard: [(Int, String, String)])
    -> LogReport
  {
    let application = heard.map { line($0.0 + clock, $0.1, $0.2) }.joined(separator: "\n")
    return LogText.report([day.balancer.joined(separator: "\n")], application: application)
  }

  private static func json(_ time: Int, _ method: String, _ path: String) -> String {
    #"{"level":30,"time":"\#(LogWitnessTests.time(time))","req":{"method":"\#(method)","url":"\#(path)"},"msg":"request completed"}"#
  }

  private static func words(_ time: Int, _ method: String, _ path: String) -> String {
    #"\#(LogWitnessTests.time(time)) INFO  web[7]: "\#(method) \#(path) HTTP/1.1" 200 OK in 38ms"#
  }

  private static func pairs(_ time: Int, _ method: String, _ path: String) -> String {
    "\(LogWitnessTests.time(time)) method=\(method) path=\(path) status=200"
  }

  /// Clocks that differ, no ID in common, a busy path: what the application never saw is told from what it did.
  @Test(arguments: [0, 1_300, -90_000, 7_200_000], [0, 1, 2])
  func requestsAreMatchedByTimeAndRequestLine(_ clock: Int, _ form: Int) {
    let line = [LogWitnessTests.json, LogWitnessTests.words, LogWitnessTests.pairs][form]
    var numbers = SeededLogNumbers(UInt64(7 + abs(clock) + form))
    var day = Day()
    var heard: [(Int, String, String)] = []
    var time = 0
    for index in 0..<600 {
      time += Int.random(in: 5...900, using: &numbers)
      let path = index % 3 == 0 ? "/orders" : "/products/\(Int.random(in: 0..<200, using: &numbers))"
      let isLost = index % 60 == 30
      let isDied = index % 200 == 111
      day.request(at: time, "POST", path, isAnswered: !isLost && !isDied)
      if !isLost { heard.append((time, "POST", path)) }
    }
    let report = report(day, clock: clock, line: line, heard: heard)
    #expect(LogText.classes(report) == ["race": 10, "died": 3])
    #expect(report.neverSeen == 10 && report.seen == 3)
    let text = LogTextReport(report, ink: Ink(isColoured: false))
    #expect(
      text.answer
        == "Yes: the application never saw 10 requests of 600: lost to the keep-alive race (medium confidence).")
    let offset = report.witness?.match?.offset?.count ?? .max
    #expect(abs(offset - Int64(clock) * 1_000_000) < 100_000_000)
  }

  /// The log of one of three instances proves nothing.
  @Test func halfALogSettlesNothing() {
    var day = Day()
    var heard: [(Int, String, String)] = []
    for index in 0..<300 {
      let isLost = index % 60 == 30
      day.request(at: index * 700, "GET", "/products/\(index % 40)", isAnswered: !isLost)
      if !isLost, index % 3 == 0 { heard.append((index * 700, "GET", "/products/\(index % 40)")) }
    }
    let report = report(day, clock: 0, line: LogWitnessTests.words, heard: heard)
    #expect(report.seen == 0 && report.neverSeen == 0)
    #expect(LogText.classes(report) == ["race": 5])
    #expect(LogTextReport(report, ink: Ink(isColoured: false)).text().contains("give the logs of all instances"))
  }

  /// An application that writes a line when a request comes and one when it is done.
  @Test func severalLinesForEachRequest() {
    var day = Day()
    var heard: [(Int, String, String)] = []
    for index in 0..<300 {
      let isLost = index % 60 == 30
      day.request(at: index * 1_700, "GET", "/products/\(index % 4)", isAnswered: !isLost)
      if !isLost {
        heard += [
          (index * 1_700, "GET", "/products/\(index % 4)"), (index * 1_700 + 30, "GET", "/products/\(index % 4)"),
        ]
      }
    }
    let report = report(day, clock: 400, line: LogWitnessTests.words, heard: heard)
    #expect(report.neverSeen == 5 && report.seen == 0)
  }

  /// No failed request is in the application's log, but answered ones are: their IDs show that it writes IDs.
  @Test func answeredIDsShowThatTheApplicationWritesIDs() {
    var day = Day()
    day.request(at: 0, "POST", "/orders", isAnswered: true)
    day.request(at: 1_000, "POST", "/orders", isAnswered: false)
    day.request(at: 2_000, "POST", "/orders", isAnswered: true)
    let application = """
      \(Self.time(0)) received Root=1-67891233-1000000001
      \(Self.time(2_000)) received Root=1-67891233-1000000003
      """
    let report = LogText.report([day.balancer.joined(separator: "\n")], application: application)
    #expect(report.neverSeen == 1 && report.witness?.isSettledByIDs == true)
    #expect(report.failures.first?.confidence == .high)
  }
}
