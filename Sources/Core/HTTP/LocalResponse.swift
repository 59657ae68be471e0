/// A response that this proxy makes itself: mostly an error, with a short text as its content.
package struct LocalResponse: Sendable {
  package var status: UInt16
  /// The content, as text/plain in UTF-8. Never written for statuses that have no content.
  package var body: [UInt8]
  /// The value of Proxy-Status.
  package var proxyStatus: [UInt8]?
  /// Seconds, for Retry-After.
  package var retryAfter: UInt32?
  /// The value of Allow, which a 405 must have.
  package var allow: [UInt8]?

  /// - Parameter body: nil stands for the status and its phrase as a line of text.
  package init(
    status: UInt16, body: [UInt8]? = nil, proxyStatus: [UInt8]? = nil, retryAfter: UInt32? = nil, allow: [UInt8]? = nil
  ) {
    precondition(status >= 200 && status < 600, "a local response is a final one")
    self.status = status
    self.body = body ?? Array("\(status) \(ReasonPhrase.standard(for: status))\n".utf8)
    self.proxyStatus = proxyStatus
    self.retryAfter = retryAfter
    self.allow = allow
  }

  /// Writes the whole response.
  ///
  /// - Parameters:
  ///   - requestMethod: HEAD gets the head alone. Unknown (the request was not understood) is `other`.
  ///   - clientKeepsAlive: whether the client's connection stays open behind this response; else it is told so.
  ///   - keepAliveTimeout: seconds to advertise in Keep-Alive while the connection stays open.
  ///   - date: the value of Date; nil when the time is not known.
  package func write(
    to buffer: inout ByteBuffer, requestMethod: Method, clientVersion: HTTPVersion, clientKeepsAlive: Bool,
    keepAliveTimeout: UInt32? = nil, date: [UInt8]? = nil
  ) {
    let hasContent = status != 204 && status != 304
    buffer.reserve(body.count + 512)
    buffer.append("HTTP/1.1 ")
    buffer.append(decimal: UInt64(status))
    buffer.append(ByteClass.space)
    buffer.append(ReasonPhrase.standard(for: status))
    buffer.appendLineEnd()
    if let date { Self.append("Date: ", date, to: &buffer) }
    if let allow { Self.append("Allow: ", allow, to: &buffer) }
    if let proxyStatus { Self.append("Proxy-Status: ", proxyStatus, to: &buffer) }
    if let retryAfter {
      buffer.append("Retry-After: ")
      buffer.append(decimal: UInt64(retryAfter))
      buffer.appendLineEnd()
    }
    if hasContent {
      if !body.isEmpty { buffer.append("Content-Type: text/plain; charset=utf-8\r\n") }
      buffer.append("Content-Length: ")
      buffer.append(decimal: UInt64(body.count))
      buffer.appendLineEnd()
    }
    ConnectionOptions.write(to: &buffer, clientVersion, clientKeepsAlive, keepAliveTimeout)
    buffer.appendLineEnd()
    if hasContent && requestMethod != .head { buffer.append(body) }
  }

  private static func append(_ name: StaticString, _ value: [UInt8], to buffer: inout ByteBuffer) {
    buffer.append(name)
    buffer.append(value)
    buffer.appendLineEnd()
  }
}
