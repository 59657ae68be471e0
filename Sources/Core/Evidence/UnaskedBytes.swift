/// What a server has sent that no request asked for: where nothing was asked, before a request was written or had arrived,
/// or behind the end of an answer.
package enum UnaskedBytes: UInt8, Sendable, Hashable, BitwiseCopyable {
  /// The last word of a server that gives up an idle connection: a 408, or a response that closes. No answer follows it.
  case farewell
  /// An answer too many. All later ones on this connection would go to the wrong requests, and the server has shown that it
  /// may do so on others.
  case answer
  /// Anything else: the rest of content that was longer than announced, an interim response, noise.
  case other

  /// How long the answers of a server are doubted that sent one too many: its connections carry one request each.
  ///
  /// An answer too many that arrives when the next request has arrived at the server cannot be told from that request's
  /// answer. What can be known is that it happens with this server.
  package static let doubtSpan = Nanoseconds.seconds(60)

  /// Allocates: it is for what hardly ever happens.
  ///
  /// - Parameter endsStream: whether the server's FIN is directly behind the bytes.
  package init(_ bytes: RawSpan, endsStream: Bool) {
    guard Self.beginsResponse(bytes) else {
      self = .other
      return
    }
    var scan = HeadScan()
    var fields = FieldTable()
    switch ResponseHead.parse(bytes, scan: &scan, limits: HeadLimits(), requestMethod: .get, into: &fields) {
    case .complete(let head):
      if head.isInterim {
        self = .other
      } else if head.status == 408 || endsStream {
        self = .farewell
      } else {
        // Content that ends with the connection is no word of its end.
        self = fields.contains(.connection) && !head.keepsAlive ? .farewell : .answer
      }
    case .incomplete, .failed: self = endsStream ? .farewell : .answer
    }
  }

  /// `HTTP/1.`, or as much of it as there is.
  private static func beginsResponse(_ bytes: RawSpan) -> Bool {
    let count = Swift.min(bytes.byteCount, 7)
    return count > 0 && bytes.packed(at: 0, count: count) == PackedText.word("HTTP/1.", at: 0, count: count)
  }
}
