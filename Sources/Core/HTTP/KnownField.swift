/// A field name that this proxy treats in a way of its own, recognised once while the head is parsed.
package enum KnownField: UInt8, CaseIterable, Hashable, Sendable, BitwiseCopyable {
  /// Any other name.
  case other
  /// Any other name that begins with `X-Forwarded-`.
  case xForwardedOther
  /// A name that becomes one of the others when "_" is taken for "-", as CGI-like servers do.
  ///
  /// Such a server would see two of the same field, or one that a client has no right to set, so it is not passed on.
  /// Other names with underscores are.
  case lookalike
  case host
  case connection
  case contentLength
  case transferEncoding
  /// The field `TE`.
  case transferCodings
  case trailer
  case upgrade
  case keepAlive
  case proxyConnection
  case proxyAuthenticate
  case proxyAuthorization
  case proxyAuthenticationInfo
  /// The field `Proxy`, which CGI-like servers turn into the variable HTTP_PROXY ("httpoxy").
  case proxyVariable
  case http2Settings
  case expect
  case via
  case cdnLoop
  case forwarded
  case xForwardedFor
  case xForwardedProto
  case xForwardedHost
  case xRealIP
  /// The fields of RFC 9440, and the one that was customary before it.
  case clientCert
  case clientCertChain
  case xForwardedClientCert
  case xRequestID
  case traceparent
  case tracestate
  case date
  case server
  case contentType
  case contentEncoding
  case contentRange
  case contentLocation
  case authorization
  case cookie
  case setCookie
  case cacheControl
  case userAgent
  case referer
  case location
  case maxForwards
  case proxyStatus
  case retryAfter
  case wwwAuthenticate
  case range
  case vary
  case age
  case expires
  case entityTag
}

extension KnownField {
  /// The tag of the name in `range`, which must be a token.
  static func recognise(_ bytes: RawSpan, _ range: ByteRange) -> KnownField {
    recognise(bytes, range, isPlain: !hasUnderscore(bytes, range))
  }

  /// - Parameter isPlain: whether the name is known to have no underscore.
  @inline(__always)
  static func recognise(_ bytes: RawSpan, _ range: ByteRange, isPlain: Bool) -> KnownField {
    isPlain ? recognise(bytes, range, dashing: false) : recogniseLookalike(bytes, range)
  }

  /// - Parameter dashing: whether "_" is taken for "-".
  @inline(__always)
  private static func recognise(_ bytes: RawSpan, _ range: ByteRange, dashing: Bool) -> KnownField {
    let count = range.count
    let first = bytes.packedName(at: range.start, count: Swift.min(count, 8), dashing: dashing)
    guard count > 8 else { return recogniseShort(count, first) }
    return recogniseLong(bytes, range, first, dashing: dashing)
  }

  private static func hasUnderscore(_ bytes: RawSpan, _ range: ByteRange) -> Bool {
    for offset in range.start..<range.end where bytes.byte(at: offset) == UInt8(ascii: "_") { return true }
    return false
  }

  @inline(never)
  private static func recogniseLookalike(_ bytes: RawSpan, _ range: ByteRange) -> KnownField {
    let known = recognise(bytes, range, dashing: false)
    guard known == .other, hasUnderscore(bytes, range) else { return known }
    return recognise(bytes, range, dashing: true) == .other ? .other : .lookalike
  }

  @inline(__always)
  private static func recogniseShort(_ count: Int, _ word: UInt64) -> KnownField {
    switch count {
    case 2:
      if word == PackedText.word("te") { return .transferCodings }
    case 3:
      if word == PackedText.word("via") { return .via }
      if word == PackedText.word("age") { return .age }
    case 4:
      if word == PackedText.word("host") { return .host }
      if word == PackedText.word("date") { return .date }
      if word == PackedText.word("vary") { return .vary }
      if word == PackedText.word("etag") { return .entityTag }
    case 5:
      if word == PackedText.word("proxy") { return .proxyVariable }
      if word == PackedText.word("range") { return .range }
    case 6:
      if word == PackedText.word("expect") { return .expect }
      if word == PackedText.word("server") { return .server }
      if word == PackedText.word("cookie") { return .cookie }
    case 7:
      if word == PackedText.word("trailer") { return .trailer }
      if word == PackedText.word("upgrade") { return .upgrade }
      if word == PackedText.word("referer") { return .referer }
      if word == PackedText.word("expires") { return .expires }
    case 8:
      if word == PackedText.word("location") { return .location }
      if word == PackedText.word("cdn-loop") { return .cdnLoop }
    default: break
    }
    return .other
  }

