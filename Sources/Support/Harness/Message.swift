/// A request or response as one of its ends saw it.
package struct Message: Sendable {
  /// How the end of the content was told.
  package enum Framing: Equatable, Sendable {
    case none, length(Int), chunked, close
  }

  package var startLine: String
  package var fields: [(name: String, value: String)]
  package var framing = Framing.none
  package var content: [UInt8] = []
  package var trailers: [(name: String, value: String)] = []

  /// Reads the text of a head, its empty line included. A plain reader, so that the proxy's grammar does not judge itself.
  package init(head: String) {
    // "\r\n" is one Character, so lines are told apart by bytes.
    var lines = head.utf8.split(separator: 0x0a, omittingEmptySubsequences: false).map { line in
      String(decoding: line.last == 0x0d ? line.dropLast() : line, as: UTF8.self)
    }
    startLine = lines.removeFirst()
    fields = lines.prefix { !$0.isEmpty }.map(Self.field)
  }

  static func field(_ line: String) -> (name: String, value: String) {
    guard let colon = line.firstIndex(of: ":") else { return (line, "") }
    return (String(line[..<colon]), String(line[line.index(after: colon)...].drop { $0 == " " }))
  }

  /// The value of a field; nil without it, all of them joined when it is repeated.
  package subscript(name: String) -> String? {
    let found = fields.filter { $0.name.lowercased() == name.lowercased() }.map(\.value)
    return found.isEmpty ? nil : found.joined(separator: " | ")
  }

  package var status: Int { startLine.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0 }
  package var method: String { startLine.split(separator: " ").first.map(String.init) ?? "" }
  package var target: String { startLine.split(separator: " ").dropFirst().first.map(String.init) ?? "" }
  package var text: String { String(decoding: content, as: UTF8.self) }
}
