import Core
import Foundation
import Host
import Support
import Testing

/// `photofinish capture` and `photofinish explain` as programs: what they print where, and how they end.
@Suite struct CaptureCommandTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  /// Standard output and standard error together, and the exit code.
  private func run(_ arguments: String) throws -> (status: Int32?, text: String) {
    let log = directory.path + "/output"
    let script = "cd '\(BuiltProgram.fixtures)/Captures' && '\(BuiltProgram.photofinish)' \(arguments)"
    let program = try ChildProcess(["bash", "-o", "pipefail", "-c", script], output: .file(path: log))
    let status = program.wait(atMost: .seconds(60))
    return (status, BuiltProgram.text(ofFile: log) ?? "")
  }

  // MARK: The answer and the exit code

  @Test(arguments: [
    ("crossing-fin.client.pcap", 1), ("clean.client.pcap", 0), ("closed-while-handling.client.pcap", 0),
    ("closed-while-handling.client.pcap --fail-on any", 1), ("crossing-fin.client.pcap --fail-on none", 0),
    ("crossing-fin.client.pcap --fail-on crossing-rst", 0), ("crossing-fin.client.pcap --fail-on crossing-fin", 1),
    ("crossing-fin.client.pcap --host 10.9.9.9", 0), ("crossing-fin.client.pcap --port 8080", 1),
  ])
  func exitCodesAreAnInterface(_ arguments: String, status: Int32) throws {
    let result = try run("capture " + arguments)
    #expect(result.status == status, "\(result.text)")
  }

  @Test func theFirstLineAnswers() throws {
    #expect(try run("capture crossing-fin.client.pcap").text.hasPrefix("Yes: 2 requests of 7 were lost"))
    #expect(try run("capture clean.client.pcap").text.hasPrefix("No: every one of"))
    #expect(try run("capture closed-while-handling.client.pcap").text.hasPrefix("No: no request was lost"))
  }

  @Test(arguments: [
    ("nosuch.pcap", "nosuch.pcap cannot be opened: No such file"), ("/dev/null", "the file is empty"),
    ("- < ../servers/node-server.mjs", "not a capture"), ("", "capture file"),
    ("clean.client.pcap --fail-on nonsense", "knows race, reuse, any, none"),
    ("clean.client.pcap --from yesterday", "yesterday"), ("clean.client.pcap --host nowhere", "nowhere"),
    ("clean.client.pcap --ladder 1", "1"),
  ])
  func misuseAndUnreadableInputExitWith2(_ arguments: String, says: String) throws {
    let result = try run("capture " + arguments)
    #expect(result.status == 2, "\(result.text)")
    #expect(result.text.contains(says), "\(result.text)")
    #expect(!result.text.contains("nosuch.pcap: nosuch.pcap"))
  }

  @Test func aDamagedCaptureIsJudgedAsFarAsItGoes() throws {
    let clean = try run("capture - < <(head -c 600 crossing-fin.client.pcap)")
    #expect(clean.status == 3)
    #expect(clean.text.hasPrefix("Nothing found in what could be read"))
    #expect(clean.text.contains("ends inside a packet at byte"))
    let lost = try run("capture - < <(head -c 3000 crossing-fin.client.pcap)")
    #expect(lost.status == 1, "what was found stays found: \(lost.text)")
  }

  /// The link type of the file's header is one that nobody reads: exit code 3, in every form of the report.
  @Test(arguments: ["", "--output json", "--output ndjson", "--fail-on any"])
  func whatCannotBeReadIsNoAnswer(_ options: String) throws {
    let strange =
      "<(head -c 20 crossing-fin.client.pcap; printf '\\223\\0\\0\\0'; tail -c +25 crossing-fin.client.pcap)"
    let result = try run("capture \(options) \(strange)")
    #expect(result.status == 3, "\(result.text)")
    #expect(result.text.contains("Nothing could be read"), "\(result.text)")
    #expect(result.text.contains("link type 147"), "\(result.text)")
  }

  // MARK: Input

  @Test(arguments: [
    "gzip -c", "zstd -q -c", "xz -c", "xz -9e -T 2 --block-size=500 -c", "cat",
    #"printf '\x50\x2a\x4d\x18\x04\0\0\0abcd'; zstd -q -c"#,
    // Two streams, with padding between and behind them.
    "(head -c 1000 | xz -c; printf '\\0\\0\\0\\0'; xz -c; printf '\\0\\0\\0\\0') <",
  ]) func packedCapturesAndPipesAreRead(_ packer: String) throws {
    let plain = try run("capture --verdicts crossing-fin.client.pcap")
    let packed = try run("capture --verdicts - < <(\(packer) crossing-fin.client.pcap)")
    #expect(packed.text == plain.text)
    #expect(plain.text.contains("crossing-fin"))
  }

  @Test func bothSidesOfAPathAreJoined() throws {
    let both = try run("capture --verdicts crossing-fin.client.pcap crossing-fin.server.pcap")
    #expect(both.text.split(separator: "\n").count == 2, "what both saw is told once: \(both.text)")
  }

  @Test func aClosedPipeEndsItQuietly() throws {
    let result = try run("capture --verdicts *.client.pcap | head -n 1")
    #expect(result.text.split(separator: "\n").count == 1, "\(result.text)")
    #expect(!result.text.contains("rror"))
  }

  // MARK: Output

  @Test func jsonIsOneDocumentAndNDJSONOneObjectALine() throws {
    let json = try run("capture --output json crossing-fin.client.pcap").text
    let document = try JSONSerialization.jsonObject(with: Data(json.utf8))
    #expect(document is [String: Any])
    let lines = try run("capture --output ndjson crossing-fin.client.pcap").text.split(separator: "\n")
    #expect(lines.count >= 2)
    for line in lines {
      let object = try JSONSerialization.jsonObject(with: Data(line.utf8))
      #expect(object is [String: Any], "\(line)")
    }
  }

  @Test func nothingIsColouredBehindAPipe() throws {
    for arguments in [
      "crossing-fin.client.pcap", "--ladder 1 crossing-fin.client.pcap", "--verdicts crossing-fin.client.pcap",
    ] {
      #expect(try !run("capture " + arguments).text.contains("\u{1b}["))
    }
  }

  @Test func aLadderShowsBothEnds() throws {
    let text = try run("capture --ladder 1 crossing-fin.client.pcap").text
    for part in ["FIN", "RST", "CLOSE", "ESTABLISHED"] { #expect(text.contains(part), "\(text)") }
  }

  @Test func aReportNeedsNothingElse() throws {
    let path = directory.path + "/report.html"
    _ = try run("capture --html '\(path)' crossing-fin.client.pcap")
    let html = try #require(BuiltProgram.text(ofFile: path))
    #expect(html.contains("<svg") && html.contains("prefers-color-scheme"))
    for outside in ["src=\"http", "href=\"http", "@import", "url(http"] { #expect(!html.contains(outside)) }
  }

  @Test func cutOutPacketsAreACaptureForOthersToo() throws {
    let path = directory.path + "/cut.pcapng"
    _ = try run("capture --write-pcap '\(path)' crossing-fin.client.pcap clean.client.pcap")
    #expect(try run("capture '\(path)'").text.hasPrefix("Yes: 2 requests of"))
    let log = directory.path + "/tshark"
    let tshark = try ChildProcess(
      ["tshark", "-r", path, "-T", "fields", "-e", "tcp.stream"], output: .file(path: log))
    #expect(tshark.wait(atMost: .seconds(60)) == 0)
    let streams = Set((BuiltProgram.text(ofFile: log) ?? "").split(separator: "\n").map(String.init))
    #expect(streams.subtracting(["0", "1"]).filter { Int($0) != nil }.isEmpty, "only those with findings: \(streams)")
  }

  // MARK: explain

  @Test(arguments: FindingKind.allCases) func everyKindIsExplained(_ kind: FindingKind) throws {
    let result = try run("explain \(kind.rawValue)")
    #expect(result.status == 0)
    #expect(result.text.count > 200, "\(result.text)")
  }

  @Test func anUnknownKindIsNamed() throws {
    let result = try run("explain crossing-fn")
    #expect(result.status == 2, "\(result.text)")
    #expect(result.text.contains("crossing-fin"))
  }
}
