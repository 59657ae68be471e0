/// What upstreams say that they have read: lines of JSON, each with the "id" of a request, in one or several texts.
package struct UpstreamLedger: Equatable, Sendable {
  /// How often each request was read completely.
  package private(set) var times: [String: Int] = [:]
  /// Requests with which the upstream died, by its script.
  package private(set) var deaths: Set<String> = []

  package init() {}

  package init(parsing text: String) { add(parsing: text) }

  /// Takes in another upstream's, or another of its processes'. What is no entry is passed over.
  package mutating func add(parsing text: String) {
    for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
      // Caddy's access log has the request's fields, each a list.
      guard let id = Self.field("id", in: line) ?? Self.field("X-Race-Id", in: line) else { continue }
      times[id, default: 0] += 1
      if Self.field("answer", in: line) == "died" { deaths.insert(id) }
    }
  }

  /// The text of a field whose value needs no escapes, as the driver's IDs don't, or of the first value of a list; a space may
  /// stand behind the colon.
  private static func field(_ name: StaticString, in line: Substring.UTF8View) -> String? {
    let mark = Array("\"\(name)\":".utf8)
    var rest = line
    while let start = rest.firstIndex(of: UInt8(ascii: "\"")) {
      rest = rest[start...]
      guard rest.starts(with: mark) else {
        rest = rest.dropFirst()
        continue
      }
      rest = rest.dropFirst(mark.count)
      if rest.first == UInt8(ascii: " ") { rest = rest.dropFirst() }
      if rest.first == UInt8(ascii: "[") { rest = rest.dropFirst() }
      guard rest.first == UInt8(ascii: "\"") else { return nil }
      return String(rest.dropFirst().prefix { $0 != UInt8(ascii: "\"") })
    }
    return nil
  }
}
