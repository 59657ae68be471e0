import Core

/// The fields of one HEADERS frame and its CONTINUATIONs while they arrive, as text of HTTP/1.1. One serves a connection: blocks
/// do not interleave (RFC 9113 section 4.3).
struct HTTP2FieldBlock: ~Copyable {
  /// Why a block makes no message (RFC 9113 section 8.2 and 8.3).
  enum Fault: UInt8, Sendable {
    case fieldNameMalformed
    case fieldValueMalformed
    case pseudoFieldMisplaced
    case pseudoFieldUnknown
    case pseudoFieldRepeated
    case pseudoFieldMissing
    case methodMalformed
    case pathMalformed
    case schemeMalformed
    case authorityMalformed
    case hostContradictsAuthority
    case connectionField
    case statusMalformed
    case contentLengthMalformed
    case messageUnexpected
  }

  private(set) var fault: Fault?
  /// Whether a limit was met; the rest was not kept.
  private(set) var isTooLarge = false
  /// As RFC 9113 section 6.5.2 counts.
  private(set) var listBytes = 0
  private var fieldCount = 0
  private var hasRegularFields = false

  /// The values of pseudo fields and Host, and ranges of them.
  private(set) var values = ByteBuffer(capacity: 512)
  private(set) var method: ByteRange?
  private(set) var path: ByteRange?
  private(set) var scheme: ByteRange?
  private(set) var authority: ByteRange?
  private(set) var tunnelProtocol: ByteRange?
  private(set) var status: ByteRange?
  private(set) var host: ByteRange?
  private(set) var contentLength: UInt64?
  private(set) var takesTrailers = false

  /// Whole field lines.
  private(set) var lines = ByteBuffer(capacity: 1_024)
  /// The cookies, joined (section 8.2.3).
  private(set) var cookies = ByteBuffer(capacity: 0)

  private let isRequest: Bool

  /// - Parameter isRequest: whether the peer is a client.
  init(isRequest: Bool) {
    self.isRequest = isRequest
  }

  mutating func begin() {
    fault = nil
    isTooLarge = false
    listBytes = 0
    fieldCount = 0
    hasRegularFields = false
    values.removeAll()
    lines.removeAll()
    cookies.removeAll()
    method = nil
    path = nil
    scheme = nil
    authority = nil
    tunnelProtocol = nil
    status = nil
    host = nil
    contentLength = nil
    takesTrailers = false
  }

  mutating func fail(_ fault: Fault) {
    if self.fault == nil { self.fault = fault }
  }

  /// Takes one field.
  mutating func append(name: RawSpan, value: RawSpan, isMalformed: Bool, limits: HTTP2Limits) {
    listBytes += name.byteCount + value.byteCount + 32
    fieldCount += 1
    if listBytes > limits.headerListBytes || fieldCount > limits.fieldCount
      || name.byteCount + value.byteCount > limits.fieldBytes
    {
      isTooLarge = true
    }
    if isMalformed { return fail(.fieldValueMalformed) }
    guard fault == nil, !isTooLarge else { return }
    guard name.byteCount > 0 else { return fail(.fieldNameMalformed) }
    guard value.isFieldValue else { return fail(.fieldValueMalformed) }
    if name.byte(at: 0) == UInt8(ascii: ":") {
      appendPseudoField(name, value)
    } else {
      hasRegularFields = true
      guard name.isLowerCaseToken else { return fail(.fieldNameMalformed) }
      appendField(name, value)
    }
  }

  private mutating func appendPseudoField(_ name: RawSpan, _ value: RawSpan) {
    guard !hasRegularFields else { return fail(.pseudoFieldMisplaced) }
    if isRequest {
      if name.isSame(as: ":method") { return method = keepOnce(value, method) }
      if name.isSame(as: ":path") { return path = keepOnce(value, path) }
      if name.isSame(as: ":scheme") { return scheme = keepOnce(value, scheme) }
      if name.isSame(as: ":authority") { return authority = keepOnce(value, authority) }
      if name.isSame(as: ":protocol") { return tunnelProtocol = keepOnce(value, tunnelProtocol) }
    } else if name.isSame(as: ":status") {
      return status = keepOnce(value, status)
    }
    fail(.pseudoFieldUnknown)
  }

  private mutating func keepOnce(_ value: RawSpan, _ known: ByteRange?) -> ByteRange? {
    guard known == nil else {
      fail(.pseudoFieldRepeated)
      return known
    }
    return keep(value)
  }

  private mutating func keep(_ value: RawSpan) -> ByteRange {
    let start = values.count
    values.append(value)
    return ByteRange(offset: start, count: value.byteCount)
  }

