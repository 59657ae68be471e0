// A request is not passed on but written anew, from what was understood of it.

extension RequestHead {
  /// Never copied: they concern the client's connection, or they are written below from what was understood.
  private static let replaced: KnownFields = [
    KnownFields(.host), KnownFields(.connection), KnownFields(.keepAlive), KnownFields(.proxyConnection),
    KnownFields(.proxyAuthorization), KnownFields(.proxyAuthenticate), KnownFields(.proxyAuthenticationInfo),
    KnownFields(.proxyVariable), KnownFields(.transferCodings), KnownFields(.transferEncoding),
    KnownFields(.contentLength), KnownFields(.upgrade), KnownFields(.http2Settings), KnownFields(.expect),
    KnownFields(.lookalike),
  ]

  /// What a peer that is not trusted cannot say.
  private static let claims: KnownFields = [
    KnownFields(.forwarded), KnownFields(.xForwardedFor), KnownFields(.xForwardedProto), KnownFields(.xForwardedHost),
    KnownFields(.xForwardedOther), KnownFields(.xRealIP), KnownFields(.clientCert), KnownFields(.clientCertChain),
    KnownFields(.xForwardedClientCert),
  ]

  /// Writes the request as it goes to the upstream: always HTTP/1.1, origin-form or `*`, Host first, one framing field.
  ///
  /// The caller may have changed `framing`, `expectsContinue` and `upgrade` since parsing; what they say now is written.
  ///
  /// - Parameters:
  ///   - bytes: what the head was parsed from.
  ///   - fields: what the head's fields were parsed into.
  ///   - requestID: 128 random bits, written as X-Request-Id when the client sent no valid one.
  package func write(
    to buffer: inout ByteBuffer, bytes: RawSpan, fields: borrowing FieldTable, forwarding: borrowing Forwarding,
    requestID: (UInt64, UInt64)
  ) {
    buffer.reserve(byteCount + 512)
    writeRequestLine(to: &buffer, bytes)
    writeHost(to: &buffer, bytes, forwarding)
    let dropped = droppedFields(bytes, fields, forwarding)
    buffer.appendFields(bytes, fields, without: dropped)
    writeFraming(to: &buffer)
    if expectsContinue { buffer.append("Expect: 100-continue\r\n") }
    writeConnection(to: &buffer, bytes, fields)
    writeForwarding(to: &buffer, bytes, fields, forwarding, forwarding.fields)
    if forwarding.fields.contains(.xRequestID), dropped.contains(.xRequestID) || !fields.contains(.xRequestID) {
      buffer.append("X-Request-Id: ")
      RequestID.write(requestID, to: &buffer)
      buffer.appendLineEnd()
    }
    buffer.appendLineEnd()
  }

  func droppedFields(
    _ bytes: RawSpan, _ fields: borrowing FieldTable, _ forwarding: borrowing Forwarding
  ) -> KnownFields {
    var dropped = Self.replaced
    if forwarding.peerIsTrusted {
      if forwarding.fields.contains(.xForwardedFor) { dropped.formUnion(KnownFields(.xForwardedFor)) }
      if forwarding.fields.contains(.forwarded) { dropped.formUnion(KnownFields(.forwarded)) }
    } else {
      dropped.formUnion(Self.claims)
    }
    if RequestID.received(bytes, fields) == nil { dropped.formUnion(KnownFields(.xRequestID)) }
    if maxForwards != nil { dropped.formUnion(KnownFields(.maxForwards)) }
    switch framing {
    case .chunked: break
    case .none, .contentLength: dropped.formUnion(KnownFields(.trailer))
    }
    return dropped
  }

  private func writeRequestLine(to buffer: inout ByteBuffer, _ bytes: RawSpan) {
    buffer.append(bytes.part(methodRange))
    buffer.append(ByteClass.space)
    let path = target.pathAndQuery
    if path.isEmpty {
      // RFC 9112 section 3.2.4: OPTIONS for a whole server goes on in asterisk-form.
      buffer.append(method == .options ? "*" : "/")
    } else if bytes.byte(at: path.start) == UInt8(ascii: "?") {
      buffer.append(UInt8(ascii: "/"))
    }
    buffer.append(bytes.part(path))
    buffer.append(" HTTP/1.1\r\n")
  }

