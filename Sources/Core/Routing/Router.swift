/// Finds the route of a request: the most specific of those that match, as ``RouteMatch`` orders them.
///
/// ```
/// let router = Router(settings.routes)
/// guard let index = router.route(head, inbound.readable, fields) else { /* 404, or the first upstream when there are no routes */ }
/// let route = settings.routes[index]
/// ```
///
/// Built once for each version of the settings and then shared by all threads. A look-up allocates nothing; its time grows with
/// the length of host and path, not with the number of routes. Host, path and fields are compared as they were sent: nothing is
/// decoded (`%2e`), resolved (`..`) or merged (`//`), so that the server sees exactly what was matched.
package struct Router: Sendable {
  /// One route under one host and one path of its own.
  private struct Candidate: Sendable {
    var route: Int
    /// nil: nothing more is asked.
    var condition: RouteCondition?
  }

  /// The routes under one host.
  private struct PathGroup: Sendable {
    var exact = PatternTable([])
    var prefixes = PatternTable([])
    var anyPath: Int?
  }

  private let count: Int
  /// The route when every route takes everything: the first.
  private let only: Int?
  /// Candidates of the same host and path, the one with most conditions first. The tables point here.
  private var lists: [[Candidate]] = []
  private var groups: [PathGroup] = []
  private var exactHosts = PatternTable([])
  /// Suffixes with their leading dot, hashed from their end.
  private var hostSuffixes = PatternTable([], isReversed: true)
  private var anyHost: Int?
  private let root: [UInt8] = [UInt8(ascii: "/")]
  private let asterisk: [UInt8] = [UInt8(ascii: "*")]

  package init(_ routes: [RouteSettings]) {
    count = routes.count
    only = routes.isEmpty || routes.contains { $0.match != RouteMatch() } ? nil : 0
    if only == nil { compile(routes) }
  }

  /// Whether there are no routes at all: everything goes to the first upstream.
  package var isEmpty: Bool { count == 0 }

  /// The index of the route for a request, or nil when none matches.
  ///
  /// - Parameters:
  ///   - bytes: what the head was parsed from.
  ///   - fields: what the head's fields were parsed into. A field that Connection nominates counts as there.
  @inline(__always)
  package func route(_ head: RequestHead, _ bytes: RawSpan, _ fields: borrowing FieldTable) -> Int? {
    if let only { return only }
    if count == 0 { return nil }
    return search(head, bytes, fields)
  }

  @inline(never)
  private func search(_ head: RequestHead, _ bytes: RawSpan, _ fields: borrowing FieldTable) -> Int? {
    let path = head.target.path(bytes)
    if path.isEmpty {
      // Absolute-form without a path: "/" is to be understood, and for OPTIONS the whole server (RFC 9112 section 3.2.4).
      let isWholeServer = head.method == .options && head.target.pathAndQuery.isEmpty
      let implied = isWholeServer ? asterisk.rawSpan : root.rawSpan
      return search(head, bytes, fields, implied, ByteRange(offset: 0, count: 1))
    }
    return search(head, bytes, fields, bytes, path)
  }

  private func search(
    _ head: RequestHead, _ bytes: RawSpan, _ fields: borrowing FieldTable, _ pathBytes: RawSpan, _ path: ByteRange
  ) -> Int? {
    let request = RequestView(methodRange: head.methodRange, pathRange: path)
    if !exactHosts.isEmpty || !hostSuffixes.isEmpty {
      let host = Self.hostName(bytes, head.host)
      if let found = searchHosts(host, request, bytes, fields, pathBytes) { return found }
    }
    guard let anyHost else { return nil }
    return search(group: anyHost, request, bytes, fields, pathBytes)
  }

  /// What the levels of the search pass on.
  private struct RequestView: BitwiseCopyable {
    var methodRange: ByteRange
    var pathRange: ByteRange
  }

  // MARK: - Hosts

  /// The host without its port and without the dot of the root, `[v6]` with its brackets.
  static func hostName(_ bytes: RawSpan, _ host: ByteRange) -> ByteRange {
    var end = host.end
    while end > host.start, ByteClass.isDigit(bytes.byte(at: end &- 1)) { end &-= 1 }
    if end > host.start, bytes.byte(at: end &- 1) == UInt8(ascii: ":") {
      end &-= 1
    } else {
      end = host.end
    }
    if end > host.start, bytes.byte(at: end &- 1) == UInt8(ascii: ".") { end &-= 1 }
    return ByteRange(offset: host.start, count: end &- host.start)
  }

  /// The exact host, else the longest suffix that leads to a route.
  private func searchHosts(
    _ host: ByteRange, _ request: RequestView, _ bytes: RawSpan, _ fields: borrowing FieldTable, _ pathBytes: RawSpan
  ) -> Int? {
    // From the end, so that each dot closes a suffix; a longer one found later takes the place of a shorter one.
    var hash = PatternHash()
    var best: Int?
    var offset = host.end
    let limit = max(exactHosts.longestKey, hostSuffixes.longestKey)
    while offset > host.start, host.end &- offset < limit {
      offset &-= 1
      let byte = ByteClass.lowercased(bytes.byte(at: offset))
      hash.add(byte)
      // `*.example.com` is below example.com, so something must stand before the dot.
      guard byte == UInt8(ascii: "."), offset > host.start else { continue }
      let suffix = ByteRange(offset: offset, count: host.end &- offset)
      if let group = hostSuffixes.value(hash, bytes, suffix, foldsCase: true) {
        best = search(group: group, request, bytes, fields, pathBytes) ?? best
      }
    }
    if offset == host.start, let group = exactHosts.value(hash, bytes, host, foldsCase: true) {
      best = search(group: group, request, bytes, fields, pathBytes) ?? best
    }
    return best
  }

  // MARK: - Paths

  private func search(
    group index: Int, _ request: RequestView, _ bytes: RawSpan, _ fields: borrowing FieldTable, _ pathBytes: RawSpan
  ) -> Int? {
    var best: Int?
    if let list = groups[index].anyPath { best = first(of: list, request, bytes, fields) }
    if groups[index].prefixes.isEmpty && groups[index].exact.isEmpty { return best }
    var hash = PatternHash()
    let path = request.pathRange
    let limit = max(groups[index].prefixes.longestKey, groups[index].exact.longestKey)
    var length = 0
    while length < path.count, length <= limit {
      let byte = pathBytes.byte(at: path.start &+ length)
      if byte == UInt8(ascii: "/") {
        // `/api` ends before the slash, `/api/` behind it.
        if let found = search(prefixOf: length, index, hash, request, bytes, fields, pathBytes) { best = found }
        hash.add(byte)
        length &+= 1
        if let found = search(prefixOf: length, index, hash, request, bytes, fields, pathBytes) { best = found }
      } else {
        hash.add(byte)
        length &+= 1
      }
    }
    guard length == path.count else { return best }
    if let found = search(prefixOf: length, index, hash, request, bytes, fields, pathBytes) { best = found }
    if let list = groups[index].exact.value(hash, pathBytes, path, foldsCase: false),
      let found = first(of: list, request, bytes, fields)
    {
      best = found
    }
    return best
  }

  @inline(__always)
  private func search(
    prefixOf length: Int, _ index: Int, _ hash: PatternHash, _ request: RequestView, _ bytes: RawSpan,
    _ fields: borrowing FieldTable, _ pathBytes: RawSpan
  ) -> Int? {
    let prefix = ByteRange(offset: request.pathRange.start, count: length)
    guard let list = groups[index].prefixes.value(hash, pathBytes, prefix, foldsCase: false) else { return nil }
    return first(of: list, request, bytes, fields)
  }

  // MARK: - Conditions

  private func first(
    of list: Int, _ request: RequestView, _ bytes: RawSpan, _ fields: borrowing FieldTable
  ) -> Int? {
    for index in 0..<lists[list].count {
      guard let condition = lists[list][index].condition else { return lists[list][index].route }
      if condition.holds(request.methodRange, bytes, fields) { return lists[list][index].route }
    }
    return nil
  }
}

