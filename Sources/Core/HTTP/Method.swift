/// A request method. Names are case-sensitive (RFC 9110 section 9.1): `get` is some other method.
package enum Method: UInt8, CaseIterable, Hashable, Sendable, BitwiseCopyable {
  case get
  case head
  case post
  case put
  case delete
  case connect
  case options
  case trace
  case patch
  /// PROPFIND, RFC 4918: safe.
  case propfind
  /// PROPPATCH, RFC 4918: idempotent.
  case proppatch
  /// MKCOL, RFC 4918: idempotent.
  case mkcol
  /// COPY, RFC 4918: idempotent.
  case copy
  /// MOVE, RFC 4918: idempotent.
  case move
  /// UNLOCK, RFC 4918: idempotent. (LOCK is not.)
  case unlock
  /// REPORT, RFC 3253: safe.
  case report
  /// SEARCH, RFC 5323: safe.
  case search
  /// Any other token. Nothing is known of it, so it is neither safe nor idempotent.
  case other

  /// Whether the client asks for no change at the server (RFC 9110 section 9.2.1).
  package var isSafe: Bool {
    switch self {
    case .get, .head, .options, .trace, .propfind, .report, .search: true
    case .post, .put, .delete, .connect, .patch, .proppatch, .mkcol, .copy, .move, .unlock, .other: false
    }
  }

  /// Whether several identical requests are meant to have the effect of one (RFC 9110 section 9.2.2).
  package var isIdempotent: Bool {
    switch self {
    case .get, .head, .put, .delete, .options, .trace, .propfind, .proppatch, .mkcol, .copy, .move, .unlock, .report,
      .search:
      true
    case .post, .connect, .patch, .other: false
    }
  }

  /// The method that the bytes of `range`, a token, name.
  static func recognise(_ bytes: RawSpan, _ range: ByteRange) -> Method {
    let count = range.count
    guard count <= 9 else { return .other }
    let word = bytes.packed(at: range.start, count: Swift.min(count, 8))
    switch count {
    case 3:
      if word == PackedText.word("GET") { return .get }
      if word == PackedText.word("PUT") { return .put }
    case 4:
      if word == PackedText.word("POST") { return .post }
      if word == PackedText.word("HEAD") { return .head }
      if word == PackedText.word("COPY") { return .copy }
      if word == PackedText.word("MOVE") { return .move }
    case 5:
      if word == PackedText.word("PATCH") { return .patch }
      if word == PackedText.word("TRACE") { return .trace }
      if word == PackedText.word("MKCOL") { return .mkcol }
    case 6:
      if word == PackedText.word("DELETE") { return .delete }
      if word == PackedText.word("REPORT") { return .report }
      if word == PackedText.word("SEARCH") { return .search }
      if word == PackedText.word("UNLOCK") { return .unlock }
    case 7:
      if word == PackedText.word("OPTIONS") { return .options }
      if word == PackedText.word("CONNECT") { return .connect }
    case 8:
      if word == PackedText.word("PROPFIND") { return .propfind }
    case 9:
      if word == PackedText.word("PROPPATC"), bytes.byte(at: range.end - 1) == UInt8(ascii: "H") { return .proppatch }
    default: break
    }
    return .other
  }
}
