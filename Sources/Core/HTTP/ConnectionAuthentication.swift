/// Authentication that signs in a connection, not a request: NTLM, and Negotiate as browsers and servers use it (RFC 4559
/// section 6). Whoever sends the next request on such a connection is taken for the one who signed in.
package enum ConnectionAuthentication {
  private static let places: KnownFields = [KnownFields(.authorization), KnownFields(.wwwAuthenticate)]

  /// Whether the credentials of a request, or a challenge of a response, are of that kind.
  ///
  /// A name that only looks like a scheme counts as one: a connection that is kept apart for nothing costs a connection.
  @inline(__always)
  package static func isNamed(_ bytes: RawSpan, _ fields: borrowing FieldTable) -> Bool {
    fields.present.isDisjoint(with: places) ? false : isSpelt(bytes, fields)
  }

  @inline(never)
  private static func isSpelt(_ bytes: RawSpan, _ fields: borrowing FieldTable) -> Bool {
    for index in 0..<fields.count where places.contains(fields[index].known) {
      if hasScheme(bytes, fields[index].value) { return true }
    }
    return false
  }

  /// Looks at each word that can begin a challenge (RFC 9110 section 11.6.1): at the start, or behind a comma, and not within
  /// quotes.
  private static func hasScheme(_ bytes: RawSpan, _ value: ByteRange) -> Bool {
    var position = value.start
    var isQuoted = false
    var mayBegin = true
    while position < value.end {
      let byte = bytes.byte(at: position)
      if isQuoted {
        if byte == UInt8(ascii: "\\") { position += 1 } else if byte == UInt8(ascii: "\"") { isQuoted = false }
        position += 1
      } else if ByteClass.isToken(byte) {
        let start = position
        while position < value.end, ByteClass.isToken(bytes.byte(at: position)) { position += 1 }
        let word = ByteRange(offset: start, count: position - start)
        if mayBegin, bytes.spells("ntlm", at: word) || bytes.spells("negotiate", at: word) { return true }
        mayBegin = false
      } else {
        isQuoted = byte == UInt8(ascii: "\"")
        if byte != ByteClass.space, byte != 0x09 { mayBegin = byte == UInt8(ascii: ",") }
        position += 1
      }
    }
    return false
  }
}