// MARK: - Compiling

extension Router {
  private mutating func compile(_ routes: [RouteSettings]) {
    var order: [HostKey] = []
    var byHost: [HostKey: [(path: RouteMatch.PathPattern?, candidate: Candidate)]] = [:]
    for (index, route) in routes.enumerated() {
      let candidate = Candidate(route: index, condition: RouteCondition(route.match))
      let hosts = route.match.hosts.isEmpty ? [.any] : route.match.hosts.map { HostKey($0) }
      let paths: [RouteMatch.PathPattern?] = route.match.paths.isEmpty ? [nil] : route.match.paths
      for host in hosts {
        if byHost[host] == nil { order.append(host) }
        for path in paths { byHost[host, default: []].append((path, candidate)) }
      }
    }
    var exact: [(key: [UInt8], value: Int)] = []
    var suffixes: [(key: [UInt8], value: Int)] = []
    for host in order {
      let group = addGroup(byHost[host] ?? [])
      switch host {
      case .any: anyHost = group
      case .exact(let name): exact.append((name, group))
      case .suffix(let suffix): suffixes.append((suffix, group))
      }
    }
    exactHosts = PatternTable(exact, isReversed: true)
    hostSuffixes = PatternTable(suffixes, isReversed: true)
  }

  private enum HostKey: Hashable {
    case exact([UInt8])
    case suffix([UInt8])
    case any

    init(_ pattern: RouteMatch.HostPattern) {
      switch pattern {
      case .exact(let name): self = .exact(name.utf8.map { ByteClass.lowercased($0) })
      case .suffix(let suffix): self = .suffix(suffix.utf8.map { ByteClass.lowercased($0) })
      }
    }
  }

  private mutating func addGroup(_ entries: [(path: RouteMatch.PathPattern?, candidate: Candidate)]) -> Int {
    var group = PathGroup()
    var order: [RouteMatch.PathPattern?] = []
    var byPath: [RouteMatch.PathPattern?: [Candidate]] = [:]
    for (path, candidate) in entries {
      if byPath[path] == nil { order.append(path) }
      byPath[path, default: []].append(candidate)
    }
    var exact: [(key: [UInt8], value: Int)] = []
    var prefixes: [(key: [UInt8], value: Int)] = []
    for path in order {
      let list = addList(byPath[path] ?? [])
      switch path {
      case nil: group.anyPath = list
      case .exact(let text): exact.append((Array(text.utf8), list))
      case .prefix(let text): prefixes.append((Array(text.utf8), list))
      }
    }
    group.exact = PatternTable(exact)
    group.prefixes = PatternTable(prefixes)
    groups.append(group)
    return groups.count - 1
  }

  private mutating func addList(_ candidates: [Candidate]) -> Int {
    lists.append(
      candidates.sorted {
        let left = $0.condition?.count ?? 0
        let right = $1.condition?.count ?? 0
        return left == right ? $0.route < $1.route : left > right
      })
    return lists.count - 1
  }
}
