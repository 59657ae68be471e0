import Testing

@testable import Analysis

/// One line of each kind that real software writes, and what it means.
@Suite struct LogSampleTests {
  private static let albTail =
    #" 312 272 "POST https://shop.example:443/orders HTTP/1.1" "-" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 arn:aws:elasticloadbalancing:eu-central-1:123:targetgroup/web/9f "Root=1-0" "shop.example" "-" 0 2026-01-15T12:30:45.118000Z "forward" "-" "-" "198.51.100.7:3000" "-" "-" "-" TID_0"#
  private static let albHead = "https 2026-01-15T12:30:45.123456Z app/web/0a1b 192.0.2.10:54321 "

  @Test(
    arguments: [
      ("198.51.100.7:3000 0.001 0.004 -1 502 -", "race"),
      ("198.51.100.7:3000 0.001 -1 -1 502 -", "race"),
      ("198.51.100.7:3000 -1 -1 -1 502 -", "race"),
      ("198.51.100.7:3000 0.001 10.109 -1 502 -", "died"),
      ("- -1 -1 -1 503 -", "no-server"),
      ("198.51.100.7:3000 -1 -1 -1 504 -", "timeout"),
      ("198.51.100.7:3000 0.000 30.001 -1 460 -", "client-gone"),
      ("198.51.100.7:3000 0.001 0.004 0.000 502 502", nil),
      ("198.51.100.7:3000 0.001 0.004 0.000 200 200", nil),
    ] as [(String, String?)])
  func alb(_ middle: String, _ kind: String?) {
    expect(Self.albHead + middle + Self.albTail, kind)
  }

  @Test func albErrorReason() {
    let line =
      Self.albHead
      + #"- -1 -1 -1 502 - 312 272 "POST https://shop.example:443/orders HTTP/1.1" "-" ECDHE TLSv1.2 arn:tg "Root=1-0" "shop.example" "-" 0 2026-01-15T12:30:45.118000Z "forward" "-" "LambdaInvalidResponse" "-" "-" "-" "-""#
    expect(line, "local")
  }

  @Test func networkBalancer() {
    let line =
      #"tls 2.0 2026-01-15T12:36:35 net/edge/0a1b 9f 192.0.2.10:54321 198.51.100.7:443 350012 2 1534 90210 - arn:x - ECDHE-RSA-AES128-GCM-SHA256 tlsv12 - shop.example h2 - "h2","http/1.1" 2026-01-15T12:30:45"#
    let report = LogText.report(line)
    #expect(report.total == 0 && report.exitCode == 3)
    #expect(report.tally.connections == 1)
  }

  @Test(
    arguments: [
      ("502 - curl%2F8 - - Error Qx== shop.example https 312 0.013", "OriginCommError", "race"),
      ("502 - curl%2F8 - - Error Qx== shop.example https 312 0.013", "OriginConnectError", "refused"),
      ("502 - curl%2F8 - - Error Qx== shop.example https 312 0.013", "OriginDnsError", "no-server"),
      ("000 - curl%2F8 - - Error Qx== shop.example https 312 0.013", "ClientCommError", "client-gone"),
      ("502 - curl%2F8 - - Error Qx== shop.example https 312 31.013", "OriginCommError", "died"),
      ("504 - curl%2F8 - - Error Qx== shop.example https 312 90.013", "OriginCommError", "timeout"),
      ("200 - curl%2F8 - - Miss Qx== shop.example https 312 0.013", "Miss", nil),
    ] as [(String, String, String?)])
  func cloudFront(_ middle: String, _ result: String, _ kind: String?) {
    let header =
      "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes time-taken x-forwarded-for ssl-protocol ssl-cipher x-edge-response-result-type cs-protocol-version fle-status fle-encrypted-fields c-port time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len sc-range-start sc-range-end\n"
    let line =
      "2026-01-15 12:30:45 FRA2-C1 1045 192.0.2.10 POST d0.cloudfront.net /orders \(middle) - TLSv1.3 TLS_AES_128_GCM_SHA256 Error HTTP/2.0 - - 40001 0.013 \(result) text/html 507 - -"
    expect(header + line.replacing(" ", with: "\t"), kind)
    expect(line.replacing(" ", with: "\t"), kind)
    expect(header + line, kind)
  }

