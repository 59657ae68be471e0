internal import Core

/// Rules that need nothing but one nginx.
enum NginxRules {
  /// Fewer requests than this on one client connection make closes a matter of course.
  private static let fewRequests = 50

  static func requests(_ scope: NginxScope) -> [CheckFinding] {
    guard let directive = scope.requests, let count = Int(directive.first), count < fewRequests else { return [] }
    return [
      CheckFinding(
        .secondTimer, .warning, .proved, at: directive.place,
        "`keepalive_requests \(count)` closes each client connection after \(count) request\(count == 1 ? "" : "s"); a load balancer or "
          + "proxy in front that keeps a pool meets a close with every \(count == 1 ? "request" : "few requests").",
        changes: [
          CheckChange(
            "keepalive_requests 1000;", at: directive.place, edit: .replace(old: directive.first, new: "1000"))
        ])
    ]
  }

  static func retries(_ passes: [NginxInstance.Pass]) -> [CheckFinding] {
    var seen: Set<CheckPlace> = []
    return passes.compactMap { pass in
      guard let directive = pass.scope.nextUpstream, seen.insert(directive.place).inserted,
        let word = directive.arguments.first(where: { $0.text == "non_idempotent" })
      else { return nil }
      return CheckFinding(
        .retryAppliesTwice, .warning, .proved, at: word.place,
        "`non_idempotent` has nginx send POST, LOCK and PATCH again after they were sent once: what the first server had "
          + "already applied is applied twice.",
        changes: [
          CheckChange("leave `non_idempotent` out", at: word.place, edit: .replace(old: " non_idempotent", new: ""))
        ])
    }
  }

  static func earlyData(_ servers: [NginxInstance.Server], _ passes: [NginxInstance.Pass]) -> [CheckFinding] {
    var seen: Set<CheckPlace> = []
    return passes.compactMap { pass in
      guard let directive = pass.scope.earlyData, directive.first == "on", pass.scope.header("Early-Data") == nil,
        !servers.contains(where: { handles425($0, directive) }), seen.insert(directive.place).inserted
      else { return nil }
      return CheckFinding(
        .earlyData, .warning, .likely, at: directive.place,
        "`ssl_early_data on` lets requests through that can be replayed by anybody who recorded them, and the server "
          + "is not told: it cannot answer 425 (Too Early).",
        evidence: [CheckEvidence("requests go on to a server without `Early-Data`", at: pass.directive.place)],
        changes: [CheckChange("proxy_set_header Early-Data $ssl_early_data;", at: pass.directive.place)])
    }
  }

  /// `$ssl_early_data` is looked at somewhere in the block: in an `if`, a `map`, a parameter of FastCGI.
  private static func handles425(_ server: NginxInstance.Server, _ directive: NginxDirective) -> Bool {
    func mentions(_ block: [NginxDirective], _ depth: Int) -> Bool {
      block.contains { item in
        item.arguments.contains {
          $0.text.contains("$ssl_early_data") && item.name != "add_header" && item.name != "log_format"
        }
          || (depth < CheckLimits.depth && mentions(item.block ?? [], depth + 1))
      }
    }
    return mentions(server.block, 0)
  }

  /// A pool that is asked for and gets no connection, or only with some versions.
  static func pool(
    _ upstream: NginxDirective, _ keepalive: NginxDirective, _ users: [NginxInstance.Pass], _ use: PoolUse,
    _ version: VersionRange, _ maps: [String: NginxDirective]
  ) -> [CheckFinding] {
    guard use != .used else { return [] }
    let ordinary = users.filter { NginxConnectionHeader($0.scope.header("Connection"), maps: maps) != .upgrade }
    guard let user = ordinary.first else { return [] }
    let header = user.scope.header("Connection")
    let why =
      header.map { "`\($0.name) \($0.arguments.map(\.text).joined(separator: " "))`" + " sends `Connection: close`" }
      ?? "nothing empties `Connection`, so nginx sends `Connection: close`"
    let isEmpty = NginxConnectionHeader(header, maps: maps) == .open
    let reason = isEmpty ? "requests go out as HTTP/1.0, because `proxy_http_version 1.1` is missing" : why
    var message = "`keepalive \(keepalive.first)` in upstream \(upstream.first) has no effect: \(reason)."
    if use != .unused {
      message += " From nginx 1.29.7 on the pool is used, with a hold of 60 s unless keepalive_timeout says otherwise."
    }
    var changes: [CheckChange] = []
    if !isEmpty {
      changes.append(CheckChange("proxy_set_header Connection \"\";", at: (header ?? user.directive).place))
    }
    if user.scope.httpVersion == nil {
      changes.append(CheckChange("proxy_http_version 1.1;", at: user.directive.place))
    }
    var findings = [
      CheckFinding(
        .poolWithoutEffect, .warning, use == .unused ? .proved : .likely, at: keepalive.place, message,
        evidence: [CheckEvidence("the location that uses it", at: user.directive.place)], changes: changes)
    ]
    if case .versions(let range) = use {
      findings.append(
        CheckFinding(
          .versionFlipsDefault, .warning, .likely, at: keepalive.place,
          "The version of nginx decides, and is not known here: below 1.29.7 no connection to upstream \(upstream.first) is "
            + "reused, from \(range.from?.text ?? "1.29.7") on all are.",
          evidence: [CheckEvidence("pin the version, or write `Connection` and the HTTP version out")]))
    }
    return findings
  }
}
