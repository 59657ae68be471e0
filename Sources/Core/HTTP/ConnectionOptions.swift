/// What the Connection fields of a head say about the connection (RFC 9110 section 7.6.1).
struct ConnectionOptions: OptionSet {
  let rawValue: UInt8
  static let close = ConnectionOptions(rawValue: 1)
  static let keepAlive = ConnectionOptions(rawValue: 2)
  static let upgrade = ConnectionOptions(rawValue: 4)

  /// More options than this are an error: each is compared with each field.
  static let maximumCount = 64

  /// Fields that stay, though the Connection field names them: they are for the recipient at the end, or they frame the
  /// message, or they tell the upstream who is asking. To strip them by naming them is an attack, so it has no effect.
  static let protected: KnownFields = [
    KnownFields(.host), KnownFields(.contentLength), KnownFields(.transferEncoding), KnownFields(.contentType),
    KnownFields(.contentEncoding), KnownFields(.contentRange), KnownFields(.contentLocation),
    KnownFields(.authorization),
    KnownFields(.wwwAuthenticate), KnownFields(.cookie), KnownFields(.setCookie), KnownFields(.cacheControl),
    KnownFields(.date), KnownFields(.age), KnownFields(.expires), KnownFields(.entityTag), KnownFields(.vary),
    KnownFields(.location), KnownFields(.range), KnownFields(.expect), KnownFields(.maxForwards), KnownFields(.trailer),
    KnownFields(.via), KnownFields(.cdnLoop), KnownFields(.forwarded), KnownFields(.xForwardedFor),
    KnownFields(.xForwardedProto),
    KnownFields(.xForwardedHost), KnownFields(.xForwardedOther), KnownFields(.xRealIP), KnownFields(.xRequestID),
    KnownFields(.clientCert), KnownFields(.clientCertChain), KnownFields(.xForwardedClientCert),
    KnownFields(.traceparent), KnownFields(.tracestate), KnownFields(.userAgent), KnownFields(.referer),
    KnownFields(.server), KnownFields(.retryAfter), KnownFields(.proxyStatus),
  ]

  /// Reads the options and marks the fields that they name in `table`.
  ///
  /// What is not a token names no field and is passed over; the Connection field itself never goes further.
  ///
  /// - Returns: nil when there are too many options.
  static func read(_ bytes: RawSpan, _ table: inout FieldTable) -> ConnectionOptions? {
    var options: ConnectionOptions = []
    var remaining = maximumCount
    for index in 0..<table.count where table[index].known == .connection {
      var list = ListElements(table[index].value)
      while let element = list.next(bytes) {
        if element.isEmpty { continue }
        guard remaining > 0 else { return nil }
        remaining -= 1
        if bytes.spells("keep-alive", at: element) {
          options.insert(.keepAlive)
        } else if bytes.spells("close", at: element) {
          options.insert(.close)
        } else if bytes.spells("upgrade", at: element) {
          options.insert(.upgrade)
        } else {
          nominate(element, bytes, &table)
        }
      }
    }
    return options
  }

  private static func nominate(_ name: ByteRange, _ bytes: RawSpan, _ table: inout FieldTable) {
    for index in 0..<table.count {
      let field = table[index]
      if field.name.count == name.count, !protected.contains(field.known), bytes.sameName(field.name, name) {
        table.nominate(at: index)
      }
    }
  }
}