  @Test(
    arguments: [
      ("backend_connection_closed_before_data_sent_to_client", "0.004s", 502, "race"),
      ("backend_connection_closed_before_data_sent_to_client", "12.4s", 502, "died"),
      ("backend_connection_closed_after_partial_response_sent", "0.004s", 200, "cut"),
      ("backend_early_response_with_non_error_status", "0.004s", 502, "died"),
      ("failed_to_connect_to_backend", "0.004s", 502, "refused"),
      ("failed_to_pick_backend", "0.004s", 502, "no-server"),
      ("backend_timeout", "30.004s", 502, "timeout"),
      ("client_disconnected_before_any_response", "3.004s", 0, "client-gone"),
      ("client_disconnected_after_partial_response", "3.004s", 200, "client-gone"),
      ("response_sent_by_backend", "0.004s", 502, nil),
    ] as [(String, String, Int, String?)])
  func google(_ details: String, _ latency: String, _ status: Int, _ kind: String?) {
    expect(
      #"{"timestamp":"2026-01-15T12:30:47.000000+00:00","severity":"WARNING","resource":{"type":"http_load_balancer","labels":{"backend_service_name":"web"}},"httpRequest":{"requestMethod":"POST","requestUrl":"https://shop.example/orders","status":\#(status),"latency":"\#(latency)","remoteIp":"192.0.2.10"},"jsonPayload":{"statusDetails":"\#(details)"}}"#,
      kind)
  }

  @Test(
    arguments: [
      (
        #"192.0.2.10 - - [15/Jan/2026:12:30:45 +0000] "POST /orders HTTP/2.0" 502 150 "-" "curl/8" 312 0.002 [web-app-3000] [] 198.51.100.7:3000 0 0.001 502 9c2f"#,
        "race"
      ),
      (
        #"192.0.2.10 - - [15/Jan/2026:12:30:45 +0000] "GET /a HTTP/1.1" 200 12 "-" "-" 98 0.013 [web-app-3000] [] 198.51.100.7:3000, 198.51.100.7:3000 0, 12 0.001, 0.011 502, 200 9c30"#,
        "repaired"
      ),
      (
        #"192.0.2.10 - - [15/Jan/2026:12:30:45 +0000] "POST /orders HTTP/1.1" 499 0 "-" "-" 312 30.001 [web-app-3000] [] 198.51.100.7:3000 0 30.001 - 9c31"#,
        "client-gone"
      ),
      (
        #"192.0.2.10 - - [15/Jan/2026:12:30:45 +0000] "POST /orders HTTP/1.1" 502 150 "-" "-" 312 9.001 [web-app-3000] [] 198.51.100.7:3000 0 9.001 502 9c31"#,
        "died"
      ),
      (
        #"192.0.2.10 - - [15/Jan/2026:12:30:45 +0000] "POST /orders HTTP/1.1" 504 150 "-" "-" 312 60.001 [web-app-3000] [] 198.51.100.7:3000 0 60.001 504 9c31"#,
        "timeout"
      ),
      (
        #"192.0.2.10 - - [15/Jan/2026:12:30:45 +0000] "POST /orders HTTP/1.1" 503 150 "-" "-" 312 0.000 [web-app-3000] [] - - - - 9c31"#,
        "no-server"
      ),
      (
        #"192.0.2.10 - - [15/Jan/2026:12:30:45 +0000] "POST /orders HTTP/1.1" 502 90 "-" "-" 312 0.004 [web-app-3000] [] 198.51.100.7:3000 90 0.004 502 9c31"#,
        nil
      ),
      (
        #"192.0.2.10 - - [15/Jan/2026:12:30:45 +0000] "GET / HTTP/1.1" 502 150 "-" "curl/8" rt=0.003 uct="0.000" uht="-" urt="0.003" us="502""#,
        "race"
      ),
      (
        #"192.0.2.10 - - [15/Jan/2026:12:30:45 +0000] "GET / HTTP/1.1" 502 150 "-" "curl/8" rt=0.003 uct="0.002" uht="-" urt="0.003" us="502""#,
        "died"
      ),
      (
        #"192.0.2.10 - - [15/Jan/2026:12:30:45 +0000] "GET / HTTP/1.1" 502 150 "-" "curl/8" rt=0.003 uct="-" uht="-" urt="0.003" us="502""#,
        "refused"
      ),
    ] as [(String, String?)])
  func nginxAccess(_ line: String, _ kind: String?) { expect(line, kind) }

