import Core
import Foundation
import Host
import Testing

/// Lines of the access log, byte by byte.
struct AccessFormatTests {
  /// 2026-11-26 13:05:09.042 UTC.
  private static let wall: Int64 = 1_795_698_309_042_000_000

  private var record: AccessLine.Record {
    var record = AccessLine.Record()
    record.wallNanoseconds = Self.wall
    record.client = "192.0.2.7"
    record.clientRequests = 3
    record.requestLine = Array("GET /a?b=...".utf8)
    record.requestID = Array("r1".utf8)
    record.status = 200
    record.bytesOut = 2_326
    record.duration = .microseconds(12_345)
    record.untilLeased = .microseconds(1_500)
    record.untilHead = .milliseconds(10)
    record.server = "127.0.0.1:3000"
    record.upstreamName = "app"
    record.route = "api"
    record.connection = 0xab
    record.facts = LeaseFacts(
      connection: ConnectionID(slot: 1, generation: 1), idleAge: .milliseconds(250), connectionAge: .seconds(2),
      uses: 4)
    record.idleWindow = .milliseconds(4_700)
    record.attempts = 1
    return record
  }

  private func line(
    _ access: LogSettings.AccessLogFormat, _ record: AccessLine.Record, _ change: (inout LogSettings) -> Void = { _ in }
  ) -> String {
    var settings = LogSettings()
    settings.access = access
    change(&settings)
    var line: [UInt8] = []
    AccessFormat(settings).append(record, to: &line)
    return String(decoding: line, as: UTF8.self)
  }

  private func custom(_ template: String, _ record: AccessLine.Record) throws -> String {
    line(try LogSettings.AccessLogFormat(parsing: template), record)
  }

  private func captured(_ values: String?...) -> CapturedFields {
    var captured = CapturedFields()
    for value in values { captured.add(value.map { Array($0.utf8) }) }
    return captured
  }

  @Test func offWritesNothing() {
    #expect(line(.off, record) == "")
  }

