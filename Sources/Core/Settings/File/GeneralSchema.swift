/// The keys that hold for the whole proxy.
enum GeneralSchema {
  static var timeouts: SettingsSection<ProxySettings.Timeouts> {
    SettingsSection(
      title: "timeouts",
      keys: [
        SettingsKey(
          "request-head", \.requestHead, .time(), "From the first byte of a request head to its last (408)."),
        SettingsKey(
          "client-idle", \.clientIdle, .time(),
          "How long a client connection may stay idle. Without it, 10s longer than `advertised-idle`."),
        SettingsKey(
          "advertised-idle", \.advertisedIdleSeconds, advertisedForm,
          "What `Keep-Alive: timeout=` tells clients, so that they close first; `off`: nothing. Without it, 10s less than `client-idle`."
        ),
        SettingsKey(
          "body-idle", \.bodyIdle, .time(), "Between two pieces of a body, either way (408, 504, or a close)."),
        SettingsKey("connect", \.connect, .time(), "To connect to a server."),
        SettingsKey(
          "refused", \.refused, .time(.zero...SettingsForm<Nanoseconds>.longestTime),
          "How long requests wait when every server refuses connections, counted from when it began to: it may be starting anew. `0s`: not at all."
        ),
        SettingsKey(
          "response-head", \.responseHead, .time(), "From the request's last byte to the response head (504)."),
        SettingsKey("tunnel-idle", \.tunnelIdle, .time(), "Silence in an upgraded connection (WebSocket)."),
        SettingsKey(
          "linger", \.linger, .time(), "Between two pieces of what a client still sends behind its last answer."),
        SettingsKey("drain", \.drain, .time(), "From the signal to stop to the end, whatever is still under way then."),
        SettingsKey(
          "drain-grace", \.drainGrace, .time(.zero...SettingsForm<Nanoseconds>.longestTime),
          "How long idle client connections may still bring a last request while the proxy drains; at most half of `drain`."
        ),
      ],
      foreignKeys: [
        "client": "did you mean 'request-head', 'body-idle' or 'client-idle'?",
        "server": "did you mean 'response-head' and 'body-idle'?",
        "idle": "did you mean 'client-idle', or 'pool' with 'idle-age' in an upstream?",
        "keepalive_timeout": "did you mean 'client-idle'?",
        "proxy_read_timeout": "did you mean 'response-head' and 'body-idle'?",
        "read": "did you mean 'request-head', 'response-head' or 'body-idle'?",
        "exchange": "'exchange' is a key of a route's timeouts",
      ])
  }

  /// Whole seconds, or `off`.
  private static var advertisedForm: SettingsForm<UInt32> {
    let seconds = SettingsForm<UInt32>.wholeSeconds(1...2_592_000)
    return SettingsForm(
      description: "a time of whole seconds, or off", kind: "time, or off",
      read: { node, _, reader in
        if case .scalar(let scalar) = node.content, scalar.text == "off" { return 0 }
        return seconds.read(node, nil, &reader)
      },
      show: { $0 == 0 ? .text("off") : seconds.show($0) })
  }

  static var limits: SettingsSection<ProxySettings.Limits> {
    SettingsSection(
      title: "limits",
      keys: [
        SettingsKey("head", \.headBytes, .size(256...(1 << 20)), "A request or response head (431, 502)."),
        SettingsKey("request-line", \.startLineBytes, .size(64...(1 << 20)), "A request line (414)."),
        SettingsKey("fields", \.fieldCount, .count(1...10_000), "Fields of a head (431, 502)."),
        SettingsKey(
          "body", \.bodyBytes, SettingsForm<UInt64>.size(0...(1 << 50)).orNone("unlimited"), "A request's body (413)."),
        SettingsKey(
          "clients", \.clientConnections, .count(1...10_000_000),
          "Client connections of the process; more wait in the kernel's queue."),
        SettingsKey(
          "http2-streams", \.http2Streams, .count(1...10_000),
          "Requests that one HTTP/2 connection of a client may have under way."),
        SettingsKey(
          "replay-body", \.replayBytes, .size(0...(1 << 30)), "What is kept of a request's body for a replay."),
      ],
      foreignKeys: [
        "client_max_body_size": "did you mean 'body'?", "connections": "did you mean 'clients'?",
      ])
  }