  @Test(
    arguments: [
      ("upstream prematurely closed connection while reading response header from upstream", "race"),
      ("recv() failed (104: Connection reset by peer) while reading response header from upstream", "race"),
      ("upstream sent too big header while reading response header from upstream", "head-too-big"),
      ("upstream sent goaway with error 0 while reading response header from upstream", "race"),
      ("connect() failed (111: Connection refused) while connecting to upstream", "refused"),
      ("no live upstreams while connecting to upstream", "no-server"),
      ("upstream timed out (110: Connection timed out) while reading response header from upstream", "timeout"),
      ("upstream timed out (110: Connection timed out) while connecting to upstream", "timeout"),
      ("upstream prematurely closed connection while reading upstream", "cut"),
      ("upstream prematurely closed connection while sending to client", "cut"),
      ("writev() failed (32: Broken pipe) while sending request to upstream", "race"),
      ("upstream sent invalid header while reading response header from upstream", "wrong-protocol"),
      ("open() \"/srv/favicon.ico\" failed (2: No such file or directory)", nil),
    ] as [(String, String?)])
  func nginxError(_ message: String, _ kind: String?) {
    expect(
      #"2026/01/15 12:30:45 [error] 31#31: *641 \#(message), client: 192.0.2.10, server: shop.example, request: "POST /orders HTTP/1.1", upstream: "http://198.51.100.7:3000/orders", host: "shop.example""#,
      kind)
  }

  @Test(
    arguments: [
      ("app/n1 0/0/0/-1/2 502 208 - - SH-- 12/12/3/1/0 0/0", "race"),
      ("app/n1 0/0/1/-1/3 502 208 - - SH-- 12/12/3/1/0 0/0", "died"),
      ("app/n1 0/0/0/-1/8002 502 208 - - SH-- 12/12/3/1/0 0/0", "died"),
      ("app/n1 0/0/1/-1/63387 504 194 - - sH-- 1/1/0/0/0 0/0", "timeout"),
      ("app/n1 0/0/-1/-1/40007 503 0 - - sC-- 1/1/0/0/3 0/0", "timeout"),
      ("app/n1 0/0/-1/-1/3007 503 0 - - SC-- 1/1/0/0/3 0/0", "refused"),
      ("app/<NOSRV> 0/-1/-1/-1/0 503 217 - - SC-- 1/1/0/0/0 0/0", "no-server"),
      ("app/n1 0/0/-1/-1/2 -1 0 - - CC-- 1/1/0/0/0 0/0", "client-gone"),
      ("app/n1 0/0/0/4/30004 101 201 - - cD-- 1/1/0/0/0 0/0", "timeout"),
      ("app/n1 0/0/0/8/93 200 4410 - - SD-- 1/1/0/0/0 0/0", "cut"),
      ("app/n1 0/0/0/-1/5001 -1 0 - - CH-- 1/1/0/0/0 0/0", "client-gone"),
      ("app/n1 0/0/0/8/9 200 4410 - - ---- 1/1/0/0/+1 0/0", "repaired"),
      ("app/n1 0/0/0/8/9 200 4410 - - --NN 1/1/0/0/0 0/0", nil),
      ("app/n1 0/0/0/-1/3 502 208 - - PH-- 1/1/0/0/0 0/0", "wrong-protocol"),
    ] as [(String, String?)])
  func haproxy(_ middle: String, _ kind: String?) {
    let line = #"192.0.2.10:54321 [15/Jan/2026:12:30:45.361] web~ \#(middle) "POST /orders HTTP/1.1""#
    expect("haproxy[8]: " + line, kind)
    expect(line, kind)
    expect("Jan 15 12:30:45 edge haproxy[8]: " + line, kind)
    expect("<134>Jan 15 12:30:45 haproxy[8]: " + line, kind)
  }