  private func writeHost(to buffer: inout ByteBuffer, _ bytes: RawSpan, _ forwarding: borrowing Forwarding) {
    buffer.append("Host: ")
    if let override = forwarding.hostOverride {
      buffer.append(override)
    } else if host.isEmpty {
      buffer.append(forwarding.defaultHost)
    } else {
      buffer.append(bytes.part(host))
    }
    buffer.appendLineEnd()
  }

  @inline(__always)
  func writeConnection(to buffer: inout ByteBuffer, _ bytes: RawSpan, _ fields: borrowing FieldTable) {
    if takesTrailers {
      buffer.append(
        upgrade.isEmpty ? "Connection: TE\r\nTE: trailers\r\n" : "Connection: upgrade, TE\r\nTE: trailers\r\n")
    }
    guard !upgrade.isEmpty else { return }
    buffer.append(takesTrailers ? "Upgrade: " : "Connection: upgrade\r\nUpgrade: ")
    Upgrade.write(to: &buffer, bytes, fields)
    buffer.appendLineEnd()
  }

  func writeFraming(to buffer: inout ByteBuffer) {
    switch framing {
    case .none: break
    case .contentLength(let length):
      buffer.append("Content-Length: ")
      buffer.append(decimal: length)
      buffer.appendLineEnd()
    case .chunked: buffer.append("Transfer-Encoding: chunked\r\n")
    }
  }
}

// MARK: - Who is asking

extension RequestHead {
  /// - Parameter written: which of the fields are written.
  func writeForwarding(
    to buffer: inout ByteBuffer, _ bytes: RawSpan, _ fields: borrowing FieldTable, _ forwarding: borrowing Forwarding,
    _ written: Forwarding.Fields
  ) {
    if !forwarding.loopMark.isEmpty {
      buffer.append("CDN-Loop: ")
      buffer.append(forwarding.loopMark)
      buffer.appendLineEnd()
    }
    if let maxForwards {
      buffer.append("Max-Forwards: ")
      buffer.append(decimal: maxForwards == 0 ? 0 : UInt64(maxForwards - 1))
      buffer.appendLineEnd()
    }
    let isTrusted = forwarding.peerIsTrusted
    if written.contains(.xForwardedFor), !forwarding.clientAddress.isEmpty || isTrusted {
      writeForwardedFor(to: &buffer, bytes, fields, forwarding)
    }
    if written.contains(.xForwardedProto), !(isTrusted && fields.contains(.xForwardedProto)) {
      buffer.append("X-Forwarded-Proto: ")
      buffer.append(forwarding.scheme)
      buffer.appendLineEnd()
    }
    if written.contains(.xForwardedHost), !host.isEmpty, !(isTrusted && fields.contains(.xForwardedHost)) {
      buffer.append("X-Forwarded-Host: ")
      buffer.append(bytes.part(host))
      buffer.appendLineEnd()
    }
    if !forwarding.clientCertificate.isEmpty, written.contains(.clientCertificate),
      !(isTrusted && (fields.contains(.clientCert) || fields.contains(.xForwardedClientCert)))
    {
      buffer.append(forwarding.clientCertificate)
    }
    if written.contains(.forwarded) { writeForwarded(to: &buffer, bytes, fields, forwarding) }
    if written.contains(.via) { Via.write(to: &buffer, forwarding.isHTTP2 ? nil : version, forwarding.pseudonym) }
  }

  private func writeForwardedFor(
    to buffer: inout ByteBuffer, _ bytes: RawSpan, _ fields: borrowing FieldTable, _ forwarding: borrowing Forwarding
  ) {
    var isFirst = true
    if forwarding.peerIsTrusted {
      isFirst = !Self.writeReceived(.xForwardedFor, as: "X-Forwarded-For: ", to: &buffer, bytes, fields)
    }
    if !forwarding.clientAddress.isEmpty {
      buffer.append(isFirst ? "X-Forwarded-For: " : ", ")
      buffer.append(forwarding.clientAddress)
      isFirst = false
    }
    if !isFirst { buffer.appendLineEnd() }
  }

