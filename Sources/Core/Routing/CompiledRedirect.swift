/// A ``Redirect``, ready to make its response.
///
/// ```
/// let response = redirect.response(head, inbound.readable, scheme: forwarding.scheme)
/// response.write(to: &outbound, requestMethod: head.method, clientVersion: head.version, clientKeepsAlive: ...)
/// ```
///
/// Location holds nothing but what the settings say and what was found valid in the request, so it cannot end the line. When
/// scheme and host stay it is a path alone, and that begins with one "/", whatever was asked for: `//evil.example` would send
/// the client to another host.
package struct CompiledRedirect: Sendable {
  private let status: UInt16
  private let scheme: [UInt8]?
  private let host: [UInt8]?
  private let rewrite: CompiledRewrite
  private let keepsQuery: Bool

  package init(_ redirect: Redirect) {
    status = redirect.status
    scheme = redirect.scheme.map { Array($0.utf8) }
    host = redirect.host.map { Array($0.utf8) }
    rewrite = CompiledRewrite(redirect.rewrite)
    keepsQuery = redirect.keepsQuery
  }

  /// - Parameter scheme: how the client speaks to the proxy.
  package func response(_ head: RequestHead, _ bytes: RawSpan, scheme askedScheme: [UInt8]) -> LocalResponse {
    var response = LocalResponse(status: status)
    response.location = location(head, bytes, askedScheme)
    return response
  }

  private func location(_ head: RequestHead, _ bytes: RawSpan, _ askedScheme: [UInt8]) -> [UInt8] {
    var buffer = ByteBuffer(capacity: head.target.range.count + 256)
    if scheme != nil || host != nil, host != nil || !head.host.isEmpty {
      let scheme = scheme ?? askedScheme
      buffer.append(asFieldValue: scheme)
      buffer.append("://")
      if let host {
        buffer.append(asFieldValue: host)
      } else {
        // The port belongs to the scheme that was asked for: another one has its own.
        let asked = scheme == askedScheme ? head.host : Router.hostName(bytes, head.host)
        buffer.append(bytes.part(asked))
      }
    }
    if head.target.form == .asterisk {
      buffer.append(UInt8(ascii: "/"))
    } else {
      var path = ByteBuffer(capacity: head.target.range.count + 256)
      path.appendPath(of: head.target, bytes, rewrite, keepsQuery: keepsQuery)
      // A rewrite leaves one slash, but its prefix may not be there, or there may be none.
      let whole = ByteRange(offset: 0, count: path.count)
      buffer.append(path.readable.part(whole.withOneSlash(path.readable)))
    }
    return (0..<buffer.count).map { buffer.readable.byte(at: $0) }
  }
}
