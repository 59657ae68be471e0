/// Writes the parts of a chunked body around the data (RFC 9112 section 7.1).
package enum ChunkedWriter {
  /// Writes what stands before `count` bytes of data.
  ///
  /// - Parameter count: more than zero, since a chunk of nothing would end the body.
  package static func writeChunkStart(_ count: Int, to buffer: inout ByteBuffer) {
    precondition(count > 0, "an empty chunk would end the body")
    buffer.append(hexadecimal: UInt64(count))
    buffer.appendLineEnd()
  }

  /// Writes what stands behind the data of a chunk.
  package static func writeChunkEnd(to buffer: inout ByteBuffer) {
    buffer.appendLineEnd()
  }

  /// Writes the last chunk and an empty trailer section.
  package static func writeEnd(to buffer: inout ByteBuffer) {
    buffer.append("0\r\n\r\n")
  }

  /// Writes the last chunk and those of the received trailers that may stand in a trailer section.
  ///
  /// - Parameters:
  ///   - bytes: what the decoder worked on.
  ///   - trailers: the range that ``ChunkedStep/finished(consumedTo:trailers:)`` gave.
  package static func writeEnd(to buffer: inout ByteBuffer, bytes: RawSpan, trailers: ByteRange) {
    buffer.append("0\r\n")
    var position = trailers.start
    while position < trailers.end {
      guard case .field(let name, let value, _, let next) = FieldSection.line(bytes, from: position, to: trailers.end)
      else {
        // Unreachable: the decoder has read these lines as fields. Trailers may be left out (RFC 9110 section 6.5.1).
        break
      }
      if isAllowed(bytes, name) {
        buffer.append(bytes.part(name))
        buffer.append(": ")
        buffer.append(bytes.part(value))
        buffer.appendLineEnd()
      }
      position = next
    }
    buffer.appendLineEnd()
  }

  /// RFC 9110 section 6.5.1: nothing that frames, routes, modifies, authenticates or is needed before the content.
  private static let forbidden: KnownFields = [
    KnownFields(.host), KnownFields(.connection), KnownFields(.contentLength), KnownFields(.transferEncoding),
    KnownFields(.transferCodings), KnownFields(.trailer), KnownFields(.upgrade), KnownFields(.keepAlive),
    KnownFields(.proxyConnection), KnownFields(.proxyAuthenticate), KnownFields(.proxyAuthorization),
    KnownFields(.proxyAuthenticationInfo), KnownFields(.proxyVariable), KnownFields(.http2Settings),
    KnownFields(.expect), KnownFields(.via), KnownFields(.forwarded), KnownFields(.xForwardedFor),
    KnownFields(.xForwardedProto), KnownFields(.xForwardedHost), KnownFields(.xForwardedOther), KnownFields(.xRealIP),
    KnownFields(.clientCert), KnownFields(.clientCertChain), KnownFields(.xForwardedClientCert),
    KnownFields(.xRequestID), KnownFields(.traceparent), KnownFields(.tracestate), KnownFields(.date),
    KnownFields(.contentType), KnownFields(.contentEncoding), KnownFields(.contentRange), KnownFields(.authorization),
    KnownFields(.cookie), KnownFields(.setCookie), KnownFields(.cacheControl), KnownFields(.location),
    KnownFields(.maxForwards), KnownFields(.retryAfter), KnownFields(.wwwAuthenticate), KnownFields(.range),
    KnownFields(.vary), KnownFields(.age), KnownFields(.expires), KnownFields(.lookalike),
  ]

  static func isAllowed(_ bytes: RawSpan, _ name: ByteRange) -> Bool {
    !forbidden.contains(KnownField.recognise(bytes, name))
  }
}
