/// The Upgrade field (RFC 9110 section 7.8): a list of `name[/version]`, in one field line or in several. Protocols that do not go
/// through are left out of it.
enum Upgrade {
  /// The first value that has a protocol which is passed on.
  static func firstValue(_ bytes: RawSpan, _ fields: borrowing FieldTable) -> ByteRange? {
    for index in 0..<fields.count where fields[index].known == .upgrade {
      var list = ListElements(fields[index].value)
      while let element = list.next(bytes) {
        if isPassedOn(bytes, element) { return fields[index].value }
      }
    }
    return nil
  }

  /// Writes the protocols that are passed on as one list.
  static func write(to buffer: inout ByteBuffer, _ bytes: RawSpan, _ fields: borrowing FieldTable) {
    var isFirst = true
    for index in 0..<fields.count where fields[index].known == .upgrade {
      var list = ListElements(fields[index].value)
      while let element = list.next(bytes) {
        guard isPassedOn(bytes, element) else { continue }
        if !isFirst { buffer.append(", ") }
        isFirst = false
        buffer.append(bytes.part(element))
      }
    }
  }

  /// Whether every protocol of the field is one of `asked`, a list as well.
  static func isWithin(_ bytes: RawSpan, _ fields: borrowing FieldTable, _ asked: RawSpan) -> Bool {
    for index in 0..<fields.count where fields[index].known == .upgrade {
      guard isWithin(bytes, fields[index].value, asked) else { return false }
    }
    return true
  }

  private static func isWithin(_ bytes: RawSpan, _ value: ByteRange, _ asked: RawSpan) -> Bool {
    var list = ListElements(value)
    while let element = list.next(bytes) {
      if element.isEmpty { continue }
      var known = ListElements(ByteRange(offset: 0, count: asked.byteCount))
      var isAsked = false
      while let candidate = known.next(asked) {
        if isSame(bytes, element, asked, candidate) { isAsked = true }
      }
      guard isAsked else { return false }
    }
    return true
  }

  /// Names are compared without case, as browsers do; a version counts where both have one.
  private static func isSame(_ bytes: RawSpan, _ element: ByteRange, _ asked: RawSpan, _ candidate: ByteRange) -> Bool {
    let name = name(bytes, element)
    let askedName = self.name(asked, candidate)
    guard spellSame(bytes, name, asked, askedName) else { return false }
    if name.count == element.count || askedName.count == candidate.count { return true }
    return spellSame(bytes, element, asked, candidate)
  }

  private static func spellSame(_ left: RawSpan, _ one: ByteRange, _ right: RawSpan, _ other: ByteRange) -> Bool {
    guard one.count == other.count else { return false }
    for index in 0..<one.count
    where ByteClass.lowercased(left.byte(at: one.start + index))
      != ByteClass.lowercased(right.byte(at: other.start + index))
    {
      return false
    }
    return true
  }

  private static func name(_ bytes: RawSpan, _ element: ByteRange) -> ByteRange {
    var end = element.start
    while end < element.end, ByteClass.isToken(bytes.byte(at: end)) { end += 1 }
    return ByteRange(offset: element.start, count: end - element.start)
  }

  /// An upgrade to HTTP/2 without TLS would let a client speak to the upstream past this proxy's rules, and one to TLS would
  /// hide what it says; neither is asked for by today's clients. What is malformed is no protocol.
  private static func isPassedOn(_ bytes: RawSpan, _ element: ByteRange) -> Bool {
    let name = name(bytes, element)
    guard !name.isEmpty else { return false }
    if bytes.spells("h2c", at: name) || bytes.spells("h2", at: name) || bytes.spells("tls", at: name) { return false }
    guard name.end < element.end else { return true }
    return bytes.byte(at: name.end) == UInt8(ascii: "/")
      && bytes.isToken(ByteRange(offset: name.end + 1, count: element.end - name.end - 1))
  }
}

extension RequestHead {
  /// The protocols that the server is asked to change to, as they go on.
  package func askedProtocols(_ bytes: RawSpan, _ fields: borrowing FieldTable) -> [UInt8] {
    guard !upgrade.isEmpty else { return [] }
    var buffer = ByteBuffer(capacity: upgrade.count)
    Upgrade.write(to: &buffer, bytes, fields)
    // Safe: the bytes are copied during the call.
    return unsafe buffer.readable.withUnsafeBytes { unsafe Array($0) }
  }
}

extension ResponseHead {
  /// Whether a 101 changes to what was asked for.
  package func switches(to asked: [UInt8], _ bytes: RawSpan, _ fields: borrowing FieldTable) -> Bool {
    !upgrade.isEmpty && Upgrade.isWithin(bytes, fields, asked.rawSpan)
  }
}
