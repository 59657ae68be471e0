import Testing

@testable import Core

@Suite struct KnownFieldTests {
  static let names: [KnownField: String] = [
    .host: "host", .connection: "connection", .contentLength: "content-length", .transferEncoding: "transfer-encoding",
    .transferCodings: "te", .trailer: "trailer", .upgrade: "upgrade", .keepAlive: "keep-alive",
    .proxyConnection: "proxy-connection", .proxyAuthenticate: "proxy-authenticate",
    .proxyAuthorization: "proxy-authorization", .proxyAuthenticationInfo: "proxy-authentication-info",
    .proxyVariable: "proxy", .cdnLoop: "cdn-loop", .http2Settings: "http2-settings", .expect: "expect", .via: "via",
    .forwarded: "forwarded",
    .xForwardedFor: "x-forwarded-for", .xForwardedProto: "x-forwarded-proto", .xForwardedHost: "x-forwarded-host",
    .xRealIP: "x-real-ip", .clientCert: "client-cert", .clientCertChain: "client-cert-chain",
    .xForwardedClientCert: "x-forwarded-client-cert", .xRequestID: "x-request-id", .traceparent: "traceparent",
    .tracestate: "tracestate",
    .date: "date", .server: "server", .contentType: "content-type", .contentEncoding: "content-encoding",
    .contentRange: "content-range", .contentLocation: "content-location", .authorization: "authorization",
    .cookie: "cookie", .setCookie: "set-cookie", .cacheControl: "cache-control", .userAgent: "user-agent",
    .referer: "referer", .location: "location", .maxForwards: "max-forwards", .proxyStatus: "proxy-status",
    .retryAfter: "retry-after", .wwwAuthenticate: "www-authenticate", .range: "range", .vary: "vary", .age: "age",
    .expires: "expires", .entityTag: "etag",
  ]

  private func recognise(_ name: String) -> KnownField {
    // At the end of the bytes and in the midst of them, so that short and long loads are both used.
    let alone = Array(name.utf8)
    let within = Array("--------\(name):--------".utf8)
    let first = KnownField.recognise(alone.rawSpan, ByteRange(offset: 0, count: alone.count))
    let second = KnownField.recognise(within.rawSpan, ByteRange(offset: 8, count: alone.count))
    #expect(first == second)
    return first
  }

  @Test func recognisesEveryNameInAnyCase() {
    for field in KnownField.allCases {
      switch field {
      case .other, .lookalike, .xForwardedOther: #expect(Self.names[field] == nil)
      default:
        guard let name = Self.names[field] else { return #expect(Bool(false), "\(field) has no name") }
        #expect(recognise(name) == field)
        #expect(recognise(name.uppercased()) == field)
      }
    }
    #expect(KnownField.allCases.count <= 64, "the set of known fields is one word")
  }

  @Test func doesNotRecogniseNeighbours() {
    for (_, name) in Self.names {
      for index in name.utf8.indices {
        var bytes = Array(name.utf8)
        let offset = name.utf8.distance(from: name.startIndex, to: index)
        for byte in UInt8.min...UInt8.max where ByteClass.isToken(byte) {
          bytes[offset] = byte
          let changed = String(decoding: bytes, as: UTF8.self)
          let expected = Self.names.first { $0.value == changed.lowercased() }?.key
          let found = recognise(changed)
          if let expected {
            #expect(found == expected)
          } else if found != .other {
            let dashed = String(changed.lowercased().map { $0 == "_" ? "-" : $0 })
            if changed.lowercased().hasPrefix("x-forwarded-") {
              #expect(found == .xForwardedOther)
            } else {
              #expect(found == .lookalike, "\(changed)")
              #expect(changed.contains("_") && (Self.names.values.contains(dashed) || dashed.hasPrefix("x-forwarded-")))
            }
          }
        }
      }
      #expect(recognise(name + "x") == (name.hasPrefix("x-forwarded-") ? .xForwardedOther : .other))
      #expect(recognise("y" + name) == .other)
    }
  }

  @Test func noticesNamesThatBecomeKnownOnes() {
    for name in [
      "content_length", "Transfer_Encoding", "X_Forwarded_For", "X-Forwarded_For", "x_forwarded_anything", "set_cookie",
      "proxy_authentication_info", "X_Request-Id",
    ] {
      #expect(recognise(name) == .lookalike, "\(name)")
    }
    for name in [
      "_", "a_b", "content__length", "host_", "_host", "x_forwarded", "content_lengthx", "x-forwarded-",
      "some_very_long_name_of_nothing",
    ] {
      #expect(recognise(name) == .other, "\(name)")
    }
    #expect(recognise("X-Forwarded-Port") == .xForwardedOther)
  }
}
