/// How the end of a request's content is found (RFC 9112 section 6).
package enum RequestFraming: Equatable, Sendable, BitwiseCopyable {
  /// There is no content.
  case none
  /// So many bytes, at most 2^63 - 1.
  case contentLength(UInt64)
  case chunked
}

/// How the end of a response's content is found (RFC 9112 section 6).
package enum ResponseFraming: Equatable, Sendable, BitwiseCopyable {
  /// There is no content, whatever the fields say: a response to HEAD, and 1xx, 204, 304.
  case none
  /// So many bytes, at most 2^63 - 1.
  case contentLength(UInt64)
  case chunked
  /// The end of the connection ends the content.
  case untilClose
}

/// What the framing fields of a head say, before method and status are considered.
enum DeclaredFraming {
  case none
  case contentLength(UInt64)
  case chunked
  case failed(MessageError.Code, at: Int)

  /// Every way in which two recipients could disagree about the end of a message is an error: both kinds of framing, a
  /// length that is repeated (even with the same value) or not a plain number, any coding but one `chunked`.
  @inline(__always)
  init(_ bytes: RawSpan, _ table: borrowing FieldTable, version: HTTPVersion) {
    guard table.contains(.contentLength) || table.contains(.transferEncoding) else {
      self = .none
      return
    }
    self = DeclaredFraming.read(bytes, table, version)
  }

  private static func read(_ bytes: RawSpan, _ table: borrowing FieldTable, _ version: HTTPVersion) -> DeclaredFraming {
    let transferEncoding = table.firstValue(of: .transferEncoding)
    if let length = table.firstValue(of: .contentLength) {
      if let transferEncoding {
        return .failed(.lengthAndTransferEncoding, at: Swift.max(length.start, transferEncoding.start))
      }
      if table.isRepeated(.contentLength) { return .failed(.contentLengthRepeated, at: length.start) }
      return decimal(bytes, length)
    }
    guard let transferEncoding else { return .none }
    if version == .http10 { return .failed(.transferEncodingInHTTP10, at: transferEncoding.start) }
    return codings(bytes, table)
  }

  /// 1*DIGIT up to 2^63 - 1 (RFC 9110 section 8.6).
  private static func decimal(_ bytes: RawSpan, _ range: ByteRange) -> DeclaredFraming {
    guard !range.isEmpty else { return .failed(.contentLengthMalformed, at: range.start) }
    var value: UInt64 = 0
    var overflows = false
    for offset in range.start..<range.end {
      let digit = bytes.byte(at: offset) &- 0x30
      guard digit < 10 else { return .failed(.contentLengthMalformed, at: offset) }
      if value > (UInt64(Int64.max) - UInt64(digit)) / 10 { overflows = true }
      if !overflows { value = value * 10 + UInt64(digit) }
    }
    return overflows ? .failed(.contentLengthOverflow, at: range.start) : .contentLength(value)
  }

  /// The codings of all Transfer-Encoding fields together, which must be exactly one `chunked`.
  private static func codings(_ bytes: RawSpan, _ table: borrowing FieldTable) -> DeclaredFraming {
    var chunkedAt = -1
    var unknownAt = -1
    for index in 0..<table.count where table[index].known == .transferEncoding {
      var list = ListElements(table[index].value)
      while let element = list.next(bytes) {
        guard !element.isEmpty, bytes.isToken(element) else {
          return .failed(.transferEncodingMalformed, at: element.start)
        }
        if bytes.spells("chunked", at: element) {
          if chunkedAt >= 0 { return .failed(.chunkedRepeated, at: element.start) }
          chunkedAt = element.start
        } else {
          if chunkedAt >= 0 { return .failed(.chunkedNotLast, at: element.start) }
          if unknownAt < 0 { unknownAt = element.start }
        }
      }
    }
    return unknownAt >= 0 ? .failed(.transferEncodingUnknown, at: unknownAt) : .chunked
  }
}

/// The elements of a comma-separated value, without the whitespace around them; empty elements are given too.
///
/// It knows nothing of quoted strings, so it serves only for lists of tokens.
struct ListElements {
  private var position: Int
  private let end: Int

  init(_ value: ByteRange) {
    position = value.start
    end = value.end
  }

  @inline(__always)
  mutating func next(_ bytes: RawSpan) -> ByteRange? {
    guard position <= end else { return nil }
    var stop = position
    while stop < end, bytes.byte(at: stop) != UInt8(ascii: ",") { stop &+= 1 }
    let element = bytes.trimmed(position, stop)
    position = stop &+ 1
    return element
  }
}

extension RawSpan {
  /// Whether `range` is a token, and not an empty one.
  func isToken(_ range: ByteRange) -> Bool {
    guard !range.isEmpty else { return false }
    for offset in range.start..<range.end where !ByteClass.isToken(byte(at: offset)) { return false }
    return true
  }
}
