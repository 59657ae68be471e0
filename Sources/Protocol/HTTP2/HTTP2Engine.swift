internal import CHTTP2
import Core

/// The C library's half of a connection, with its pointers kept in here.
@safe
struct HTTP2Engine: ~Copyable {
  private let handle: OpaquePointer

  /// - Parameter session: gets the callbacks. It owns the engine, so that it outlives it.
  /// - Returns: nil when there is no memory.
  init?(isServer: Bool, limits: HTTP2Limits, session: HTTP2Session) {
    var options = photofinish_http2_options(
      max_concurrent_streams: limits.concurrentStreams, stream_window: limits.streamWindow,
      connection_window: limits.connectionWindow, header_list: UInt32(clamping: limits.headerListBytes),
      max_continuations: limits.continuationFrames)
    var callbacks = HTTP2Callbacks.table
    // Safe: as above. The reference is not retained; the session closes the engine before it is gone.
    let opened = unsafe photofinish_http2_open(
      isServer ? 1 : 0, &callbacks, &options, Unmanaged.passUnretained(session).toOpaque())
    // Safe: it is only kept here.
    guard let opened = unsafe opened else { return nil }
    // Safe: it is used by the calls below alone, and freed in deinit.
    unsafe handle = opened
  }

  deinit {
    // Safe: opened in init and closed nowhere else.
    unsafe photofinish_http2_close(handle)
  }

  /// - Returns: the number of bytes taken, or one of the negative results of the C library.
  func receive(_ bytes: RawSpan) -> Int64 {
    // Safe: the bytes are read during the call; callbacks get spans into them that they do not keep.
    unsafe bytes.withUnsafeBytes { raw in
      guard let base = raw.baseAddress else { return 0 }
      // Safe: as above.
      return unsafe photofinish_http2_receive(handle, base.assumingMemoryBound(to: UInt8.self), raw.count)
    }
  }

  /// Gives the next bytes to write to `body`; those of content are written by the callback instead.
  ///
  /// - Returns: the number of bytes given.
  func send(_ body: (RawSpan) -> Void) -> Int {
    var bytes: UnsafePointer<UInt8>?
    // Safe: what is pointed to stays as it is until the next call on the engine, and `body` makes none.
    let count = unsafe photofinish_http2_send(handle, &bytes)
    guard count > 0, let bytes = unsafe bytes else { return 0 }
    // Safe: as above.
    unsafe body(RawSpan(_unsafeStart: bytes, byteCount: Int(count)))
    return Int(count)
  }

  var wantsWrite: Bool {
    // Safe: the handle is open.
    unsafe photofinish_http2_wants_write(handle) != 0
  }

  /// Frames that wait to be written, without those of content.
  var queuedFrames: Int {
    // Safe: the handle is open.
    unsafe Int(photofinish_http2_queued(handle))
  }

  func respond(_ stream: Int32, _ fields: borrowing HTTP2FieldList, kind: Int32) -> Bool {
    // Safe: the list and what it points to are there during the call, which copies both.
    unsafe fields.withList { unsafe photofinish_http2_respond(handle, stream, $0, $1, kind) == 0 }
  }

  /// - Returns: the id of the stream, or a negative number.
  func request(_ fields: borrowing HTTP2FieldList, hasContent: Bool) -> Int32 {
    // Safe: as above.
    unsafe fields.withList { unsafe photofinish_http2_request(handle, $0, $1, hasContent ? 1 : 0) }
  }

  func resume(_ stream: Int32) {
    // Safe: the handle is open.
    unsafe photofinish_http2_resume(handle, stream)
  }

  /// - Parameter stream: 0 for the connection alone.
  func consume(_ stream: Int32, _ count: Int) {
    // Safe: the handle is open.
    unsafe photofinish_http2_consume(handle, stream, count)
  }

  func reset(_ stream: Int32, _ code: HTTP2ErrorCode) {
    // Safe: the handle is open.
    unsafe photofinish_http2_reset(handle, stream, code.rawValue)
  }

  func goAway(isNotice: Bool, lastID: Int32, _ code: HTTP2ErrorCode) {
    // Safe: the handle is open.
    unsafe photofinish_http2_go_away(handle, isNotice ? 1 : 0, lastID, code.rawValue)
  }

  func terminate(lastID: Int32, _ code: HTTP2ErrorCode) {
    // Safe: the handle is open.
    unsafe photofinish_http2_terminate(handle, lastID, code.rawValue)
  }

  func ping() {
    // Safe: the handle is open.
    unsafe photofinish_http2_ping(handle)
  }

  var peerMaxStreams: UInt32 {
    // Safe: the handle is open.
    unsafe photofinish_http2_peer_max_streams(handle)
  }
}

/// The fields of one message to send, as pointers into its text. It is filled and handed over while the text is borrowed.
@safe
struct HTTP2FieldList: ~Copyable {
  // Safe: it is empty.
  private var list: [photofinish_http2_field] = unsafe []

  var isEmpty: Bool { unsafe list.isEmpty }  // Safe: only the size is asked for.

  mutating func removeAll() {
    // Safe: the pointers are forgotten.
    unsafe list.removeAll(keepingCapacity: true)
  }

  /// - Parameter base: the text, which stays where it is until the list was handed over.
  @unsafe mutating func append(_ base: UnsafeRawBufferPointer, _ name: ByteRange, _ value: ByteRange) {
    // Safe: the ranges are checked against the buffer, which the caller keeps.
    let nameBytes = unsafe UnsafeRawBufferPointer(rebasing: base[name.start..<name.end])
    let valueBytes = unsafe UnsafeRawBufferPointer(rebasing: base[value.start..<value.end])
    unsafe list.append(
      photofinish_http2_field(
        name: nameBytes.baseAddress?.assumingMemoryBound(to: UInt8.self),
        value: valueBytes.baseAddress?.assumingMemoryBound(to: UInt8.self),
        name_count: nameBytes.count, value_count: valueBytes.count))
  }

  @unsafe mutating func append(_ name: StaticString, _ base: UnsafeRawBufferPointer, _ value: ByteRange) {
    // Safe: as above; a static string lives as long as the program.
    let valueBytes = unsafe UnsafeRawBufferPointer(rebasing: base[value.start..<value.end])
    unsafe list.append(
      photofinish_http2_field(
        name: name.utf8Start, value: valueBytes.baseAddress?.assumingMemoryBound(to: UInt8.self),
        name_count: name.utf8CodeUnitCount, value_count: valueBytes.count))
  }

  mutating func append(_ name: StaticString, _ value: StaticString) {
    // Safe: static strings live as long as the program.
    unsafe list.append(
      photofinish_http2_field(
        name: name.utf8Start, value: value.utf8Start, name_count: name.utf8CodeUnitCount,
        value_count: value.utf8CodeUnitCount))
  }

  /// - Parameter body: gets the first field and their number; returns a negative number when it fails.
  @unsafe borrowing func withList<Result>(_ body: (UnsafePointer<photofinish_http2_field>, Int) -> Result) -> Result {
    // Safe: the list is there during the call.
    unsafe list.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress, !buffer.isEmpty else {
        preconditionFailure("a message has a field at least")
      }
      // Safe: as above.
      return unsafe body(base, buffer.count)
    }
  }
}
