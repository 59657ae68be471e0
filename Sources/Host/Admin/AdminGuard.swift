import Core

/// Who may ask what of the admin endpoint.
struct AdminGuard: Sendable {
  private let token: [UInt8]?
  private let hosts: Set<String>
  private let isUnix: Bool
  private let isLocal: Bool

  init(_ settings: AdminSettings) {
    token = settings.token.map { Array($0.utf8) }
    hosts = Set(settings.hosts.map(AdminRequest.hostName))
    switch settings.address {
    case .unix:
      isUnix = true
      isLocal = true
    case .tcp(let host, _):
      isUnix = false
      isLocal = host == "localhost" || SocketAddress(literal: host, port: 0)?.isLoopback ?? false
    case .inherited:
      isUnix = false
      isLocal = false
    }
  }

  /// Why the request is refused; nil when it is not.
  func objection(to request: AdminRequest) -> AdminResponse? {
    // A page of the web whose name was made to lead here (DNS rebinding) has that name as Host.
    guard isUnix || allows(host: request.host) else {
      return .refusal(421, "'\(request.host)' is no name of this endpoint; add it to 'admin.hosts'")
    }
    let changes = !request.method.isSafe
    if changes, let objection = foreignPage(request) { return objection }
    if isUnix || (isLocal && !changes) { return nil }
    guard let token else {
      return .refusal(403, "changes need 'admin.token' in the settings, or a UNIX socket as 'admin.address'")
    }
    guard Self.shows(token, request.authorization) else {
      var answer = AdminResponse.refusal(401, "this needs Authorization: Bearer with the token of the settings")
      answer.fields.append(("WWW-Authenticate", "Bearer"))
      return answer
    }
    return nil
  }

  /// A browser says which page asks. Others can say what they like: they have no rights of their user's.
  private func foreignPage(_ request: AdminRequest) -> AdminResponse? {
    let isForeign =
      request.fetchSite.map { $0 != "same-origin" && $0 != "none" } ?? false
      || request.origin.map { origin in
        guard let scheme = origin.firstRange(of: "://") else { return true }
        return AdminRequest.hostName(String(origin[scheme.upperBound...])) != request.host
      } ?? false
    return isForeign ? .refusal(403, "the request comes from a page of another site") : nil
  }

  private func allows(host: String) -> Bool {
    if host == "localhost" || host.hasSuffix(".localhost") || hosts.contains(host) { return true }
    return SocketAddress(literal: host, port: 0) != nil
  }

  /// Takes as long whatever the first byte that differs is.
  private static func shows(_ token: [UInt8], _ authorization: String) -> Bool {
    let parts = authorization.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: true)
    guard parts.count == 2, parts[0].lowercased() == "bearer" else { return false }
    let shown = Array(parts[1].utf8)
    guard shown.count == token.count else { return false }
    var difference: UInt8 = 0
    for (left, right) in zip(shown, token) { difference |= left ^ right }
    return difference == 0
  }
}

extension SocketAddress {
  fileprivate var isLoopback: Bool {
    switch kind {
    case .ipv4(let address, _): address >> 24 == 127
    case .ipv6(let bytes, _, _): bytes.dropLast().allSatisfy { $0 == 0 } && bytes.last == 1
    case .unix: true
    }
  }
}
