import Core

/// What the head of a message says, as far as an observer needs it.
///
/// Core's grammar is asked first, so whatever the proxy takes is framed here as it is there. A proxy must refuse what is
/// ambiguous; an observer must go on, because the two sides went on. So what Core refuses is read leniently, and where its
/// framing can be read in two ways that is said, and nothing that depends on it is called proved.
struct MessageHead: Sendable {
  enum Framing: Equatable, Sendable {
    case none
    case length(Int64)
    case chunked
    case untilClose
  }

  var method = ""
  var target = ""
  var status = 0
  var framing = Framing.none
  /// No further message follows on the connection.
  var closes = false
  var advertisedTimeout: Int?
  /// The rule of the grammar whose breach lets two readers disagree about where the message ends.
  var ambiguity: MessageError.Code?

  static let maximumTarget = 160
  private static let maximumMethod = 24
  private static let limits = HeadLimits(headBytes: 72 << 10, startLineBytes: 72 << 10, fieldCount: 8_192)

  /// nil when the first line is no request line.
  init?(request bytes: [UInt8]) {
    var fields = FieldTable(capacity: 48)
    var scan = HeadScan()
    // Safe: every bit of a UInt8 is initialised.
    let span = unsafe bytes.span.bytes
    if case .complete(let head) = RequestHead.parse(span, scan: &scan, limits: MessageHead.limits, into: &fields) {
      method = span.text(head.methodRange)
      target = Display.printable(
        bytes[(head.methodRange.end + 1)...].prefix { $0 != 0x20 }.prefix(MessageHead.maximumTarget))
      closes = !head.keepsAlive
      switch head.framing {
      case .none: framing = .none
      case .contentLength(let count): framing = .length(Int64(clamping: count))
      case .chunked: framing = .chunked
      }
      return
    }
    let lenient = LenientHead(bytes)
    guard let line = lenient.requestLine() else { return nil }
    method = Display.printable(line.method.prefix(MessageHead.maximumMethod))
    target = Display.printable(line.target.prefix(MessageHead.maximumTarget))
    take(lenient, isVersion10: line.isVersion10, hasNoContent: false, isRequest: true)
  }

  /// nil when the first line is no status line.
  ///
  /// - Parameter method: of the request that this answers; empty when it is not known.
  init?(response bytes: [UInt8], to method: String) {
    var fields = FieldTable(capacity: 48)
    var scan = HeadScan()
    // Safe: every bit of a UInt8 is initialised.
    let span = unsafe bytes.span.bytes
    let outcome = ResponseHead.parse(
      span, scan: &scan, limits: MessageHead.limits, requestMethod: method == "HEAD" ? .head : .other, into: &fields)
    if case .complete(let head) = outcome {
      status = Int(head.status)
      // A response that lasts until the close announces it by that.
      closes = !head.keepsAlive
      advertisedTimeout = head.keepAliveTimeoutSeconds.map(Int.init)
      switch head.framing {
      case .none: framing = .none
      case .contentLength(let count): framing = .length(Int64(clamping: count))
      case .chunked: framing = .chunked
      case .untilClose: framing = .untilClose
      }
      return
    }
    let lenient = LenientHead(bytes)
    guard let line = lenient.statusLine() else { return nil }
    status = line.status
    let hasNoContent = method == "HEAD" || status < 200 || status == 204 || status == 304
    take(lenient, isVersion10: line.isVersion10, hasNoContent: hasNoContent, isRequest: false)
  }

  private mutating func take(_ head: LenientHead, isVersion10: Bool, hasNoContent: Bool, isRequest: Bool) {
    let fields = head.fields(isVersion10: isVersion10, isRequest: isRequest)
    closes = fields.closes || (isVersion10 && !fields.keepsAlive)
    advertisedTimeout = fields.advertisedTimeout
    ambiguity = fields.ambiguity
    if hasNoContent {
      framing = .none
    } else if fields.isChunked {
      framing = .chunked
    } else if fields.hasOtherCoding {
      framing = isRequest ? .none : .untilClose
    } else if let length = fields.contentLength {
      framing = .length(length)
    } else {
      framing = isRequest ? .none : .untilClose
    }
    if framing == .untilClose { closes = true }
  }
}