  private mutating func appendField(_ name: RawSpan, _ value: RawSpan) {
    switch name.byteCount {
    case 2 where name.isSame(as: "te"):
      guard isRequest, value.isSameIgnoringCase(as: "trailers") else { return fail(.connectionField) }
      takesTrailers = true
      return
    case 4 where isRequest && name.isSame(as: "host"):
      guard host == nil else { return fail(.hostContradictsAuthority) }
      host = keep(value)
      return
    case 6 where isRequest && name.isSame(as: "cookie"):
      if !cookies.isEmpty { cookies.append("; ") }
      cookies.append(value)
      return
    case 7 where name.isSame(as: "upgrade"), 10 where name.isSame(as: "connection"),
      10 where name.isSame(as: "keep-alive"), 16 where name.isSame(as: "proxy-connection"),
      17 where name.isSame(as: "transfer-encoding"):
      return fail(.connectionField)
    case 14 where name.isSame(as: "content-length"):
      guard contentLength == nil, let length = value.contentLength else { return fail(.contentLengthMalformed) }
      contentLength = length
    // Belongs to the upgrade from HTTP/1.1, and means nothing to anybody behind this hop.
    case 14 where name.isSame(as: "http2-settings"): return
    default: break
    }
    lines.append(name)
    lines.append(": ")
    lines.append(value)
    lines.append("\r\n")
  }
}

extension RawSpan {
  func isSame(as text: StaticString) -> Bool {
    guard byteCount == text.utf8CodeUnitCount else { return false }
    for offset in 0..<byteCount where byte(at: offset) != text.byte(at: offset) { return false }
    return true
  }

  /// - Parameter text: in lower case.
  func isSameIgnoringCase(as text: StaticString) -> Bool {
    guard byteCount == text.utf8CodeUnitCount else { return false }
    for offset in 0..<byteCount where HTTP2ByteClass.lowercased(byte(at: offset)) != text.byte(at: offset) {
      return false
    }
    return true
  }

  /// A token without upper-case letters.
  var isLowerCaseToken: Bool {
    for offset in 0..<byteCount {
      let byte = byte(at: offset)
      guard HTTP2ByteClass.isToken(byte), byte &- 0x41 >= 26 else { return false }
    }
    return byteCount > 0
  }

  var isToken: Bool {
    for offset in 0..<byteCount where !HTTP2ByteClass.isToken(byte(at: offset)) { return false }
    return byteCount > 0
  }

  /// No control character but HTAB, and no whitespace at either end (RFC 9113 section 8.2.1, RFC 9110 section 5.5).
  var isFieldValue: Bool {
    guard byteCount > 0 else { return true }
    for offset in 0..<byteCount {
      let byte = byte(at: offset)
      guard byte >= 0x20 || byte == 0x09, byte != 0x7f else { return false }
    }
    return !HTTP2ByteClass.isWhitespace(byte(at: 0)) && !HTTP2ByteClass.isWhitespace(byte(at: byteCount - 1))
  }

  /// Visible ASCII without `#`: what stands in a request line without moving its parts. The rest of the grammar is checked
  /// with the request line.
  var isRequestTarget: Bool {
    for offset in 0..<byteCount {
      let byte = byte(at: offset)
      guard byte > 0x20, byte < 0x7f, byte != UInt8(ascii: "#") else { return false }
    }
    return byteCount > 0
  }

  /// No user information, path, query or fragment, no list. The grammar of the host is checked with the Host field.
  var isAuthority: Bool {
    for offset in 0..<byteCount {
      switch byte(at: offset) {
      case 0...0x20, 0x7f..., UInt8(ascii: "@"), UInt8(ascii: "/"), UInt8(ascii: "?"), UInt8(ascii: "#"),
        UInt8(ascii: "\\"), UInt8(ascii: ","):
        return false
      default: break
      }
    }
    return byteCount > 0
  }

  /// A plain decimal number below 2^63.
  var contentLength: UInt64? {
    guard byteCount > 0, byteCount <= 19 else { return nil }
    var value: UInt64 = 0
    for offset in 0..<byteCount {
      let digit = byte(at: offset) &- 0x30
      guard digit < 10 else { return nil }
      value = value * 10 + UInt64(digit)
    }
    return value <= UInt64(Int64.max) ? value : nil
  }

  func isSameIgnoringCase(as other: RawSpan) -> Bool {
    guard byteCount == other.byteCount else { return false }
    for offset in 0..<byteCount
    where HTTP2ByteClass.lowercased(byte(at: offset)) != HTTP2ByteClass.lowercased(other.byte(at: offset)) {
      return false
    }
    return true
  }
}

extension StaticString {
  @inline(__always)
  func byte(at offset: Int) -> UInt8 {
    precondition(offset < utf8CodeUnitCount, "there is no such byte")
    // Safe: checked above; a static string lives as long as the program.
    return unsafe utf8Start[offset]
  }
}

enum HTTP2ByteClass {
  @inline(__always)
  static func lowercased(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }

  @inline(__always)
  static func isWhitespace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

  /// tchar (RFC 9110 section 5.6.2).
  @inline(__always)
  static func isToken(_ byte: UInt8) -> Bool {
    let half: UInt64 = byte < 64 ? 0x03ff_6cfa_0000_0000 : 0x57ff_ffff_c7ff_fffe
    return byte < 128 && (half &>> UInt64(byte & 63)) & 1 != 0
  }
}
