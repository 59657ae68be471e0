/// What a route and its upstream change in a request, compiled once for both.
package struct RequestChanges: Sendable {
  package enum Host: Sendable {
    /// As ``Forwarding`` has it.
    case unchanged
    /// In place of the host that the client asked for.
    case fixed([UInt8])
  }

  package var rewrite = CompiledRewrite.none
  package var edits = CompiledEdits.none
  /// An edit that sets Host comes before this.
  package var host = Host.unchanged

  package static let none = RequestChanges()

  package init() {}

  /// - Parameter serverHost: the server's own name, with its port unless that is 80, for ``UpstreamSettings/HostPolicy/server``.
  package init(
    rewrite: PathRewrite, edits: [FieldEdit], host: UpstreamSettings.HostPolicy = .preserve, serverHost: [UInt8] = []
  ) {
    self.rewrite = CompiledRewrite(rewrite)
    self.edits = CompiledEdits(edits)
    switch host {
    case .preserve: self.host = .unchanged
    case .server: self.host = .fixed(serverHost)
    case .fixed(let text): self.host = .fixed(Array(text.utf8))
    }
  }

  package var isEmpty: Bool {
    switch host {
    case .unchanged: rewrite.isEmpty && edits.isEmpty
    case .fixed: false
    }
  }
}

extension RequestHead {
  /// Writes the request as ``write(to:bytes:fields:forwarding:requestID:)`` does, with the changes of its route and upstream.
  ///
  /// - Parameter values: what the variables of the edits stand for; host and identifier are taken from the head.
  package func write(
    to buffer: inout ByteBuffer, bytes: RawSpan, fields: borrowing FieldTable, forwarding: borrowing Forwarding,
    requestID: (UInt64, UInt64), changes: borrowing RequestChanges, values: borrowing EditValues
  ) {
    if changes.isEmpty {
      return write(to: &buffer, bytes: bytes, fields: fields, forwarding: forwarding, requestID: requestID)
    }
    buffer.reserve(byteCount + 512)
    writeRequestLine(to: &buffer, bytes, changes.rewrite)
    let received = RequestID.received(bytes, fields)
    writeHost(to: &buffer, bytes, forwarding, changes, values, received)
    let dropped = droppedFields(bytes, fields, forwarding)
    buffer.appendFields(bytes, fields, without: dropped, changes.edits)
    writeFraming(to: &buffer)
    if expectsContinue { buffer.append("Expect: 100-continue\r\n") }
    writeConnection(to: &buffer, bytes, fields)
    let written = forwarding.fields.subtracting(Forwarding.Fields(removedBy: changes.edits.removed))
    writeForwarding(to: &buffer, bytes, fields, forwarding, written)
    if written.contains(.xRequestID), dropped.contains(.xRequestID) || !fields.contains(.xRequestID) {
      buffer.append("X-Request-Id: ")
      RequestID.write(requestID, to: &buffer)
      buffer.appendLineEnd()
    }
    changes.edits.writeLines(to: &buffer, values, bytes, host: host, requestID: received)
    buffer.appendLineEnd()
  }

  private func writeRequestLine(to buffer: inout ByteBuffer, _ bytes: RawSpan, _ rewrite: borrowing CompiledRewrite) {
    buffer.append(bytes.part(methodRange))
    buffer.append(ByteClass.space)
    if target.form == .asterisk || (method == .options && target.pathAndQuery.isEmpty) {
      buffer.append(UInt8(ascii: "*"))
    } else {
      buffer.appendPath(of: target, bytes, rewrite, keepsQuery: true)
    }
    buffer.append(" HTTP/1.1\r\n")
  }

  private func writeHost(
    to buffer: inout ByteBuffer, _ bytes: RawSpan, _ forwarding: borrowing Forwarding,
    _ changes: borrowing RequestChanges, _ values: borrowing EditValues, _ received: ByteRange?
  ) {
    buffer.append("Host: ")
    if changes.edits.setsHost {
      changes.edits.writeHost(to: &buffer, values, bytes, host: host, requestID: received)
    } else if case .fixed(let fixed) = changes.host {
      buffer.append(fixed)
    } else if let override = forwarding.hostOverride {
      buffer.append(override)
    } else if host.isEmpty {
      buffer.append(forwarding.defaultHost)
    } else {
      buffer.append(bytes.part(host))
    }
    buffer.appendLineEnd()
  }
}

extension Forwarding.Fields {
  /// Those that an edit of the same name takes away.
  init(removedBy removed: KnownFields) {
    self = []
    if removed.contains(.xForwardedFor) { insert(.xForwardedFor) }
    if removed.contains(.xForwardedProto) { insert(.xForwardedProto) }
    if removed.contains(.xForwardedHost) { insert(.xForwardedHost) }
    if removed.contains(.forwarded) { insert(.forwarded) }
    if removed.contains(.via) { insert(.via) }
    if removed.contains(.clientCert) { insert(.clientCertificate) }
    if removed.contains(.xRequestID) { insert(.xRequestID) }
  }
}

extension ByteBuffer {
  /// Appends the path of a target that is not `*`, rewritten, and its query.
  mutating func appendPath(
    of target: RequestTarget, _ bytes: RawSpan, _ rewrite: borrowing CompiledRewrite, keepsQuery: Bool
  ) {
    let path = target.path(bytes)
    let result = rewrite.applied(to: path, bytes)
    append(result.start)
    if result.start.isEmpty && result.rest.isEmpty { append(UInt8(ascii: "/")) }
    append(bytes.part(result.rest))
    let query = ByteRange(offset: path.end, count: target.pathAndQuery.end &- path.end)
    guard keepsQuery, !query.isEmpty else { return }
    if result.start.contains(UInt8(ascii: "?")) {
      // The settings wrote a query of their own.
      append(UInt8(ascii: "&"))
      append(bytes.part(ByteRange(offset: query.start &+ 1, count: query.count &- 1)))
    } else {
      append(bytes.part(query))
    }
  }

  /// Appends the field lines that stay. The slower way is taken only where edits remove names that have no tag.
  mutating func appendFields(
    _ bytes: RawSpan, _ fields: borrowing FieldTable, without dropped: KnownFields, _ edits: borrowing CompiledEdits
  ) {
    let dropped = dropped.union(edits.removed)
    guard edits.removesNames else { return appendFields(bytes, fields, without: dropped) }
    for index in 0..<fields.count {
      let field = fields[index]
      if dropped.contains(field.known) || field.isNominated || edits.removesName(field.name, bytes) { continue }
      append(bytes.part(field.name))
      append(": ")
      append(bytes.part(field.value))
      appendLineEnd()
    }
  }
}
