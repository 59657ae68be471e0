/// What a request asks for (RFC 9112 section 3.2). The authority-form belongs to CONNECT, which is refused.
package struct RequestTarget: Equatable, Sendable, BitwiseCopyable {
  package enum Form: UInt8, Sendable, BitwiseCopyable {
    /// `/path?query`
    case origin
    /// `http://host/path?query`
    case absolute
    /// `*`, with OPTIONS only
    case asterisk
  }

  package var form: Form
  /// The whole target as it was received.
  package var range: ByteRange
  /// Empty unless the form is absolute.
  package var scheme: ByteRange
  /// Empty unless the form is absolute.
  package var authority: ByteRange
  /// Path and query. In absolute-form it can be empty or begin with "?", where "/" is to be understood before it.
  package var pathAndQuery: ByteRange

  /// The path without the query; it can be empty as ``pathAndQuery`` can.
  package func path(_ bytes: RawSpan) -> ByteRange {
    var end = pathAndQuery.start
    while end < pathAndQuery.end, bytes.byte(at: end) != UInt8(ascii: "?") { end &+= 1 }
    return ByteRange(offset: pathAndQuery.start, count: end &- pathAndQuery.start)
  }
}

extension RequestTarget {
  enum Outcome {
    case target(RequestTarget)
    case failed(MessageError.Code, at: Int)
  }

  /// Finds the form of a target whose characters are known to be legal.
  @inline(__always)
  static func parse(_ bytes: RawSpan, _ range: ByteRange, method: Method) -> Outcome {
    guard !range.isEmpty else { return .failed(.targetMalformed, at: range.start) }
    if method == .connect { return .failed(.connectRefused, at: range.start) }
    if bytes.byte(at: range.start) == UInt8(ascii: "/") {
      return .target(
        RequestTarget(form: .origin, range: range, scheme: .empty, authority: .empty, pathAndQuery: range))
    }
    return parseOther(bytes, range, method: method)
  }

  @inline(never)
  private static func parseOther(_ bytes: RawSpan, _ range: ByteRange, method: Method) -> Outcome {
    if range.count == 1, bytes.byte(at: range.start) == UInt8(ascii: "*") {
      guard method == .options else { return .failed(.asteriskWithoutOptions, at: range.start) }
      return .target(
        RequestTarget(form: .asterisk, range: range, scheme: .empty, authority: .empty, pathAndQuery: range))
    }
    var colon = range.start
    while colon < range.end, bytes.byte(at: colon) != UInt8(ascii: ":") { colon += 1 }
    guard colon + 2 < range.end, bytes.byte(at: colon + 1) == UInt8(ascii: "/"),
      bytes.byte(at: colon + 2) == UInt8(ascii: "/")
    else { return .failed(.targetMalformed, at: range.start) }
    let scheme = ByteRange(offset: range.start, count: colon - range.start)
    guard bytes.spells("http", at: scheme) || bytes.spells("https", at: scheme) else {
      return .failed(.targetSchemeUnknown, at: range.start)
    }
    let start = colon + 3
    var end = start
    while end < range.end, bytes.byte(at: end) != UInt8(ascii: "/"), bytes.byte(at: end) != UInt8(ascii: "?") {
      end += 1
    }
    let authority = ByteRange(offset: start, count: end - start)
    guard Authority.isValid(bytes, authority) else { return .failed(.targetAuthorityMalformed, at: start) }
    let rest = ByteRange(offset: end, count: range.end - end)
    return .target(
      RequestTarget(form: .absolute, range: range, scheme: scheme, authority: authority, pathAndQuery: rest))
  }
}