  @Test(
    arguments: [
      ("503 UC upstream_reset_before_response_started{connection_termination} 312 95 1", "POST", "race"),
      ("503 UC upstream_reset_before_response_started{connection_termination} 312 95 1003", "POST", "died"),
      (
        "503 UF upstream_reset_before_response_started{connection_failure,delayed_connect_error:_111} 0 145 0", "GET",
        "refused"
      ),
      ("503 UH no_healthy_upstream 0 19 0", "GET", "no-server"),
      ("503 UO upstream_reset_before_response_started{overflow} 0 81 0", "GET", "local"),
      ("504 UT response_timeout 0 24 4497", "GET", "timeout"),
      ("200 UPE upstream_reset_after_response_started{protocol_error} 0 24 4", "GET", "wrong-protocol"),
      ("101 SI stream_idle_timeout 100 154 413322", "GET", "timeout"),
      ("101 DC downstream_remote_disconnect 100 154 413322", "GET", "client-gone"),
      ("0 - http2.remote_reset 0 0 13", "GET", "client-gone"),
      ("500 URX via_upstream 0 24 44", "GET", nil),
      ("404 NR route_not_found 0 0 0", "GET", "local"),
      ("503 UC 312 95 1", "POST", "race"),
      ("200 - via_upstream 312 95 1", "POST", nil),
    ] as [(String, String, String?)])
  func envoy(_ middle: String, _ method: String, _ kind: String?) {
    expect(
      #"[2026-01-15T12:30:45.123Z] "\#(method) /orders HTTP/1.1" \#(middle) - "-" "curl/8" "9c2f" "shop.example" "198.51.100.7:3000""#,
      kind)
  }

  @Test func istio() {
    expect(
      #"[2026-01-15T12:30:45.123Z] "POST /orders HTTP/1.1" 503 UC upstream_reset_before_response_started{connection_termination} - "-" 312 95 1 - "-" "curl/8" "9c2f" "shop.example" "198.51.100.7:3000" outbound|80||web.svc 10.0.0.1:1 10.0.0.2:80 10.0.0.3:2 - default"#,
      "race")
    expect(
      #"{"start_time":"2026-01-15T12:30:45.123Z","method":"POST","path":"/orders","protocol":"HTTP/1.1","response_code":503,"response_flags":"UC","response_code_details":"upstream_reset_before_response_started{connection_termination}","duration":1,"upstream_host":"198.51.100.7:3000","request_id":"9c2f"}"#,
      "race")
  }

  @Test(
    arguments: [
      ("502", "\"OriginStatus\":502,\"RetryAttempts\":0", "race"),
      ("504", "\"OriginStatus\":504,\"RetryAttempts\":0", "timeout"),
      ("499", "\"OriginStatus\":499,\"RetryAttempts\":0", "client-gone"),
      ("200", "\"OriginStatus\":200,\"RetryAttempts\":1", "repaired"),
      ("200", "\"OriginStatus\":200,\"RetryAttempts\":0", nil),
      ("502", "\"OriginStatus\":502,\"OriginContentSize\":4411,\"RetryAttempts\":0", nil),
    ] as [(String, String, String?)])
  func traefik(_ status: String, _ rest: String, _ kind: String?) {
    expect(
      #"{"ClientHost":"192.0.2.10","DownstreamStatus":\#(status),"Duration":1201334,"OriginDuration":1069315,\#(rest),"Overhead":132019,"RequestMethod":"POST","RequestPath":"/orders","RequestProtocol":"HTTP/2.0","RouterName":"web@docker","ServiceURL":"http://198.51.100.7:3000","StartUTC":"2026-01-15T12:30:45.133Z","level":"info","msg":"","time":"2026-01-15T12:30:45Z"}"#,
      kind)
  }

  @Test func traefikCommon() {
    expect(
      #"192.0.2.10 - - [15/Jan/2026:12:30:45 +0000] "POST /orders HTTP/1.1" 502 11 "-" "-" 71500 "web@docker" "http://198.51.100.7:3000" 1ms"#,
      "race")
    expect(
      #"192.0.2.10 - - [15/Jan/2026:12:30:45 +0000] "POST /orders HTTP/1.1" 502 11 "-" "-" 71500 "web@docker" "http://198.51.100.7:3000" 9001ms"#,
      "died")
  }