  static var forwarding: SettingsSection<ForwardingSettings> {
    SettingsSection(
      title: "forwarding",
      keys: [
        SettingsKey("x-forwarded", \.xForwarded, .onOff, "Write X-Forwarded-For, -Proto and -Host."),
        SettingsKey("forwarded", \.forwarded, .onOff, "Write Forwarded (RFC 7239)."),
        SettingsKey("via", \.via, .onOff, "Write Via."),
        SettingsKey("request-id", \.requestID, .onOff, "Write X-Request-Id where the client sent none."),
        SettingsKey("name", \.name, .token("a token"), "The name of this proxy in Via and Proxy-Status."),
        SettingsKey(
          "trust", \.trustedPeers, SettingsForm<AddressBlock>.block.list(),
          "Proxies before this one whose own forwarding fields are believed: `10.0.0.0/8`, `::1`."),
      ])
  }

  static var guards: SettingsSection<GuardSettings> {
    SettingsSection(
      title: "guards",
      keys: [
        SettingsKey(
          "request-rate", \.requestRate, rateForm.orNone("unlimited"),
          "Requests of one client address (429): `100/s`, or a map with `rate` and `burst`. The burst is one second's worth unless it is given."
        ),
        SettingsKey(
          "connections-per-client", \.connectionsPerClient, SettingsForm<Int>.count(1...1_000_000).orNone("unlimited"),
          "Connections of one client address at once; more are closed."),
        SettingsKey(
          "minimum-body-rate", \.minimumBodyRate, byteRateForm.orNone("off"),
          "How fast a request's body must come on average, for instance `1k/s` (408)."),
        SettingsKey(
          "minimum-body-rate-grace", \.minimumBodyRateGrace, .time(.zero...(.seconds(3_600))),
          "How long a body may take before its rate counts."),
        SettingsKey(
          "exchanges-in-flight", \.exchangesInFlight, SettingsForm<Int>.count(1...10_000_000).orNone("unlimited"),
          "Requests under way in the whole process; more get 503 and Retry-After."),
        SettingsKey(
          "exempt", \.exempt, SettingsForm<AddressBlock>.block.list(), "Client addresses that no limit holds."),
      ],
      foreignKeys: [
        "rate-limit": "did you mean 'request-rate'?", "max-connections": "did you mean 'connections-per-client'?",
      ])
  }

  private static var byteRateForm: SettingsForm<UInt64> {
    let size = SettingsForm<UInt64>.size(1...(1 << 40))
    return .scalar(
      "a rate, for instance 1k/s", kind: "rate",
      parse: { text throws(QuantityError) in
        guard text.hasSuffix("/s"), let bytes = try? byteCount(parsing: String(text.dropLast(2))),
          (1...(1 << 40)).contains(bytes)
        else { throw QuantityError(text: text, fact: "is no rate of bytes", fix: "write for instance 500/s or 1k/s") }
        return bytes
      },
      show: { rate in
        guard case .scalar(let scalar)? = size.show(rate)?.content else { return nil }
        return scalar.text + "/s"
      })
  }

