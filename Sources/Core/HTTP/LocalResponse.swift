/// A response that this proxy makes itself: an error with a short text, a redirect, or what the settings say.
package struct LocalResponse: Sendable {
  package var status: UInt16
  /// The content. Never written for statuses that have no content.
  package var body: [UInt8]
  /// The value of Content-Type; not written without content.
  package var contentType: [UInt8]
  /// The value of Location.
  package var location: [UInt8]?
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
    contentType = Array("text/plain; charset=utf-8".utf8)
    self.proxyStatus = proxyStatus
    self.retryAfter = retryAfter
    self.allow = allow
  }

  /// What the settings say that a route answers. Worth keeping: it is the same for every request.
  package init(_ fixed: FixedResponse) {
    self.init(status: fixed.status, body: fixed.body)
    contentType = Array(fixed.contentType.utf8)
  }

  /// Writes the whole response.
  ///
  /// - Parameters:
  ///   - requestMethod: HEAD gets the head alone. Unknown (the request was not understood) is `other`.
  ///   - clientKeepsAlive: whether the client's connection stays open behind this response; else it is told so.
  ///   - keepAliveTimeout: seconds to advertise in Keep-Alive while the connection stays open.
  ///   - date: the value of Date; nil when the time is not known.
  ///   - edits: those of the route.
  ///   - values: what the variables of the edits stand for.
  package func write(
    to buffer: inout ByteBuffer, requestMethod: Method, clientVersion: HTTPVersion, clientKeepsAlive: Bool,
    keepAliveTimeout: UInt32? = nil, date: [UInt8]? = nil, edits: borrowing CompiledEdits = .none,
    values: borrowing EditValues = EditValues()
  ) {
    let hasContent = status != 204 && status != 304
    buffer.reserve(body.count + 512)
    buffer.append("HTTP/1.1 ")
    buffer.append(decimal: UInt64(status))
    buffer.append(ByteClass.space)
    buffer.append(ReasonPhrase.standard(for: status))
    buffer.appendLineEnd()
    let removed = edits.removed
    if let date, !removed.contains(.date) { Self.append("Date: ", date, to: &buffer) }
    if let allow, !edits.removesName("allow") { Self.append("Allow: ", allow, to: &buffer) }
    if let location, !removed.contains(.location) { Self.append("Location: ", location, to: &buffer) }
    if let proxyStatus, !removed.contains(.proxyStatus) { Self.append("Proxy-Status: ", proxyStatus, to: &buffer) }
    if let retryAfter, !removed.contains(.retryAfter) {
      buffer.append("Retry-After: ")
      buffer.append(decimal: UInt64(retryAfter))
      buffer.appendLineEnd()
    }
    if hasContent {
      if !body.isEmpty, !contentType.isEmpty, !removed.contains(.contentType) {
        Self.append("Content-Type: ", contentType, to: &buffer)
      }
      buffer.append("Content-Length: ")
      buffer.append(decimal: UInt64(body.count))
      buffer.appendLineEnd()
    }
    ConnectionOptions.write(to: &buffer, clientVersion, clientKeepsAlive, keepAliveTimeout)
    edits.writeLines(to: &buffer, values, RawSpan(), host: nil, requestID: nil)
    buffer.appendLineEnd()
    if hasContent && requestMethod != .head { buffer.append(body) }
  }

  private static func append(_ name: StaticString, _ value: [UInt8], to buffer: inout ByteBuffer) {
    buffer.append(name)
    buffer.append(value)
    buffer.appendLineEnd()
  }
}
