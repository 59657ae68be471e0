// A response is not passed on but written anew, from what was understood of it.

extension ResponseHead {
  /// Never copied: they concern the upstream's connection, or they are written below from what was understood.
  private static let replaced: KnownFields = [
    KnownFields(.connection), KnownFields(.keepAlive), KnownFields(.proxyConnection), KnownFields(.proxyAuthenticate),
    KnownFields(.proxyAuthenticationInfo), KnownFields(.transferCodings), KnownFields(.transferEncoding),
    KnownFields(.contentLength), KnownFields(.upgrade), KnownFields(.http2Settings),
  ]

  /// How the content goes to a client of `version`: HTTP/1.0 knows no chunks, and HTTP/1.1 gets them where the upstream
  /// would have closed, so that the client's connection survives and a cut is seen as one.
  package func framing(forClient version: HTTPVersion) -> ResponseFraming {
    switch framing {
    case .none, .contentLength: framing
    case .chunked, .untilClose: version == .http11 ? .chunked : .untilClose
    }
  }

  /// Writes the response as it goes to the client, always as HTTP/1.1 (RFC 9110 section 2.5).
  ///
  /// - Parameters:
  ///   - bytes: what the head was parsed from.
  ///   - fields: what the head's fields were parsed into.
  ///   - clientKeepsAlive: whether the client's connection stays open behind this response; else it is told so.
  ///   - bodyFraming: how the content is sent, as a rule ``framing(forClient:)``. `untilClose` implies that it closes.
  ///   - keepAliveTimeout: seconds to advertise in Keep-Alive while the connection stays open.
  ///   - via: the name that this proxy gives itself in Via; nil writes none.
  ///   - proxyStatus: the value of a further Proxy-Status field.
  ///   - date: the value of Date for a response that has none (RFC 9110 section 6.6.1).
  package func write(
    to buffer: inout ByteBuffer, bytes: RawSpan, fields: borrowing FieldTable, clientVersion: HTTPVersion,
    clientKeepsAlive: Bool, bodyFraming: ResponseFraming, keepAliveTimeout: UInt32? = nil, via: [UInt8]? = nil,
    proxyStatus: [UInt8]? = nil, date: [UInt8]? = nil
  ) {
    writeStart(to: &buffer, bytes)
    var dropped = Self.replaced
    if bodyFraming != .chunked { dropped.formUnion(KnownFields(.trailer)) }
    buffer.appendFields(bytes, fields, without: dropped)
    writeRest(
      to: &buffer, bytes, fields, clientVersion, clientKeepsAlive, bodyFraming, keepAliveTimeout, via, proxyStatus, date
    )
    buffer.appendLineEnd()
  }

  /// The same with the edits of the route. An interim response (1xx) is written without them.
  ///
  /// - Parameters:
  ///   - values: what the variables of the edits stand for.
  ///   - extraLines: whole field lines with their line ends, or nothing.
  package func write(
    to buffer: inout ByteBuffer, bytes: RawSpan, fields: borrowing FieldTable, clientVersion: HTTPVersion,
    clientKeepsAlive: Bool, bodyFraming: ResponseFraming, keepAliveTimeout: UInt32? = nil, via: [UInt8]? = nil,
    proxyStatus: [UInt8]? = nil, date: [UInt8]? = nil, edits: borrowing CompiledEdits, values: borrowing EditValues,
    extraLines: [UInt8] = []
  ) {
    if (edits.isEmpty && extraLines.isEmpty) || isInterim {
      return write(
        to: &buffer, bytes: bytes, fields: fields, clientVersion: clientVersion, clientKeepsAlive: clientKeepsAlive,
        bodyFraming: bodyFraming, keepAliveTimeout: keepAliveTimeout, via: via, proxyStatus: proxyStatus, date: date)
    }
    writeStart(to: &buffer, bytes)
    var dropped = Self.replaced
    if bodyFraming != .chunked { dropped.formUnion(KnownFields(.trailer)) }
    buffer.appendFields(bytes, fields, without: dropped, edits)
    writeRest(
      to: &buffer, bytes, fields, clientVersion, clientKeepsAlive, bodyFraming, keepAliveTimeout,
      edits.removed.contains(.via) ? nil : via, edits.removed.contains(.proxyStatus) ? nil : proxyStatus,
      edits.removed.contains(.date) ? nil : date)
    edits.writeLines(to: &buffer, values, bytes, host: nil, requestID: nil)
    buffer.append(extraLines)
    buffer.appendLineEnd()
  }