  private static var rateForm: SettingsForm<GuardSettings.RateLimit> {
    let rate = SettingsForm<Double>.rate
    struct Draft {
      var rate: Double?
      var burst: UInt32?
    }
    let section = SettingsSection<Draft>(
      title: "a rate",
      keys: [
        SettingsKey("rate", \.rate, rate.optional(), "Requests on average: `100/s`, `30/m`."),
        SettingsKey(
          "burst", \.burst, SettingsForm<UInt32>.count(1...10_000_000).optional(), "Requests at once."),
      ])
    func limit(_ perSecond: Double, _ burst: UInt32?) -> GuardSettings.RateLimit {
      GuardSettings.RateLimit(perSecond: perSecond, burst: burst ?? UInt32(max(1, perSecond.rounded(.up))))
    }
    return SettingsForm(
      description: "a rate, for instance 100/s, or a map with rate and burst", kind: "rate, or map",
      read: { node, _, reader in
        guard case .map = node.content else { return rate.read(node, nil, &reader).map { limit($0, nil) } }
        var draft = Draft()
        let before = reader.errorCount
        section.read(node, into: &draft, &reader)
        guard let perSecond = draft.rate else {
          if reader.errorCount == before { reader.report("has no 'rate'", fix: "add one, for instance rate: 100/s") }
          return nil
        }
        return limit(perSecond, draft.burst)
      },
      show: { value in
        if value == limit(value.perSecond, nil) { return rate.show(value.perSecond) }
        return section.show(Draft(rate: value.perSecond, burst: value.burst))
      },
      keys: section.describe(Draft()))
  }

  static var logs: SettingsSection<LogSettings> {
    SettingsSection(
      title: "logs",
      keys: [
        SettingsKey(
          "access", \.access, LogFormats.form,
          "A line for each request: a form, or a text with names in braces (the list is below)."),
        SettingsKey(
          "access-file", \.accessPath, SettingsForm<String>.text("the path of a file").orNone("stdout"),
          "Where access lines are appended."),
        SettingsKey(
          "sampling", \.sampling, .count(1...1_000_000),
          "One of so many ordinary requests is logged; failures, replays and answers of 5xx always are."),
        SettingsKey(
          "query", \.query, .choice(LogSettings.QueryPolicy.allCases.map { ($0.rawValue, $0) }),
          "What becomes of queries in both logs: their values may be secrets."),
        SettingsKey(
          "request-fields", \.requestFields, LogFormats.fieldName.list(),
          "Fields of the request that `text` and `json` show; none by default."),
        SettingsKey(
          "response-fields", \.responseFields, LogFormats.fieldName.list(),
          "Fields of the response that `text` and `json` show."),
        SettingsKey(
          "reveal", \.reveal, LogFormats.fieldName.list(),
          "Secret fields, such as Cookie, that the access log may show in clear; else it has `...` in their place."),
        SettingsKey(
          "level", \.level, .choice(LogSettings.Level.allCases.map { ($0.rawValue, $0) }),
          "Least severe lines on standard error."),
      ],
      foreignKeys: ["format": "did you mean 'access'?", "file": "did you mean 'access-file'?"])
  }
}

extension SettingsForm<AddressBlock> {
  static var block: SettingsForm {
    .scalar(
      "addresses, for instance 10.0.0.0/8", kind: "addresses", parse: AddressBlock.init(parsing:), show: \.text)
  }
}

extension SettingsForm<Double> {
  /// Per second: `100/s`, `30/m`.
  static var rate: SettingsForm {
    .scalar(
      "a rate, for instance 100/s or 30/m", kind: "rate",
      parse: { text throws(QuantityError) in
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let scale: Double? = parts.count == 2 ? ["s": 1, "m": 60, "h": 3_600][parts[1]] : nil
        let isNumber = parts[0].utf8.allSatisfy { ByteClass.isDigit($0) || $0 == UInt8(ascii: ".") }
        guard let scale, isNumber, let value = Double(parts[0]) else {
          throw QuantityError(text: text, fact: "is no rate", fix: "write for instance 100/s, 30/m or 5/h")
        }
        guard value / scale >= 1 / 86_400, value / scale <= 1e7 else {
          throw QuantityError(text: text, fact: "is out of range", fix: "it is one in a day to ten million a second")
        }
        return value / scale
      },
      show: { perSecond in
        for (unit, scale) in [("s", 1.0), ("m", 60.0), ("h", 3_600.0)] {
          let value = (perSecond * scale).rounded()
          if value > 0, value / scale == perSecond { return "\(Int64(value))/\(unit)" }
        }
        return "\(perSecond)/s"
      })
  }
}
