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
    #expect(LogText.classes(line, format: try LogLineFormat(format)) == [kind: 1])
  }

  @Test(arguments: ["nothing at all", "$remote_addr", "%h %l"])
  func whatIsNoFormatIsAnError(_ text: String) {
    #expect(throws: LogLineFormat.Problem.self) { try LogLineFormat(text) }
  }
}
