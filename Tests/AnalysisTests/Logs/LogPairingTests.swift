import Core
import Testing

@testable import Analysis

/// Lines of several logs about one request, several lines of one log, and what a cluster of failures is.
@Suite struct LogPairingTests {
  private static let errorLine =
    #"2026/01/15 12:30:45 [error] 31#31: *641 upstream prematurely closed connection while reading response header from upstream, client: 192.0.2.10, server: shop.example, request: "POST /orders HTTP/1.1", upstream: "http://198.51.100.7:3000/orders", host: "shop.example""#
  private static let accessLine =
    #"192.0.2.10 - - [15/Jan/2026:12:30:45 +0000] "POST /orders HTTP/1.1" 502 157 "-" "curl/8""#

  @Test func nginxErrorAndAccessAreOneRequest() {
    let report = LogText.report([Self.errorLine, Self.accessLine])
    #expect(LogText.classes(report) == ["race": 1])
    #expect(report.unexplained == 0)
    #expect(report.failures.first?.status == 502)
    #expect(LogText.classes(LogText.report([Self.accessLine, Self.errorLine])) == ["race": 1])
  }

  @Test func theAccessLineTellsHowLongItTook() {
    let slow = Self.accessLine + #" rt=9.000 uct="0.000" uht="-" urt="9.000" us="502""#
    #expect(LogText.classes(Self.errorLine, slow) == ["died": 1])
    let fast = Self.accessLine + #" rt=0.002 uct="0.000" uht="-" urt="0.002" us="502""#
    let report = LogText.report([Self.errorLine, fast])
    #expect(LogText.classes(report) == ["race": 1])
    #expect(report.failures.first?.confidence == .high)
  }

  @Test func theErrorLogTellsARefusedConnectionFromAClose() {
    let access = Self.accessLine + #" rt=0.002 uht="-" urt="0.002" us="502""#
    let refused = Self.errorLine.replacing(
      "upstream prematurely closed connection while reading response header from upstream",
      with: "connect() failed (111: Connection refused) while connecting to upstream")
    #expect(LogText.classes(access) == ["race": 1])
    #expect(LogText.classes(access, refused) == ["refused": 1])
  }

  @Test func aRequestThatNginxSentAgainIsRepaired() {
    let success = Self.accessLine.replacing("502 157", with: "200 12")
    #expect(LogText.classes(Self.errorLine, success) == ["repaired": 1])
    // Another client's success has nothing to do with it.
    let other = success.replacing("192.0.2.10", with: "192.0.2.11")
    #expect(LogText.classes(Self.errorLine, other) == ["race": 1])
  }

  @Test func theAccessLogAloneIsInconclusive() {
    let report = LogText.report(Self.accessLine)
    #expect(report.total == 0 && report.unexplained == 1 && report.exitCode == 3)
  }

  @Test func twoRequestsAreTwo() {
    let later = Self.errorLine.replacing("12:30:45", with: "12:30:55")
    let laterAccess = Self.accessLine.replacing("12:30:45", with: "12:30:55")
    #expect(LogText.classes(Self.errorLine + "\n" + later, Self.accessLine + "\n" + laterAccess) == ["race": 2])
    #expect(LogText.classes(Self.errorLine + "\n" + later) == ["race": 2])
  }

  @Test func aRequestIDJoinsTwoLayers() {
    let balancer =
      #"{"timestamp":"2026-01-15T12:30:45.5Z","httpRequest":{"requestMethod":"POST","requestUrl":"https://shop.example/orders","status":502,"latency":"0.004s"},"jsonPayload":{"statusDetails":"backend_connection_closed_before_data_sent_to_client"},"trace":"abc-1"}"#
    let proxy =
      #"{"start_time":"2026-01-15T12:30:45.123Z","method":"POST","path":"/orders","response_code":503,"response_flags":"UC","response_code_details":"upstream_reset_before_response_started{connection_termination}","duration":1,"upstream_host":"198.51.100.7:3000","request_id":"abc-1"}"#
    #expect(LogText.classes(balancer, proxy) == ["race": 1])
    #expect(LogText.classes(balancer, proxy.replacing("abc-1", with: "abc-2")) == ["race": 2])
    // A number that a counter reached twice is no request ID.
    #expect(LogText.classes(balancer, proxy.replacing("T12:30", with: "T13:30")) == ["race": 2])
  }