  @inline(__always)
  private static func recogniseLong(
    _ bytes: RawSpan, _ range: ByteRange, _ first: UInt64, dashing: Bool
  ) -> KnownField {
    let last = bytes.packedName(at: range.end &- 8, count: 8, dashing: dashing)
    switch range.count {
    case 9:
      if matches("forwarded", first, last, bytes, range, dashing) { return .forwarded }
      if matches("x-real-ip", first, last, bytes, range, dashing) { return .xRealIP }
    case 10:
      if matches("connection", first, last, bytes, range, dashing) { return .connection }
      if matches("keep-alive", first, last, bytes, range, dashing) { return .keepAlive }
      if matches("tracestate", first, last, bytes, range, dashing) { return .tracestate }
      if matches("set-cookie", first, last, bytes, range, dashing) { return .setCookie }
      if matches("user-agent", first, last, bytes, range, dashing) { return .userAgent }
    case 11:
      if matches("traceparent", first, last, bytes, range, dashing) { return .traceparent }
      if matches("retry-after", first, last, bytes, range, dashing) { return .retryAfter }
      if matches("client-cert", first, last, bytes, range, dashing) { return .clientCert }
    case 12:
      if matches("x-request-id", first, last, bytes, range, dashing) { return .xRequestID }
      if matches("content-type", first, last, bytes, range, dashing) { return .contentType }
      if matches("max-forwards", first, last, bytes, range, dashing) { return .maxForwards }
      if matches("proxy-status", first, last, bytes, range, dashing) { return .proxyStatus }
    case 13:
      if matches("content-range", first, last, bytes, range, dashing) { return .contentRange }
      if matches("authorization", first, last, bytes, range, dashing) { return .authorization }
      if matches("cache-control", first, last, bytes, range, dashing) { return .cacheControl }
    case 14:
      if matches("content-length", first, last, bytes, range, dashing) { return .contentLength }
      if matches("http2-settings", first, last, bytes, range, dashing) { return .http2Settings }
    case 15:
      if matches("x-forwarded-for", first, last, bytes, range, dashing) { return .xForwardedFor }
    case 16:
      if matches("proxy-connection", first, last, bytes, range, dashing) { return .proxyConnection }
      if matches("x-forwarded-host", first, last, bytes, range, dashing) { return .xForwardedHost }
      if matches("content-encoding", first, last, bytes, range, dashing) { return .contentEncoding }
      if matches("content-location", first, last, bytes, range, dashing) { return .contentLocation }
      if matches("www-authenticate", first, last, bytes, range, dashing) { return .wwwAuthenticate }
    case 17:
      if matches("transfer-encoding", first, last, bytes, range, dashing) { return .transferEncoding }
      if matches("x-forwarded-proto", first, last, bytes, range, dashing) { return .xForwardedProto }
      if matches("client-cert-chain", first, last, bytes, range, dashing) { return .clientCertChain }
    case 18:
      if matches("proxy-authenticate", first, last, bytes, range, dashing) { return .proxyAuthenticate }
    case 19:
      if matches("proxy-authorization", first, last, bytes, range, dashing) { return .proxyAuthorization }
    case 23:
      if matches("x-forwarded-client-cert", first, last, bytes, range, dashing) { return .xForwardedClientCert }
    case 25:
      if matches("proxy-authentication-info", first, last, bytes, range, dashing) { return .proxyAuthenticationInfo }
    default: break
    }
    if first == PackedText.word("x-forwar"), range.count > 12,
      bytes.packedName(at: range.start &+ 8, count: 4, dashing: dashing) == PackedText.word("ded-")
    {
      return .xForwardedOther
    }
    return .other
  }

  /// Compares a name of nine to thirty-two bytes by (overlapping) words of eight.
  @inline(__always)
  private static func matches(
    _ text: StaticString, _ first: UInt64, _ last: UInt64, _ bytes: RawSpan, _ range: ByteRange, _ dashing: Bool
  ) -> Bool {
    let count = text.utf8CodeUnitCount
    guard first == PackedText.word(text, at: 0, count: 8) else { return false }
    guard last == PackedText.word(text, at: count &- 8, count: 8) else { return false }
    if count > 16 {
      let middle = bytes.packedName(at: range.start &+ 8, count: 8, dashing: dashing)
      guard middle == PackedText.word(text, at: 8, count: 8) else { return false }
    }
    if count > 24 {
      let middle = bytes.packedName(at: range.start &+ 16, count: 8, dashing: dashing)
      guard middle == PackedText.word(text, at: 16, count: 8) else { return false }
    }
    return true
  }
}

/// A set of known fields, in one word.
package struct KnownFields: OptionSet, Hashable, Sendable, BitwiseCopyable {
  package let rawValue: UInt64

  package init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  @inline(__always)
  package init(_ field: KnownField) {
    rawValue = 1 &<< UInt64(field.rawValue)
  }

  @inline(__always)
  package func contains(_ field: KnownField) -> Bool {
    rawValue & (1 &<< UInt64(field.rawValue)) != 0
  }
}
