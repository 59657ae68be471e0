/// A ``PathRewrite`` as bytes that are ready to be compared and written.
///
/// What comes out begins with one "/": a rewrite never leaves `//evil.example` behind, which a browser, and many a server, takes
/// for the name of a host. Else bytes are taken as they are: nothing is decoded, and `..` in what remains stays.
package struct CompiledRewrite: Sendable {
  private enum Change: Sendable {
    case none
    /// The prefix without its last "/". `needsSlash`: it had one, so the path must have one there.
    case prefix([UInt8], needsSlash: Bool, with: Replacement)
    case path([UInt8])
  }

  private struct Replacement: Sendable {
    /// What stands before the rest: without its last "/".
    var start: [UInt8]
    /// The whole path when nothing is left behind the prefix.
    var alone: [UInt8]
  }

  /// A path in two parts: bytes of the settings, and what is kept of the request's.
  struct Result {
    var start: [UInt8]
    var rest: ByteRange
  }

  private let change: Change

  package static let none = CompiledRewrite(.none)

  package init(_ rewrite: PathRewrite) {
    switch rewrite {
    case .none: change = .none
    case .stripPrefix(let prefix): change = Self.prefix(prefix, with: "/")
    case .replacePrefix(let prefix, with: let other): change = Self.prefix(prefix, with: other)
    case .replacePath(let path): change = .path(Self.rooted(path))
    }
  }

  package var isEmpty: Bool {
    switch change {
    case .none: true
    case .prefix, .path: false
    }
  }

  /// - Parameter path: without the query; not empty, and in origin-form.
  func applied(to path: ByteRange, _ bytes: RawSpan) -> Result {
    switch change {
    case .none: return Result(start: [], rest: path)
    case .path(let whole): return Result(start: whole, rest: ByteRange(offset: path.end, count: 0))
    case .prefix(let prefix, let needsSlash, let replacement):
      guard let rest = Self.rest(of: path, behind: prefix, needsSlash, bytes) else {
        return Result(start: [], rest: path)
      }
      if rest.isEmpty { return Result(start: replacement.alone, rest: rest) }
      return Result(start: replacement.start, rest: replacement.start.isEmpty ? rest.withOneSlash(bytes) : rest)
    }
  }

  /// What stands behind the prefix: nothing, or a slash and more. nil when the prefix is not there as a whole segment.
  private static func rest(
    of path: ByteRange, behind prefix: [UInt8], _ needsSlash: Bool, _ bytes: RawSpan
  ) -> ByteRange? {
    guard path.count >= prefix.count,
      bytes.equals(prefix, at: ByteRange(offset: path.start, count: prefix.count))
    else { return nil }
    let rest = ByteRange(offset: path.start &+ prefix.count, count: path.count &- prefix.count)
    if rest.isEmpty { return needsSlash ? nil : rest }
    return bytes.byte(at: rest.start) == UInt8(ascii: "/") ? rest : nil
  }

  private static func prefix(_ text: String, with other: String) -> Change {
    var prefix = Array(text.utf8)
    let needsSlash = prefix.last == UInt8(ascii: "/")
    if needsSlash { prefix.removeLast() }
    let alone = rooted(other)
    var start = alone
    if start.last == UInt8(ascii: "/") { start.removeLast() }
    return .prefix(prefix, needsSlash: needsSlash, with: Replacement(start: start, alone: alone))
  }

  /// With one "/" at its beginning.
  private static func rooted(_ path: String) -> [UInt8] {
    [UInt8(ascii: "/")] + path.utf8.drop { $0 == UInt8(ascii: "/") }
  }
}

extension ByteRange {
  /// Without all but one of the slashes at its beginning.
  func withOneSlash(_ bytes: RawSpan) -> ByteRange {
    var start = start
    while start &+ 1 < end, bytes.byte(at: start) == UInt8(ascii: "/"), bytes.byte(at: start &+ 1) == UInt8(ascii: "/")
    {
      start &+= 1
    }
    return ByteRange(offset: start, count: end &- start)
  }
}
