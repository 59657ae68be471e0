import Foundation
import Host
import Support
import Testing

/// `photofinish logs` as a program: what it reads, prints, and how it ends.
@Suite struct LogsCommandTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func run(_ script: String) throws -> (status: Int32?, text: String) {
    let log = directory.path + "/output"
    let program = try ChildProcess(
      [
        "bash", "-o", "pipefail", "-c",
        "cd '\(directory.path)' && photofinish() { '\(BuiltProgram.photofinish)' \"$@\"; }; " + script,
      ],
      output: .file(path: log))
    let status = program.wait(atMost: .seconds(120))
    return (status, BuiltProgram.text(ofFile: log) ?? "")
  }

  private func write(_ text: String, _ name: String) throws {
    try Data(text.utf8).write(to: URL(filePath: directory.path + "/" + name))
  }

  private static let race =
    #"https 2026-01-15T12:30:45.123456Z app/web/0a1b 192.0.2.10:54321 198.51.100.7:3000 0.001 0.004 -1 502 - 312 272 "POST https://shop.example:443/orders?token=secret HTTP/1.1" "-" ECDHE TLSv1.2 arn:tg "Root=1-67891233-abcdef012345678912345678" "shop.example" "-" 0 2026-01-15T12:30:45.118000Z "forward" "-" "-" "198.51.100.7:3000" "-" "-" "-" TID_0"#
    + "\n"
  private static var timeout: String { race.replacing("0.001 0.004 -1 502", with: "-1 -1 -1 504") }
  private static var success: String { race.replacing("0.004 -1 502 -", with: "0.004 0.000 200 200") }
  private static let combined =
    #"192.0.2.10 - - [15/Jan/2026:12:30:45 +0000] "POST /orders HTTP/1.1" 502 157 "-" "curl/8""# + "\n"

  @Test func exitCodesAreAnInterface() throws {
    try write(Self.success + Self.race, "race.log")
    try write(Self.success + Self.timeout, "timeout.log")
    try write(Self.combined, "combined.log")
    try write("\u{0}\u{1}\u{2}nothing\n", "binary.log")
    #expect(try run("photofinish logs race.log").status == 1)
    #expect(try run("photofinish logs timeout.log").status == 0)
    #expect(try run("photofinish logs combined.log").status == 3)
    #expect(try run("photofinish logs binary.log").status == 2)
    #expect(try run("photofinish logs no-such-file.log").status == 2)
    #expect(try run("photofinish logs").status == 2)
    #expect(try run("photofinish logs --within 0 race.log").status == 2)
    #expect(try run("photofinish logs --server 198.51.100.9 race.log").status == 3)
    #expect(try run("photofinish logs --server 198.51.100.7 race.log").status == 1)
    #expect(try run("photofinish logs --since 2026-01-16T00:00:00Z race.log").status == 3)
  }

  @Test func theFirstLineAnswers() throws {
    try write(Self.success + Self.race, "race.log")
    let result = try run("photofinish logs race.log")
    #expect(result.text.hasPrefix("Yes: 1 request of 2 was lost to the keep-alive race"))
    #expect(!result.text.contains("secret"))
    #expect(!result.text.contains("192.0.2.10"))
    #expect(!result.text.contains("\u{1b}"))
  }

  @Test func packedFilesFoldersAndStandardInput() throws {
    try write(Self.success + Self.race, "race.log")
    let setUp =
      "mkdir -p logs/day/1 && gzip -c race.log > logs/day/1/a.gz && zstd -q race.log -o logs/day/b.zst && cp race.log logs/c.log"
    let all = try run(setUp + " && photofinish logs logs --output json")
    #expect(all.text.contains(#""classes":{"race":3}"#), "\(all.text)")
    #expect(try run("cat race.log | photofinish logs - --output json").text.contains(#""classes":{"race":1}"#))
    #expect(try run("zcat logs/day/1/a.gz | photofinish logs - --output ndjson").text.contains(#""type":"failure""#))
    #expect(try run("photofinish logs race.log --output csv").text.hasPrefix("time_utc,class,"))
  }

  /// A gigabyte without a line end is passed over in bounded memory, and the lines around it are judged.
  @Test func aLineWithoutAnEndIsPassedOver() throws {
    try write(Self.race, "race.log")
    let result = try run(
      """
      (cat race.log; head -c 300000000 /dev/zero | tr '\\0' 'x'; echo; cat race.log) > long.log
      ulimit -v 4000000; photofinish logs long.log --output json
      """)
    #expect(result.text.contains(#""classes":{"race":2}"#), "\(result.text.prefix(2_000))")
    #expect(result.text.contains(#""overlong_lines":1"#))
  }

  /// Blocks are cut anywhere; no line may be lost or read twice.
  @Test(arguments: [1, 2, 7])
  func manyBlocksAndThreads(_ threads: Int) throws {
    try write(Self.success, "success.log")
    try write(Self.race, "race.log")
    let result = try run(
      """
      for i in $(seq 300); do cat success.log; done > part; cat race.log >> part
      for i in $(seq 200); do cat part; done > many.log
      photofinish logs many.log --threads \(threads) --output json
      """)
    #expect(result.text.contains(#""classes":{"race":200}"#), "\(result.text.prefix(2_000))")
    #expect(result.text.contains(#""requests":60200"#))
    #expect(result.text.contains(#""lines":60200"#))
  }

  // MARK: Beside the files

  /// DuckDB and ClickHouse judge the same log by the printed queries, and come to the same figures.
  @Test func theQueriesAgreeWithTheCommand() throws {
    let script = BuiltProgram.fixtures + "/../../script/sql-check"
    let result = try run("'\(script)' --quiet --photofinish '\(BuiltProgram.photofinish)'")
    #expect(result.status == 0, "\(result.text)")
  }

  @Test func theApplicationsLogSettlesIt() throws {
    let other = Self.race.replacing("1-67891233-abcdef012345678912345678", with: "1-77777777-abcdef012345678912345678")
    let answered = Self.success.replacing(
      "1-67891233-abcdef012345678912345678", with: "1-88888888-abcdef012345678912345678")
    try write(Self.race + other + answered, "alb.log")
    try write(
      """
      2026-01-15T12:30:40Z started
      2026-01-15T12:30:45Z POST /orders trace=Root=1-77777777-abcdef012345678912345678 received
      2026-01-15T12:30:45Z POST /orders trace=Root=1-88888888-abcdef012345678912345678 done
      2026-01-15T12:30:50Z idle
      """, "app.log")
    let result = try run("photofinish logs alb.log --application app.log --output json")
    #expect(result.text.contains(#""classes":{"race":1,"died":1}"#), "\(result.text)")
    #expect(result.text.contains(#""never_seen_by_application":1"#))
    #expect(result.text.contains(#""confidence":{"race":{"high":1}"#))
  }

  /// Two layers on one command line are joined without being asked to: the one behind shows which of the failed requests arrived.
  @Test func twoLogsOnOneCommandLineAreJoined() throws {
    let other = Self.race.replacing("1-67891233-abcdef012345678912345678", with: "1-77777777-abcdef012345678912345678")
    let answered = Self.success.replacing(
      "1-67891233-abcdef012345678912345678", with: "1-88888888-abcdef012345678912345678")
    try write(Self.race + other + answered, "alb.log")
    func behind(_ trace: String, second: Int = 45) -> String {
      #"10.0.0.9 - - [15/Jan/2026:12:30:\#(second) +0000] "POST /orders?token=secret HTTP/1.1" 200 12 "-" "-" 98 0.004 [app] [] 10.0.0.7:3000 12 0.004 200 Root="#
        + trace + "\n"
    }
    let seen = ["1-77777777", "1-88888888"].map { behind($0 + "-abcdef012345678912345678") }.joined()
    try write(
      behind("1-66666666-abcdef012345678912345678", second: 40) + seen
        + behind("1-99999999-abcdef012345678912345678", second: 50), "access.log")
    let result = try run("photofinish logs access.log alb.log --output json")
    #expect(result.text.contains(#""classes":{"race":1,"died":1}"#), "\(result.text)")
    #expect(result.text.contains(#""never_seen_by_application":1"#), "\(result.text)")
  }

  /// The error log is read first, and says which answered requests are wanted: what comes by standard input cannot be read twice.
  @Test func theErrorLogGoesBeforeStandardInput() throws {
    let request = #"192.0.2.10 - - [15/Jan/2026:12:30:45 +0000] "GET /orders HTTP/1.1" 200 157 "-" "curl/8""# + "\n"
    try write(request + Self.combined, "access.log")
    try write(
      #"2026/01/15 12:30:45 [error] 31#31: *1 upstream prematurely closed connection while reading response header from upstream, client: 192.0.2.10, server: _, request: "GET /orders HTTP/1.1", upstream: "http://10.0.0.7:3000/orders", host: "x""#
        + "\n", "error.log")
    for command in ["cat access.log | photofinish logs - error.log", "photofinish logs access.log error.log"] {
      let result = try run(command + " --output json")
      #expect(result.text.contains(#""classes":{"repaired":1}"#), "\(command): \(result.text)")
    }
  }

  @Test func thePageNeedsNothingElse() throws {
    try write(Self.success + Self.race, "race.log")
    let result = try run("photofinish logs race.log --html page.html > /dev/null; cat page.html")
    #expect(result.text.hasPrefix("<!doctype html>"))
    #expect(!result.text.contains("http://") && !result.text.contains("<script"))
  }

  /// What is appended is judged when it comes, across a rotation and a truncation; the signal ends it with the summary.
  @Test func whatIsAppendedIsFollowed() throws {
    try write(Self.race, "old.log")
    try write(Self.race.replacing("/orders", with: "/rotated-away"), "rotated.log")
    // Shorter than what was there, so that the file has been cut whenever it is looked at.
    try write(Self.race.replacing("/orders", with: "/c"), "cut.log")
    let result = try run(
      """
      cp old.log live.log; : > out
      '\(BuiltProgram.photofinish)' logs --follow --output ndjson live.log > out & pid=$!
      told() { until grep -q '"target":"'$1 out; do sleep 0.1; done; }
      until grep -q '"target":"/orders' out; do cat old.log >> live.log; sleep 0.1; done
      mv live.log live.log.1; cat rotated.log > live.log
      told /rotated-away
      cat cut.log > live.log
      told /c
      kill -INT $pid; wait $pid; echo "status $?"; cat out
      """)
    #expect(result.text.contains("status 1\n"), "\(result.text)")
    #expect(result.text.contains(#""type":"summary""#))
    let lines = result.text.split(separator: "\n")
    let failures = lines.filter { $0.contains(#""type":"failure""#) }.count
    #expect(lines.contains { $0.contains(#""classes":{"race":\#(failures)}"#) }, "\(result.text)")
  }

  @Test func standardInputIsFollowedToItsEnd() throws {
    try write(Self.success + Self.race, "race.log")
    let result = try run("(cat race.log; sleep 0.5; cat race.log) | photofinish logs --follow -")
    #expect(result.status == 1)
    #expect(result.text.contains("Yes: 2 requests of 4"), "\(result.text)")
  }

  // MARK: Formats

  @Test func theFormatComesFromAConfiguration() throws {
    try write(
      "http { log_format lean '$time_iso8601|$request|$status|$upstream_status|$upstream_response_time'; }\n",
      "nginx.conf")
    try write("2026-01-15T12:30:45+00:00|POST /orders HTTP/1.1|502|502|0.002\n", "access.log")
    for arguments in ["--format nginx.conf access.log", "nginx.conf access.log", "."] {
      let result = try run("photofinish logs \(arguments)")
      #expect(result.text.hasPrefix("Yes: 1 request of 1"), "\(arguments): \(result.text)")
    }
    try write("events {}\n", "empty.conf")
    #expect(try run("photofinish logs --format empty.conf access.log").status == 2)
  }
}
