import Testing

@testable import Core

@Suite("Failures in words")
struct FailureTests {
  static let causes: [FailureCause] = [
    .connectRefused, .unreachable, .nameNotFound, .connectTimeout(after: .seconds(5)),
    .connectFailed(errorNumber: 99), .backlogFull(after: .seconds(5)), .poolQueueFull(limit: 1_024),
    .waitTimeout(after: .seconds(10)), .poolDraining,
    .descriptorLimit, .sendTimeout(after: .seconds(60)), .responseTimeout(after: .seconds(60)),
    .idleBodyTimeout(after: .seconds(60)), .race, .forgotten,
    .closedBeforeResponse, .resetBeforeResponse, .closedWithinResponse, .resetWithinResponse, .unaskedResponse,
    .invalidResponse(detail: "two lengths"), .doesNotSpeakHTTP(protocolName: "TLS"),
    .upgradeFailed(detail: "the server answered 200"), .proxyError(detail: "no memory"),
    .responseTooLarge(detail: "the head is larger than the limit of 1 byte", setting: "limits.head"),
    .tunnelTimeout(after: .seconds(3_600)), .drainEnded(after: .seconds(30)), .stopped,
  ]

  /// RFC 9209 section 2.3.
  static let registered: Set<String> = [
    "dns_timeout", "dns_error", "destination_not_found", "destination_unavailable", "destination_ip_prohibited",
    "destination_ip_unroutable", "connection_refused", "connection_terminated", "connection_timeout",
    "connection_read_timeout", "connection_write_timeout", "connection_limit_reached", "tls_protocol_error",
    "tls_certificate_error", "tls_alert_received", "http_request_error", "http_request_denied",
    "http_response_incomplete", "http_response_header_section_size", "http_response_header_size",
    "http_response_body_size", "http_response_trailer_section_size", "http_response_trailer_size",
    "http_response_transfer_coding", "http_response_content_coding", "http_response_timeout", "http_upgrade_failed",
    "http_protocol_error", "proxy_internal_response", "proxy_internal_error", "proxy_configuration_error",
    "proxy_loop_detected",
  ]

  @Test("Each cause has a status, a registered error type and whole sentences", arguments: causes)
  func complete(cause: FailureCause) {
    let reasons: [NotReplayed?] = [nil] + NotReplayed.allCases
    let verdicts: [Verdict?] = [nil] + Verdict.allCases
    for reason in reasons {
      for verdict in verdicts {
        for lease in [nil, Scene.fresh, Scene.reused] {
          let failure = Failure(cause, verdict: verdict, lease: lease, attempts: 2, notReplayed: reason)
          #expect([502, 503, 504].contains(failure.status))
          #expect(Self.registered.contains("\(failure.proxyStatusError)"))
          let sentence = failure.sentence(server: "10.0.0.7:3000")
          #expect(sentence.hasSuffix(".") && !sentence.contains("..") && !sentence.contains("  "), "\(sentence)")
          #expect(failure.prevention(server: "s").isEmpty || failure.prevention(server: "s").hasSuffix("."))
          // Proxy-Status carries it as an sf-string (RFC 8941 section 3.3.3): printable ASCII.
          #expect(failure.details.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F }, "\(failure.details)")
        }
      }
    }
  }

  @Test("A server that is down")
  func refused() {
    let failure = Failure(.connectRefused, verdict: .neverSent, attempts: 1, notReplayed: .connectFailed)
    #expect(failure.status == 502)
    #expect("\(failure.proxyStatusError)" == "connection_refused")
    #expect(failure.details == "connection refused")
    #expect(
      failure.sentence(server: "10.0.0.7:3000") == "10.0.0.7:3000 refused the connection: nothing listens there.")
  }

  @Test("A socket has a path, and no port")
  func refusedAtAPath() {
    let failure = Failure(.connectRefused, verdict: .neverSent, attempts: 1, notReplayed: .connectFailed)
    #expect(failure.prevention(server: "unix:/run/app.sock") == "Start the server, or correct the path of its socket.")
    #expect(failure.prevention(server: "10.0.0.7:3000") == "Start the server, or correct its address and port.")
  }

  @Test("The race that could not be repaired")
  func race() {
    let failure = Failure(.race, verdict: .unknown, lease: Scene.reused, attempts: 1, notReplayed: .notIdempotent)
    #expect(failure.status == 502)
    #expect("\(failure.proxyStatusError)" == "connection_terminated")
    #expect(
      failure.details
        == "keep-alive race; verdict: unknown; idle: 4.98 s; not replayed: method not idempotent")
    #expect(
      failure.sentence(server: "10.0.0.7:3000") == """
        The request met the close of its connection: 10.0.0.7:3000 closed it (12 requests old, idle for 4.98 s) while \
        the request was on its way. Whether it received the request cannot be told. It is not sent again, since its \
        method is not idempotent and nothing proves that it was not delivered.
        """)
    #expect(
      failure.prevention(server: "s") == """
        Let the server keep idle connections for longer, or lower the idle age at which they are reused below 4.98 s.
        """)
  }

  @Test("A response that took too long")
  func responseTimeout() {
    let failure = Failure(
      .responseTimeout(after: .seconds(60)), verdict: .delivered, lease: Scene.fresh, attempts: 1,
      notReplayed: .timedOut)
    #expect(failure.status == 504)
    #expect("\(failure.proxyStatusError)" == "http_response_timeout")
    #expect(
      failure.sentence(server: "app") == """
        app did not answer within 60 s. It had received at least a part of the request.
        """)
  }

  @Test(
    "Lengths of time for people",
    arguments: [
      (0, "0 ms"), (400_000, "0.4 ms"), (12_000_000, "12 ms"), (25_130_000, "25.1 ms"), (999_400_000, "999 ms"),
      (999_600_000, "1 s"), (4_980_000_000, "4.98 s"), (5_000_000_000, "5 s"), (5_004_000_000, "5 s"),
      (5_060_000_000, "5.06 s"), (12_345_000_000, "12.3 s"), (60_000_000_000, "60 s"), (754_000_000_000, "754 s"),
      (5_400_000_000_000, "1.5 h"), (-4_980_000_000, "-4.98 s"), (Int64.max, "no limit"),
    ] as [(Int64, String)])
  func spoken(count: Int64, text: String) {
    #expect(Nanoseconds(count).spoken == text)
  }
}
