package import Core

/// The connection to one server.
package final class HTTP2ClientSession: HTTP2Session {
  /// Whether the server's first SETTINGS came.
  package private(set) var hasSettings = false
  /// The id of the server's last GOAWAY: it acts on no stream above it. Nil without one.
  package private(set) var goAwayLastID: Int32?

  /// Whether requests are said to come by https.
  let isSecure: Bool

  /// - Parameter isSecure: whether the connection runs over TLS.
  package init(limits: HTTP2Limits, isSecure: Bool = false, now: Instant) {
    self.isSecure = isSecure
    super.init(isServer: false, limits: limits, now: now)
  }

  /// How many streams the server takes at once.
  package var peerMaxStreams: UInt32 { peerStreamLimit }

  /// Where the earliest of the streams begins that are open; nil when none has begun.
  package var earliestHeaders: UInt64? {
    streams.values.lazy.compactMap { ($0 as? HTTP2ClientStream)?.headersOffset }.min()
  }
  /// Whether a stream can be opened now.
  package var canOpen: Bool {
    hasSettings && takesRequests && openStreams + unsentStreams < Int(peerStreamLimit)
  }

  /// Whether requests can be sent on streams that were opened.
  var takesRequests: Bool { failure == nil && goAwayLastID == nil }

  /// Whether nothing more is to come: the server takes nothing new and no stream is left, or the connection has failed.
  package var isOver: Bool { failure != nil || (goAwayLastID != nil && openStreams == 0) }

  /// A stream for one request; nil when the server takes none now. It exists for the server once its head was given.
  package func open(_ now: Instant) -> HTTP2ClientStream? {
    self.now = now
    guard canOpen else { return nil }
    unsentStreams += 1
    return HTTP2ClientStream(session: self)
  }

  /// Streams that were opened and whose request head was not given yet.
  private var unsentStreams = 0

  func headGiven(_ stream: HTTP2ClientStream) {
    unsentStreams -= 1
    counters.streamsOpened += 1
    add(stream)
  }

  /// A stream ends before its head was given.
  func headDropped() {
    unsentStreams -= 1
  }

  override func settingsReceived() {
    guard !hasSettings else { return }
    hasSettings = true
    tell(.settingsReceived)
  }

  /// RFC 9113 section 6.8: after the first, nothing new; the streams above the last id were not acted upon.
  override func goAwayReceived(lastID: Int32, _ code: HTTP2ErrorCode) {
    goAwayLastID = lastID
    tell(.goAwayReceived(lastID: lastID, code))
    for id in streams.keys.sorted() where id > lastID { (streams[id] as? HTTP2ClientStream)?.leftUnprocessed() }
  }

  override func fieldsBegan(_ stream: Int32, category: Int) {
    block.begin()
  }

  override func fieldsEnded(_ id: Int32, category: Int, endsStream: Bool) {
    guard let stream = streams[id] as? HTTP2ClientStream else { return }
    if block.fault == nil, block.isTooLarge {
      counters.headersTooLarge += 1
      stream.isBroken = true
      return reset(id, .enhanceYourCalm)
    }
    if let fault = block.fault ?? stream.receive(&block, endsStream: endsStream) {
      stream.isBroken = true
      return refuse(id, because: fault)
    }
    tellReadable(stream)
  }

  override func headersBegin(_ stream: Int32) {
    guard let stream = streams[stream] as? HTTP2ClientStream, stream.headersOffset == nil else { return }
    stream.headersOffset = producedOffset
  }

  override func headersSent(_ stream: Int32) {
    guard let stream = streams[stream] as? HTTP2ClientStream, stream.headersEndOffset == nil else { return }
    stream.headersEndOffset = producedOffset
  }
}