  @inline(__always)
  private func writeStart(to buffer: inout ByteBuffer, _ bytes: RawSpan) {
    buffer.reserve(byteCount + 256)
    buffer.append("HTTP/1.1 ")
    buffer.append(decimal: UInt64(status))
    buffer.append(ByteClass.space)
    buffer.append(bytes.part(reason))
    buffer.appendLineEnd()
  }

  /// What stands behind the fields of the upstream, up to the empty line.
  @inline(__always)
  private func writeRest(
    to buffer: inout ByteBuffer, _ bytes: RawSpan, _ fields: borrowing FieldTable, _ clientVersion: HTTPVersion,
    _ clientKeepsAlive: Bool, _ bodyFraming: ResponseFraming, _ keepAliveTimeout: UInt32?, _ via: [UInt8]?,
    _ proxyStatus: [UInt8]?, _ date: [UInt8]?
  ) {
    if let date, status >= 200, !fields.contains(.date) {
      buffer.append("Date: ")
      buffer.append(date)
      buffer.appendLineEnd()
    }
    if let via { Via.write(to: &buffer, version, via) }
    if let proxyStatus {
      buffer.append("Proxy-Status: ")
      buffer.append(proxyStatus)
      buffer.appendLineEnd()
    }
    writeFraming(to: &buffer, bodyFraming)
    writeConnection(
      to: &buffer, bytes, fields, clientVersion, clientKeepsAlive && bodyFraming != .untilClose, keepAliveTimeout)
  }

  private func writeFraming(to buffer: inout ByteBuffer, _ bodyFraming: ResponseFraming) {
    switch bodyFraming {
    case .none:
      guard let declaredLength else { return }
      buffer.append("Content-Length: ")
      buffer.append(decimal: declaredLength)
      buffer.appendLineEnd()
    case .contentLength(let length):
      buffer.append("Content-Length: ")
      buffer.append(decimal: length)
      buffer.appendLineEnd()
    case .chunked: buffer.append("Transfer-Encoding: chunked\r\n")
    case .untilClose: break
    }
  }

  private func writeConnection(
    to buffer: inout ByteBuffer, _ bytes: RawSpan, _ fields: borrowing FieldTable, _ clientVersion: HTTPVersion,
    _ keepsAlive: Bool, _ keepAliveTimeout: UInt32?
  ) {
    if isInterim { return }
    if !upgrade.isEmpty {
      buffer.append("Upgrade: ")
      Upgrade.write(to: &buffer, bytes, fields)
      buffer.append(keepsAlive || status == 101 ? "\r\nConnection: upgrade\r\n" : "\r\nConnection: upgrade, close\r\n")
      return
    }
    ConnectionOptions.write(to: &buffer, clientVersion, keepsAlive, keepAliveTimeout)
  }
}

extension ConnectionOptions {
  /// Tells the client what becomes of its connection, where that is not what its version takes for granted.
  static func write(
    to buffer: inout ByteBuffer, _ clientVersion: HTTPVersion, _ keepsAlive: Bool, _ keepAliveTimeout: UInt32?
  ) {
    guard keepsAlive else {
      buffer.append("Connection: close\r\n")
      return
    }
    if clientVersion == .http10 || keepAliveTimeout != nil { buffer.append("Connection: keep-alive\r\n") }
    if let keepAliveTimeout {
      buffer.append("Keep-Alive: timeout=")
      buffer.append(decimal: UInt64(keepAliveTimeout))
      buffer.appendLineEnd()
    }
  }
}
