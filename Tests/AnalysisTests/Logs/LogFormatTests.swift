import Testing

@testable import Analysis

/// Layouts that users name in the words of their software.
@Suite struct LogFormatTests {
  @Test(arguments: [
    (
      #"log_format main '$remote_addr [$time_iso8601] "$request" $status $upstream_status $upstream_response_time $upstream_addr $request_id';"#,
      #"192.0.2.10 [2026-01-15T12:30:45+00:00] "POST /orders HTTP/1.1" 502 502 0.002 198.51.100.7:3000 9c2f"#, "race"
    ),
    (
      #"$msec $status $upstream_addr $upstream_status $upstream_response_time"#,
      #"1768480245.123 200 198.51.100.7:3000, 198.51.100.8:3000 502, 200 0.001, 0.010"#, "repaired"
    ),
    (
      #"log-format "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %tsc %[bc_reused] %rc %{+Q}r""#,
      #"192.0.2.10:54321 [15/Jan/2026:12:30:45.361] web app/n1 0/0/0/-1/2 502 208 SH-- 1 0 "POST /orders HTTP/1.1""#,
      "race"
    ),
    (
      #"log-format "{\"client\":\"%ci\",\"t\":\"%tr\",\"ts\":\"%ts\",\"st\":%ST,\"tc\":%Tc,\"ta\":%Ta,\"srv\":\"%s\"}""#,
      #"{"client":"192.0.2.10","t":"15/Jan/2026:12:30:45.361","ts":"SH","st":502,"tc":0,"ta":9002,"srv":"n1"}"#, "died"
    ),
    (
      #"[%START_TIME%] %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %DURATION% %UPSTREAM_HOST% %REQ(:METHOD)%"#,
      #"[2026-01-15T12:30:45.123Z] 503 UC upstream_reset_before_response_started{connection_termination} 1 198.51.100.7:3000 POST"#,
      "race"
    ),
    (
      #"LogFormat "%h %l %u %t \"%r\" %>s %b %D" timed"#,
      #"192.0.2.10 - - [15/Jan/2026:12:30:45 +0000] "POST /orders HTTP/1.1" 504 157 30000123"#, "timeout"
    ),
  ])
  func formats(_ format: String, _ line: String, _ kind: String) throws {
    #expect(LogText.classes(line, formats: [try LogLineFormat(format)]) == [kind: 1])
  }

  @Test(arguments: ["nothing at all", "$remote_addr", "%h %l"])
  func whatIsNoFormatIsAnError(_ text: String) {
    #expect(throws: LogLineFormat.Problem.self) { try LogLineFormat(text) }
  }

  // MARK: - Configurations

  private static let nginxConfiguration = #"""
    # log_format old '$nothing';
    http {
      log_format  lean  '$remote_addr|$time_iso8601|$request|$status|'
                        '$upstream_status|$upstream_response_time|$upstream_addr';
      log_format wordy escape=json '{"at":"$time_iso8601","did":"$request","st":$status,"ust":"$upstream_status","urt":"$upstream_response_time"}';
      log_format nothing '$remote_addr';
      access_log /var/log/nginx/access.log lean;
    }
    """#

  @Test func formatsComeFromAnNginxConfiguration() {
    let formats = LogFormatFile.formats(Self.nginxConfiguration)
    #expect(formats.count == 2)
    let lean = "192.0.2.10|2026-01-15T12:30:45+00:00|POST /orders HTTP/1.1|502|502|0.002|198.51.100.7:3000"
    let wordy =
      #"{"at":"2026-01-15T12:30:46+00:00","did":"POST /cart HTTP/1.1","st":502,"ust":"502","urt":"9.002"}"#
    let report = LogText.report([lean + "\n" + wordy], formats: formats)
    #expect(LogText.classes(report) == ["race": 1, "died": 1])
    #expect(LogText.classes(lean) == [:])
  }

  @Test func formatsComeFromOtherConfigurations() {
    let haproxy = #"""
      defaults
        log-format "%ci [%tr] %s %Tc/%Tr/%Ta %ST %tsc %{+Q}r"
      frontend b
        log-format %ci\ %tr\ %s\ %Tr\ %Ta\ %ST\ %tsc
      """#
    #expect(LogFormatFile.formats(haproxy).count == 2)
    let lines = #"""
      192.0.2.10 [15/Jan/2026:12:30:45.361] n1 0/-1/2 502 SH-- "POST /orders HTTP/1.1"
      192.0.2.10 15/Jan/2026:12:30:45.361 n1 -1 5002 504 sH--
      """#
    let report = LogText.report([lines], formats: LogFormatFile.formats(haproxy))
    #expect(LogText.classes(report) == ["race": 1, "timeout": 1])
    #expect(report.failures.first.map { report.row($0).target } == "/orders")

    let apache = "LogFormat \"%{%Y-%m-%dT%H:%M:%S}t %a \\\"%r\\\" %>s %D\" timed\nCustomLog logs/a timed\n"
    #expect(
      LogText.classes(
        #"2026-01-15T12:30:45 192.0.2.10 "POST /orders HTTP/1.1" 504 30000123"#,
        formats: LogFormatFile.formats(apache)) == ["timeout": 1])

    let envoy = #"""
      log_format:
        text_format_source:
          inline_string: "%START_TIME% %REQ(:METHOD)% %RESPONSE_CODE% %RESPONSE_FLAGS% %DURATION% \"%UPSTREAM_HOST%\"\n"
      """#
    #expect(
      LogText.classes(
        #"2026-01-15T12:30:45.123Z POST 503 UC 1 "198.51.100.7:3000""#, formats: LogFormatFile.formats(envoy))
        == ["race": 1])
  }

  // MARK: - What is shown of lines that were not understood

  @Test func samplesOfUnknownLinesHideWhatIsPersonal() {
    let line =
      #"at 12:30:45 client 192.0.2.10:5000 and 2001:db8::7 user=jane@shop.example mail jane@shop.example /a?token=secret&b=2 c="x y" Bearer abc.def"#
    let report = LogText.report(line)
    #expect(
      report.files.first?.samples.first?.text
        == #"at 12:30:45 client ... and ... user=... mail ... /a?token=...&b=... c="...""#)
    var question = LogQuestion()
    question.revealsQueries = true
    #expect(LogText.report([line], question: question).files.first?.samples.first?.text.contains("192.0.2.10") == true)
  }
}
