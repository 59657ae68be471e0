/// Finds a cookie in the Cookie fields of a request (RFC 6265 section 4.2.1).
enum CookieValue {
  /// The value of the first cookie of that name, as it was sent; nil when there is none.
  static func first(named name: [UInt8], _ bytes: RawSpan, _ fields: borrowing FieldTable) -> ByteRange? {
    guard fields.contains(.cookie) else { return nil }
    for index in 0..<fields.count where fields[index].known == .cookie {
      if let found = first(named: name, bytes, in: fields[index].value) { return found }
    }
    return nil
  }

  private static func first(named name: [UInt8], _ bytes: RawSpan, in value: ByteRange) -> ByteRange? {
    var start = value.start
    while start < value.end {
      var end = start
      while end < value.end, bytes.byte(at: end) != UInt8(ascii: ";") { end &+= 1 }
      let pair = bytes.trimmed(start, end)
      if pair.count > name.count, bytes.byte(at: pair.start &+ name.count) == UInt8(ascii: "="),
        bytes.equals(name, at: ByteRange(offset: pair.start, count: name.count))
      {
        return ByteRange(offset: pair.start &+ name.count &+ 1, count: pair.count &- name.count &- 1)
      }
      start = end &+ 1
    }
    return nil
  }
}