  @Test(
    arguments: [
      ("'502 Bad Gateway' caused by: EOF", "race"),
      ("'502 Bad Gateway' caused by: dial tcp 198.51.100.7:3000: connect: connection refused", "refused"),
      ("'499 Client Closed Request' caused by: context canceled", "client-gone"),
      ("'502 Bad Gateway' caused by: http: server closed idle connection", "race"),
      ("'504 Gateway Timeout' caused by: net/http: timeout awaiting response headers", "timeout"),
      ("Creating middleware", nil),
    ] as [(String, String?)])
  func traefikDebug(_ message: String, _ kind: String?) {
    expect(#"time="2026-01-15T12:30:45Z" level=debug msg="\#(message)""#, kind)
  }

  @Test func caddy() {
    let error =
      #"{"level":"error","ts":1768480245.12,"logger":"http.log.error","msg":"EOF","request":{"remote_ip":"192.0.2.10","remote_port":"54321","proto":"HTTP/1.1","method":"POST","host":"shop.example","uri":"/orders"},"duration":0.001201334,"status":502,"err_id":"a1","err_trace":"reverseproxy.statusError (reverseproxy.go:1373)"}"#
    expect(error, "race")
    expect(error.replacing("0.001201334", with: "7.2"), "died")
    expect(error.replacing("EOF", with: "dial tcp 198.51.100.7:3000: connect: connection refused"), "refused")
    let access =
      #"{"level":"error","ts":1768480245.1203,"logger":"http.log.access.log0","msg":"handled request","request":{"remote_ip":"192.0.2.10","remote_port":"54321","proto":"HTTP/1.1","method":"POST","host":"shop.example","uri":"/orders"},"duration":0.0013,"size":0,"status":502,"resp_headers":{"Server":["Caddy"]}}"#
    expect(error + "\n" + access, "race")
    expect(access + "\n" + error, "race")
    expect(access.replacing("\"status\":502", with: "\"status\":0"), "client-gone")
    let aborting =
      #"{"level":"error","ts":1768480245.12,"logger":"http.handlers.reverse_proxy","msg":"aborting with incomplete response","upstream":"198.51.100.7:3000","duration":0.001,"request":{"remote_ip":"192.0.2.10","remote_port":"1","method":"GET","uri":"/big"},"error":"reading: stream error: stream ID 3; INTERNAL_ERROR; received from peer"}"#
    expect(aborting, "cut")
    expect(
      aborting.replacing(
        "reading: stream error: stream ID 3; INTERNAL_ERROR; received from peer", with: "context canceled"),
      "client-gone")
  }

  @Test func apache() {
    let first =
      "[Thu Jan 15 12:30:45.123456 2026] [proxy_http:error] [pid 12:tid 140] (20014)Internal error (specific information not available): [client 192.0.2.10:54321] AH01102: error reading status line from remote server 198.51.100.7:3000"
    let second =
      "[Thu Jan 15 12:30:45.123501 2026] [proxy:error] [pid 12:tid 140] [client 192.0.2.10:54321] AH00898: Error reading from remote server returned by /orders"
    expect(first + "\n" + second, "race")
    expect(first, "race")
    expect(second, "race")
    expect(first.replacing("(20014)Internal error", with: "(104)Connection reset by peer") + "\n" + second, "race")
    expect(
      first.replacing("(20014)Internal error", with: "(70007)The timeout specified has expired") + "\n" + second,
      "timeout")
    let connect =
      "[Thu Jan 15 12:30:45.123456 2026] [proxy:error] [pid 12:tid 140] (111)Connection refused: AH00957: HTTP: attempt to connect to 198.51.100.7:3000 (198.51.100.7) failed"
    let made =
      "[Thu Jan 15 12:30:45.123556 2026] [proxy_http:error] [pid 12:tid 140] [client 192.0.2.10:54321] AH01114: HTTP: failed to make connection to backend: 198.51.100.7"
    expect(connect + "\n" + made, "refused")
    expect(made, "refused")
    expect(
      "[Thu Jan 15 12:30:45.123456 2026] [proxy_http:error] [pid 12:tid 140] (32)Broken pipe: [client 192.0.2.10:54321] AH01097: pass request body failed to 198.51.100.7:3000 (198.51.100.7) from 192.0.2.10 ()",
      "died")
  }

  @Test(
    arguments: [
      ("502 3 12030 4", "race"), ("502 3 12002 30004", "timeout"), ("502 3 12029 2004", "refused"),
      ("502 3 12030 9000", "died"), ("502 3 2147954430 4", "race"), ("200 0 0 4", nil), ("502 4 0 1", "no-server"),
    ] as [(String, String?)])
  func iis(_ middle: String, _ kind: String?) {
    expect(
      """
      #Software: Microsoft Internet Information Services 10.0
      #Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status time-taken
      2026-01-15 12:30:45 10.0.0.5 POST /orders - 443 - 192.0.2.10 curl/8 - \(middle)
      """, kind)
  }

  @Test func httpSys() {
    let header =
      "#Software: Microsoft HTTP API 2.0\n#Fields: date time c-ip c-port s-ip s-port cs-version cs-method cs-uri streamid sc-status s-siteid s-reason s-queuename\n"
    let idle = LogText.report(
      header + "2026-01-15 12:30:45 192.0.2.10 54321 10.0.0.5 80 - - - - - - Timer_ConnectionIdle -")
    #expect(idle.total == 0 && idle.tally.idleCloses == 1)
    expect(
      header + "2026-01-15 12:30:45 192.0.2.10 54321 10.0.0.5 80 HTTP/1.1 POST /orders - - 1 Connection_Dropped web",
      "client-gone")
    expect(
      header
        + "2026-01-15 12:30:45 192.0.2.10 54321 10.0.0.5 80 HTTP/1.1 POST /orders - - 1 Connection_Abandoned_By_AppPool web",
      "died")
  }

  @Test func yarp() {
    expect(
      """
      warn: Yarp.ReverseProxy.Forwarder.HttpForwarder[48]
            Request: An error was encountered before receiving a response.
            System.Net.Http.HttpRequestException: An error occurred while sending the request.
             ---> System.Net.Http.HttpIOException: The response ended prematurely. (ResponseEnded)
               at System.Net.Http.HttpConnection.SendAsync(HttpRequestMessage request)
      info: Microsoft.AspNetCore.Hosting.Diagnostics[2]
            Request finished HTTP/1.1 POST http://shop.example/orders - 502 0 - 4.1ms
      """, "race")
    expect(
      "2026-01-15T12:30:45.123Z warn Yarp.ReverseProxy.Forwarder.HttpForwarder RequestCanceled: The request was canceled before receiving a response.",
      "client-gone")
    expect(
      "2026-01-15T12:30:45.123Z warn Yarp.ReverseProxy.Forwarder.HttpForwarder RequestTimedOut: The request timed out before receiving a response.",
      "timeout")
  }

  @Test(
    arguments: [
      (
        "502 bytes_in=1 bytes_out=3 duration_ms=1.653 lease_ms=0.286 upstream=127.0.0.1:33391 conn=1 reused=yes idle_ms=5001.000 age_ms=9.000 uses=3 attempts=1 verdict=never-delivered error=connection_terminated not_replayed=switched-off details=\"keep-alive race; verdict: never delivered\" id=r-17",
        "race"
      ),
      (
        "200 bytes_in=1 bytes_out=3 duration_ms=1.653 lease_ms=0.286 upstream=127.0.0.1:33391 conn=1 reused=no idle_ms=0.000 age_ms=9.000 uses=0 attempts=2 replays=1 verdict=never-delivered id=r-17",
        "repaired"
      ),
      (
        "502 bytes_in=1 bytes_out=3 duration_ms=1.653 lease_ms=0.286 upstream=127.0.0.1:33391 conn=1 reused=yes idle_ms=1.000 age_ms=9.000 uses=0 attempts=1 verdict=delivered error=connection_terminated not_replayed=not-idempotent details=\"closed before a response\" id=r-17",
        "died"
      ),
      (
        "502 bytes_in=1 bytes_out=3 duration_ms=1.653 attempts=1 error=connection_refused details=\"connection refused\" id=r-17",
        "refused"
      ),
      (
        "499 bytes_in=1 bytes_out=3 duration_ms=1.653 upstream=127.0.0.1:33391 attempts=1 client=lost id=r-17",
        "client-gone"
      ),
      (
        "200 bytes_in=1 bytes_out=3 duration_ms=1.653 lease_ms=0.286 upstream=127.0.0.1:33391 conn=1 reused=yes idle_ms=1.000 age_ms=9.000 uses=0 attempts=1 id=r-17",
        nil
      ),
    ] as [(String, String?)])
  func own(_ rest: String, _ kind: String?) {
    expect("2026-11-26T13:04:57.864Z 127.0.0.1 \"POST /cart\" " + rest, kind)
  }

  private func expect(
    _ text: String, _ kind: String?, _ location: SourceLocation = #_sourceLocation
  ) {
    let report = LogText.report(text)
    #expect(
      LogText.classes(report) == (kind.map { [$0: 1] } ?? [:]),
      "\(LogTextReport(report, ink: Ink(isColoured: false)).text())",
      sourceLocation: location)
    #expect(report.understoodLines > 0, sourceLocation: location)
  }
}