  /// `for=192.0.2.1;host="example.com";proto=http` (RFC 7239 section 4).
  private func writeForwarded(
    to buffer: inout ByteBuffer, _ bytes: RawSpan, _ fields: borrowing FieldTable, _ forwarding: borrowing Forwarding
  ) {
    var isFirst = true
    if forwarding.peerIsTrusted {
      isFirst = !Self.writeReceived(.forwarded, as: "Forwarded: ", to: &buffer, bytes, fields)
    }
    buffer.append(isFirst ? "Forwarded: for=" : ", for=")
    Self.writeNode(to: &buffer, forwarding.clientAddress, forwarding.clientPort)
    if !forwarding.listenerAddress.isEmpty {
      buffer.append(";by=")
      Self.writeNode(to: &buffer, forwarding.listenerAddress, forwarding.listenerPort)
    }
    if !host.isEmpty {
      // A host holds neither quotes nor backslashes, so it needs no escaping.
      buffer.append(";host=\"")
      buffer.append(bytes.part(host))
      buffer.append(UInt8(ascii: "\""))
    }
    buffer.append(";proto=")
    buffer.append(forwarding.scheme)
    buffer.appendLineEnd()
  }

  /// Writes all received values of a list field as one, without a line end.
  ///
  /// - Returns: whether there were any.
  private static func writeReceived(
    _ known: KnownField, as name: StaticString, to buffer: inout ByteBuffer, _ bytes: RawSpan,
    _ fields: borrowing FieldTable
  ) -> Bool {
    guard fields.contains(known) else { return false }
    var isFirst = true
    for index in 0..<fields.count where fields[index].known == known && !fields[index].value.isEmpty {
      buffer.append(isFirst ? name : ", ")
      buffer.append(bytes.part(fields[index].value))
      isFirst = false
    }
    return !isFirst
  }

  /// A node of RFC 7239 section 6: IPv6 in brackets, and quoted as soon as it holds a colon.
  private static func writeNode(to buffer: inout ByteBuffer, _ address: [UInt8], _ port: UInt16) {
    guard !address.isEmpty else {
      buffer.append("unknown")
      return
    }
    let isIPv6 = address.contains(UInt8(ascii: ":"))
    let isQuoted = isIPv6 || port != 0
    if isQuoted { buffer.append(UInt8(ascii: "\"")) }
    if isIPv6 { buffer.append(UInt8(ascii: "[")) }
    buffer.append(address)
    if isIPv6 { buffer.append(UInt8(ascii: "]")) }
    if port != 0 {
      buffer.append(UInt8(ascii: ":"))
      buffer.append(decimal: UInt64(port))
    }
    if isQuoted { buffer.append(UInt8(ascii: "\"")) }
  }
}

/// The Via field (RFC 9110 section 7.6.3).
enum Via {
  /// - Parameter version: what the message came by; nil: HTTP/2.
  static func write(to buffer: inout ByteBuffer, _ version: HTTPVersion?, _ pseudonym: [UInt8]) {
    switch version {
    case nil: buffer.append("Via: 2.0 ")
    case .http10: buffer.append("Via: 1.0 ")
    case .http11: buffer.append("Via: 1.1 ")
    }
    buffer.append(pseudonym)
    buffer.appendLineEnd()
  }
}

extension ByteBuffer {
  @inline(__always)
  mutating func appendLineEnd() {
    append("\r\n")
  }

  /// Appends the field lines that are neither tagged as one of `dropped` nor nominated by Connection.
  ///
  /// Each is written as `name: value`. Lines that stand so in `bytes` already are copied as they are, and neighbours at once.
  mutating func appendFields(_ bytes: RawSpan, _ fields: borrowing FieldTable, without dropped: KnownFields) {
    var start = 0
    var end = 0
    for index in 0..<fields.count {
      let field = fields[index]
      if dropped.contains(field.known) || field.isNominated { continue }
      guard bytes.isCanonical(field) else {
        append(bytes.extracting(start..<end))
        start = 0
        end = 0
        append(bytes.part(field.name))
        append(": ")
        append(bytes.part(field.value))
        append("\r\n")
        continue
      }
      if field.name.start != end {
        append(bytes.extracting(start..<end))
        start = field.name.start
      }
      end = field.value.end &+ 2
    }
    append(bytes.extracting(start..<end))
  }
}

extension RawSpan {
  /// Whether the line of a parsed field is exactly `name: value CRLF`.
  @inline(__always)
  fileprivate func isCanonical(_ field: FieldTable.Field) -> Bool {
    field.value.start == field.name.end &+ 2 && byte(at: field.name.end &+ 1) == ByteClass.space
      && byte(at: field.value.end) == ByteClass.carriageReturn
  }
}