  @Test func aLayerThatGaveUpIsTheClientThatLeftTheNext() {
    let balancer =
      #"https 2026-01-15T12:30:45.123456Z app/web/0a1b 192.0.2.10:54321 198.51.100.7:3000 0.001 -1 -1 504 - 312 272 "POST https://shop.example:443/orders HTTP/1.1" "-" ECDHE TLSv1.2 arn:tg "Root=1-67891233-abcdef012345678912345678" "shop.example" "-" 0 2026-01-15T12:30:45.118000Z "forward" "-" "-" "198.51.100.7:3000" "-" "-" "-" TID_0"#
    let proxy =
      #"10.0.0.9 - - [15/Jan/2026:12:30:45 +0000] "POST /orders HTTP/1.1" 499 0 "-" "-" rt=30.001 us="-""#
    #expect(LogText.classes(balancer, proxy) == ["timeout": 1])
    #expect(LogText.classes(proxy, balancer) == ["timeout": 1])
    #expect(LogText.classes(balancer, proxy.replacing("/orders", with: "/cart")) == ["timeout": 1, "client-gone": 1])
    #expect(
      LogText.classes(balancer, proxy.replacing("12:30:45", with: "12:31:45")) == ["timeout": 1, "client-gone": 1])
  }

  // MARK: - The idle timeout

  /// Requests to one server at random gaps, and a race whenever a gap is about five seconds.
  static func traffic(_ seed: UInt64, count: Int = 2_000, races: Int = 12) -> String {
    var numbers = SeededLogNumbers(seed)
    var text = ""
    var time: Int64 = 1_768_480_000_000_000_000
    for index in 0..<count {
      let isRace = index % (count / races) == count / races - 1
      time +=
        isRace
        ? Int64.random(in: 4_980_000_000...5_004_000_000, using: &numbers)
        : Int64.random(in: 1_000_000...9_000_000_000, using: &numbers)
      let stamp = Display.dateAndTime(Instant(nanoseconds: time + 4_000_000))
      text +=
        "https \(stamp) app/web/0a1b 192.0.2.10:54321 198.51.100.7:3000 0.000 0.004 "
        + (isRace ? "-1 502 -" : "0.000 200 200")
        + " 312 272 \"POST https://shop.example:443/orders HTTP/1.1\" \"curl/8\" ECDHE TLSv1.2 arn:tg \"Root=1-\(index)\" \"shop.example\" \"-\" 0 \(stamp) \"forward\" \"-\" \"-\" \"198.51.100.7:3000\" \"-\" \"-\" \"-\" TID_0\n"
      time += 4_000_000
    }
    return text
  }

  @Test(arguments: [1, 2, 3, 4, 5] as [UInt64])
  func failuresAtOneGapAreTheIdleTimeout(_ seed: UInt64) throws {
    let report = LogText.report(Self.traffic(seed))
    let server = try #require(report.servers.first)
    let estimate = try #require(server.estimate)
    #expect(abs(estimate.timeout.inSeconds - 5) < 0.05, "seed \(seed): \(estimate)")
    #expect(estimate.confidence == .high, "seed \(seed)")
  }

  @Test(arguments: [2, 3, 7, 50])
  func readInPiecesTheFiguresAreTheSame(_ pieces: Int) {
    let text = Self.traffic(7)
    let whole = LogText.report([text])
    let parts = LogText.report([text], pieces: pieces)
    #expect(whole.failures.map(\.gap) == parts.failures.map(\.gap))
    #expect(whole.failures.map(\.line) == parts.failures.map(\.line))
    #expect(whole.servers.map(\.requests) == parts.servers.map(\.requests))
    #expect(whole.hours.map(\.figures.requests) == parts.hours.map(\.figures.requests))
    #expect(LogJSONReport(whole).document() == LogJSONReport(parts).document())
  }

  @Test func theOrderOfFilesDoesNotMatter() {
    let lines = Self.traffic(9).split(separator: "\n").map(String.init)
    let first = lines[..<900].joined(separator: "\n")
    let second = lines[900...].joined(separator: "\n")
    let forward = LogText.report([first, second])
    let backward = LogText.report([second, first])
    #expect(forward.failures.map(\.gap) == backward.failures.map(\.gap))
    #expect(forward.classes == backward.classes)
  }

  // MARK: - Restarts

  @Test func closesAroundRefusalsAreARestart() {
    func line(_ second: Int, _ rest: String) -> String {
      #"192.0.2.10:54321 [15/Jan/2026:12:30:\#(second).361] web~ app/n1 \#(rest) 12/12/3/1/0 0/0 "POST /orders HTTP/1.1""#
    }
    var lines = [line(10, "0/0/0/-1/2 502 208 - - SH--")]
    for second in 30...33 { lines.append(line(second, "0/0/0/-1/2 502 208 - - SH--")) }
    for second in 32...36 { lines.append(line(second, "0/0/-1/-1/3007 503 0 - - SC--")) }
    let report = LogText.report(lines.joined(separator: "\n"))
    #expect(LogText.classes(report) == ["race": 1, "died": 4, "refused": 5])
    #expect(report.restarts == 1)
  }

  // MARK: - Untrusted text

  @Test func nothingForgedReachesTheTerminal() {
    let text =
      Self.errorLine.replacing("POST /orders", with: "POST /\u{1b}]0;owned\u{7}\u{9b}31m?token=secret")
      + "\n\u{1b}[2Jnot a line of a log\n"
    let report = LogText.report(text)
    for output in [
      LogTextReport(report, ink: Ink(isColoured: false)).text(),
      LogTextReport(report, ink: Ink(isColoured: false)).verdicts(),
      LogJSONReport(report).document(), LogCSVReport(report).text(),
    ] {
      #expect(
        !output.unicodeScalars.contains { $0.value == 0x1b || $0.value == 0x07 || (0x80..<0xa0).contains($0.value) })
      #expect(!output.contains("secret"))
      #expect(!output.contains("192.0.2.10"))
    }
  }

  @Test func binaryAndHalfLinesAreNoTrap() {
    var numbers = SeededLogNumbers(11)
    let lines = Array((Self.traffic(3, count: 40, races: 2) + Self.errorLine + "\n" + Self.accessLine).utf8)
    for _ in 0..<400 {
      var bytes = lines
      for _ in 0..<Int.random(in: 1...30, using: &numbers) {
        bytes[Int.random(in: bytes.indices, using: &numbers)] = UInt8.random(in: 0...255, using: &numbers)
      }
      bytes.removeLast(Int.random(in: 0..<bytes.count, using: &numbers))
      var reader = LogReader(LogQuestion())
      // Safe: bytes have no padding.
      unsafe reader.read(bytes.span.bytes)
      let report = LogReport(parts: [("log", reader.takeTally(), nil)], problems: [], question: LogQuestion())
      _ = LogTextReport(report, ink: Ink(isColoured: false)).text()
    }
  }

  // MARK: - Wrappings

  @Test(arguments: [
    "Jan 15 12:30:45 edge nginx[12]: ", "<134>Jan 15 12:30:45 edge nginx: ", "[pod/web-5d/nginx] ",
    "2026-01-15T12:30:45.123456789Z stderr F ", "web-1  | ", "",
  ])
  func prefixesAreSeenThrough(_ prefix: String) {
    #expect(LogText.classes(prefix + Self.errorLine) == ["race": 1])
  }

  @Test func dockersLinesAreUnpacked() {
    let escaped = Self.errorLine.replacing("\"", with: "\\\"")
    #expect(
      LogText.classes("{\"log\":\"\(escaped)\\n\",\"stream\":\"stderr\",\"time\":\"2026-01-15T12:30:45Z\"}") == [
        "race": 1
      ])
  }
}

/// The same numbers for the same seed.
struct SeededLogNumbers: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }
  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state &* 0x2545_f491_4f6c_dd1d
  }
}
