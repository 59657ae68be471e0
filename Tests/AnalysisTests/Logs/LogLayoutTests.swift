import Core
import Testing

@testable import Analysis

/// Layouts that people give to their logs themselves: the fields have names, and stand anywhere.
@Suite struct LogLayoutTests {
  private func expect(_ text: String, _ kind: String?, _ location: SourceLocation = #_sourceLocation) {
    let report = LogText.report(text)
    #expect(
      LogText.classes(report) == (kind.map { [$0: 1] } ?? [:]),
      "\(LogTextReport(report, ink: Ink(isColoured: false)).text())", sourceLocation: location)
    #expect(report.understoodLines == 1, sourceLocation: location)
  }

  /// Times of the attempt behind the combined format, and neither its address nor its status.
  @Test(
    arguments: [
      (#"502 157 "-" "curl/8" rt=0.002 uct="0.000" uht="-" urt="0.001""#, "race"),
      (#"502 157 "-" "curl/8" rt=0.900 uct="0.000" uht="-" urt="0.900""#, "died"),
      (#"502 157 "-" "curl/8" rt=0.000 uct="-" uht="-" urt="0.000""#, "refused"),
      (#"502 157 "-" "curl/8" rt=0.002 uct="0.000" uht="0.002" urt="0.002""#, nil),
      (#"502 157 "-" "curl/8" rt=0.000 uct="-" uht="-" urt="-""#, "no-server"),
      (#"504 157 "-" "curl/8" rt=60.002 uct="0.000" uht="-" urt="60.002""#, "timeout"),
      (#"200 157 "-" "curl/8" rt=0.002 uct="0.000" uht="0.002" urt="0.002""#, nil),
      (#"200 157 "-" "curl/8" rt=0.004 uct="0.000, 0.000" uht="-, 0.002" urt="0.001, 0.002""#, "repaired"),
      (#"502 157 "-" "curl/8" 0.002 urt=0.001"#, "race"),
    ] as [(String, String?)])
  func timesAlone(_ tail: String, _ kind: String?) {
    expect(#"192.0.2.10 - - [15/Jan/2026:12:30:45 +0000] "POST /orders HTTP/1.1" "# + tail, kind)
  }

  @Test(
    arguments: [
      (#"status=502 rt=0.002 uaddr=198.51.100.7:3000 urt=0.002 ustatus=502"#, "race"),
      (
        #"status=200 rt=0.013 uaddr="198.51.100.7:3000, 198.51.100.8:3000" urt="0.001, 0.011" ustatus="502, 200""#,
        "repaired"
      ),
      (
        #"status=200 rt=0.013 uaddr=198.51.100.7:3000, 198.51.100.8:3000 urt=0.001, 0.011 ustatus=502, 200"#, "repaired"
      ),
      (
        #"status=499 rt=30.013 upstream_addr=198.51.100.7:3000 upstream_response_time=30.013 upstream_status=-"#,
        "client-gone"
      ),
      (#"status=200 rt=0.013 upstream_addr=198.51.100.7:3000 upstream_response_time=0.013 upstream_status=200"#, nil),
    ] as [(String, String?)])
  func namesAndValues(_ tail: String, _ kind: String?) {
    expect("2026-01-15T12:30:45+00:00 remote=192.0.2.10 method=POST uri=\"/orders?a=b\" " + tail, kind)
    expect("time=2026-01-15T12:30:45+00:00 method=POST uri=/orders " + tail, kind)
  }

  @Test func theTimeOfNamesAndValuesIsRead() {
    let report = LogText.report(
      "2026-01-15T12:30:45+00:00 method=POST uri=/orders status=502 upstream_addr=198.51.100.7:3000 upstream_response_time=0.002 upstream_status=502"
    )
    #expect(LogTextReport(report, ink: Ink(isColoured: false)).verdicts().contains("2026-01-15T12:30:45"))
  }

  @Test(
    arguments: [
      (
        #"{"time":"2026-01-15T12:30:45+00:00","request":{"method":"POST","uri":"/orders"},"http":{"status":502},"upstream":{"addr":"198.51.100.7:3000","status":"502","response_time":"0.001"}}"#,
        "race"
      ),
      (
        #"{"time":"2026-01-15T12:30:45+00:00","request":{"method":"POST","uri":"/orders","status":200},"upstream":{"addr":"198.51.100.7:3000","status":"200","response_time":"0.001"}}"#,
        nil
      ),
      (
        #"{"@timestamp":"2026-01-15T12:30:45.123Z","method":"POST","path":"/o","status":503,"flags":"UC","details":"upstream_reset_before_response_started{connection_termination}","duration":1,"upstream":"198.51.100.7:3000"}"#,
        "race"
      ),
      (
        #"{"time":"2026-01-15T12:30:45.123Z","responseFlags":"UF","responseCode":503,"duration":1,"upstreamHost":"198.51.100.7:3000"}"#,
        "refused"
      ),
      (
        #"{"haproxy_time":"15/Jan/2026:12:30:45.361","client_ip":"192.0.2.10","backend":"app","server":"n1","Tc":0,"Tr":-1,"Tt":2,"status":502,"termination_state":"SH--","request":"POST /orders HTTP/1.1"}"#,
        "race"
      ),
    ] as [(String, String?)])
  func membersOfMembers(_ line: String, _ kind: String?) {
    expect(line, kind)
    #expect(!LogText.report(line).tally.failures.contains { !$0.hasTime })
  }

  /// The word of the log is a value, and not what stands between two of them.
  @Test(
    arguments: [
      #"{"start_time":"2026-01-15T12:30:45.123Z","method":"POST","path":"/orders","response_code":503,"response_flags":"UC","response_code_details":"upstream_reset_before_response_started{connection_termination}","duration":1,"upstream_host":"198.51.100.7:3000"}"#,
      #"{"level":"debug","error":"read tcp 10.0.0.1:40000->198.51.100.7:3000: read: connection reset by peer","time":"2026-01-15T12:30:45Z","message":"502 Bad Gateway"}"#,
    ])
  func wordsOfJSON(_ line: String) {
    expect(line, "race")
    let text = LogTextReport(LogText.report(line), ink: Ink(isColoured: false)).verdicts()
    #expect(!text.contains("\","), "\(text)")
  }

  @Test func theConsoleOfCaddy() {
    let tail =
      "\t{\"request\": {\"remote_ip\": \"192.0.2.10\", \"remote_port\": \"4000\", \"proto\": \"HTTP/1.1\", \"method\": \"POST\", \"host\": \"localhost\", \"uri\": \"/orders\"}, \"duration\": 0.001, \"status\": 502, \"err_id\": \"x\"}"
    expect("2026/01/15 12:30:45.120\tERROR\thttp.log.error\tEOF" + tail, "race")
    expect(
      "2026/01/15 12:30:45.120\tERROR\thttp.log.error\tdial tcp 198.51.100.7:3000: connect: connection refused" + tail,
      "refused")
  }

  /// nginx's error log names the protocol, and with it whether a connection can have been used before.
  @Test(
    arguments: [
      (
        "upstream prematurely closed connection while reading response header from upstream", "http://127.0.0.1:3031/o",
        "race"
      ),
      (
        "upstream prematurely closed connection while reading response header from upstream", "uwsgi://127.0.0.1:3031",
        "died"
      ),
      (
        "upstream prematurely closed connection while reading response header from upstream",
        "fastcgi://unix:/run/php.sock:", "died"
      ),
      (
        "sendfile() failed (104: Connection reset by peer) while sending request to upstream",
        "http://127.0.0.1:3031/o", "died"
      ),
      (
        "peer closed connection in SSL handshake (104: Connection reset by peer) while SSL handshaking to upstream",
        "https://127.0.0.1:3031/o", "wrong-protocol"
      ),
    ])
  func theUpstreamOfAnErrorLine(_ message: String, _ upstream: String, _ kind: String) {
    expect(
      "2026/01/15 12:30:45 [error] 31#31: *641 \(message), client: 192.0.2.10, server: _, request: \"POST /o HTTP/1.1\", upstream: \"\(upstream)\", host: \"shop.example\"",
      kind)
  }

  /// Thousands of failures of one client and path, each with its cause: no line is compared with all others.
  @Test(.timeLimit(.minutes(3)))
  func manyFailuresOfOneRequestLine() {
    var errors = ""
    var accesses = ""
    for index in 0..<8_000 {
      let time = "12:\(index / 3_000 + 10):\(index / 60 % 50 + 10)"
      errors +=
        "2026/01/15 \(time) [error] 31#31: *\(index) upstream prematurely closed connection while reading response header from upstream, client: 192.0.2.10, server: _, request: \"POST /o HTTP/1.1\", upstream: \"http://198.51.100.7:3000/o\", host: \"x\"\n"
      accesses +=
        "192.0.2.10 - - [15/Jan/2026:\(time) +0000] \"POST /o HTTP/1.1\" 502 150 \"-\" \"-\" 312 0.002 [app] [] 198.51.100.7:3000 0 0.001 502 -\n"
    }
    #expect(LogText.classes(accesses, errors) == ["race": 8_000])
  }
}