  @Test func common() {
    #expect(
      line(.common, record)
        == "192.0.2.7 - - [26/Nov/2026:13:05:09 +0000] \"GET /a?b=... HTTP/1.1\" 200 2326\n")
  }

  @Test func combined() {
    var record = record
    record.requestFields = captured("https://example.com/", "curl/8")
    #expect(
      line(.combined, record)
        == "192.0.2.7 - - [26/Nov/2026:13:05:09 +0000] \"GET /a?b=... HTTP/1.1\" 200 2326 \"https://example.com/\" \"curl/8\"\n"
    )
  }

  @Test func combinedWithoutAnything() {
    var record = record
    record.requestLine = Array("-".utf8)
    record.status = 400
    record.bytesOut = 0
    #expect(
      line(.combined, record) == "192.0.2.7 - - [26/Nov/2026:13:05:09 +0000] \"-\" 400 0 \"-\" \"-\"\n")
  }

  @Test func text() {
    #expect(
      line(.text, record)
        == "2026-11-26T13:05:09.042Z 192.0.2.7 \"GET /a?b=...\" 200 bytes_in=0 bytes_out=2326 duration_ms=12.345 lease_ms=1.500 head_ms=10.000 upstream=127.0.0.1:3000 conn=ab reused=yes idle_ms=250.000 age_ms=2000.000 uses=4 attempts=1 id=r1\n"
    )
  }

  @Test func json() {
    #expect(
      line(.json, record)
        == #"{"time":"2026-11-26T13:05:09.042Z","client":"192.0.2.7","request":"GET /a?b=...","request_id":"r1","status":200,"request_body_bytes":0,"response_body_bytes":2326,"duration_ms":12.345,"until_leased_ms":1.500,"until_head_ms":10.000,"upstream":"127.0.0.1:3000","upstream_conn_id":"ab","upstream_conn_reused":true,"upstream_conn_idle_ms":250.000,"upstream_conn_age_ms":2000.000,"upstream_conn_requests":4,"attempts":1,"replays":0}"#
        + "\n")
  }

  @Test func fieldsAndSamplingInBothOfOurForms() throws {
    var record = record
    record.requestFields = captured("a\"b", nil)
    record.responseFields = captured("text/html")
    record.sampling = 10
    let change: (inout LogSettings) -> Void = { settings in
      settings.requestFields = ["user-agent", "x-none"]
      settings.responseFields = ["content-type"]
      settings.sampling = 10
    }
    #expect(
      line(.text, record, change).hasSuffix(
        #" attempts=1 request.user-agent="a\"b" response.content-type="text/html" sampling=10 id=r1"# + "\n"))
    #expect(
      line(.json, record, change).hasSuffix(
        #","request_fields":{"user-agent":"a\"b"},"response_fields":{"content-type":"text/html"},"sampling":10}"#
          + "\n"))
  }

  @Test func aFailureWithItsEvidence() throws {
    var record = record
    record.status = 502
    record.verdict = .unknown
    record.replays = 1
    record.retries = 2
    record.attempts = 4
    record.failure = Failure(.resetBeforeResponse, verdict: .unknown, attempts: 4, notReplayed: .notIdempotent)
    record.clientWasLost = true
    #expect(
      try custom("{status} {attempts} {replays} {retries} {verdict} {error} {not_replayed} {client_lost}", record)
        == "502 4 1 2 unknown connection_terminated not-idempotent yes\n")
  }

  @Test func everyVariableHasAValue() throws {
    for variable in LogSettings.Variable.allCases {
      let value = try custom("<{\(variable.rawValue)}>", record).dropFirst().dropLast(2)
      #expect(!value.isEmpty, "\(variable.rawValue)")
    }
    let expected = [
      "time": "2026-11-26T13:05:09.042Z", "time_local": "26/Nov/2026:13:05:09 +0000", "time_unix": "1795698309.042",
      "client": "192.0.2.7", "client_requests": "3", "request": "GET /a?b=... HTTP/1.1", "method": "GET",
      "target": "/a?b=...", "path": "/a", "query": "b=...", "protocol": "HTTP/1.1", "duration_ms": "12.345",
      "duration_s": "0.012", "until_leased_s": "0.001", "until_head_s": "0.010", "upstream_s": "0.010",
      "upstream": "127.0.0.1:3000", "upstream_name": "app", "route": "api", "upstream_conn_id": "ab",
      "upstream_conn_reused": "yes", "upstream_conn_idle_ms": "250.000", "upstream_conn_age_ms": "2000.000",
      "upstream_conn_requests": "4", "idle_window_ms": "4700.000", "verdict": "-", "error": "-", "error_details": "-",
      "client_lost": "no", "request_id": "r1", "sampling": "1",
    ]
    for (name, value) in expected {
      #expect(try custom("{\(name)}", record) == value + "\n", "\(name)")
    }
  }

  @Test func whatIsNotKnownIsADash() throws {
    var record = record
    record.requestLine = Array("-".utf8)
    record.facts = nil
    record.server = nil
    record.untilHead = nil
    record.untilLeased = nil
    record.upstreamName = nil
    record.route = nil
    record.idleWindow = nil
    for name in [
      "method", "target", "path", "query", "protocol", "until_head_ms", "until_leased_s", "upstream_s", "upstream",
      "upstream_name", "route", "upstream_conn_id", "upstream_conn_reused", "upstream_conn_idle_ms",
      "upstream_conn_requests", "idle_window_ms", "request.a", "response.a",
    ] {
      #expect(try custom("{\(name)}", record) == "-\n", "\(name)")
    }
  }

  // MARK: Escaping

  private static let nasty = "a\"b\\c\u{1b}[31m\r\n\t\u{7f}é\u{9b}\u{2028}"

  @Test func linesOfTheClassicFormsCannotBeForged() throws {
    var record = record
    record.requestFields = captured(nil, Self.nasty)
    #expect(
      line(.combined, record).hasSuffix(
        #" "-" "a\x22b\x5Cc\x1B[31m\x0D\x0A\x09\x7F\xC3\xA9\xC2\x9B\xE2\x80\xA8""# + "\n"))
  }

  @Test func jsonStaysJSON() throws {
    var record = record
    record.requestFields = captured(Self.nasty)
    let text = line(.json, record) { $0.requestFields = ["user-agent"] }
    #expect(text.utf8.count { $0 == 0x0a } == 1 && text.utf8.allSatisfy { $0 >= 0x20 || $0 == 0x0a })
    let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    #expect((object["request_fields"] as? [String: String])?["user-agent"] == Self.nasty)
    #expect(!text.contains("\u{9b}") && !text.contains("\u{2028}"))
  }

  @Test func bytesThatAreNoTextStayJSON() throws {
    var record = record
    record.requestFields = CapturedFields()
    record.requestFields.add([0xff, 0x41, 0xe9, 0x22])
    let text = line(.json, record) { $0.requestFields = ["a"] }
    let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    #expect((object["request_fields"] as? [String: String])?["a"] == "\u{ff}A\u{e9}\"")
  }

  @Test func aFormatThatBeginsWithABraceIsJSON() throws {
    var record = record
    record.requestFields = captured(Self.nasty)
    let text = try custom(#"{{"agent":"{request.user-agent}","status":{status}}}"#, record)
    let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    #expect(object["agent"] as? String == Self.nasty && object["status"] as? Int == 200)
  }

  /// Whatever bytes a peer sends: one line end, at its end, and in JSON one object.
  @Test func noBytesBreakALine() throws {
    for byte in UInt8.min...UInt8.max {
      var record = record
      record.requestFields.add([byte, 0x41])
      record.requestFields.add([0x42, byte])
      for access in [LogSettings.AccessLogFormat.text, .json, .combined] {
        let text = line(access, record) { $0.requestFields = ["a", "b"] }
        #expect(text.utf8.count { $0 == 0x0a } == 1 && text.utf8.last == 0x0a)
        if access == .json { _ = try JSONSerialization.jsonObject(with: Data(text.utf8)) }
        if access == .combined { #expect(text.utf8.allSatisfy { (0x20..<0x7f).contains($0) || $0 == 0x0a }) }
        if access == .combined { #expect(text.utf8.count { $0 == UInt8(ascii: "\"") } == 6) }
      }
    }
  }
}
