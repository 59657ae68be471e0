internal import CHTTP2
import Core

/// How the C library reaches a session: each function finds the session by its context and turns pointers into spans.
enum HTTP2Callbacks {
  static var table: photofinish_http2_callbacks {
    // Safe: every function gets the context that was given with the table.
    unsafe photofinish_http2_callbacks(
      fields_began: { context, stream, category in
        // Safe: see session(_:).
        unsafe HTTP2Callbacks.session(context).fieldsBegin(stream, category: Int(category))
      },
      field: { context, _, name, nameCount, value, valueCount, isMalformed in
        // Safe: see session(_:); both ranges are readable during the call, and the spans do not leave it.
        unsafe HTTP2Callbacks.session(context).field(
          RawSpan(_unsafeStart: name, byteCount: nameCount), RawSpan(_unsafeStart: value, byteCount: valueCount),
          isMalformed: isMalformed != 0)
      },
      data: { context, stream, bytes, count in
        // Safe: as above.
        unsafe HTTP2Callbacks.session(context).dataReceived(stream, RawSpan(_unsafeStart: bytes, byteCount: count))
      },
      frame_received: { context, type, flags, stream, first, second in
        // Safe: see session(_:).
        unsafe HTTP2Callbacks.session(context).frameReceived(type, flags: flags, stream: stream, first, second)
      },
      frame_refused: { context, type, stream in
        // Safe: see session(_:).
        unsafe HTTP2Callbacks.session(context).frameRefused(type, stream: stream)
      },
      frame_begins: { context, type, stream in
        // Safe: see session(_:).
        unsafe HTTP2Callbacks.session(context).frameBegins(type, stream: stream)
      },
      frame_sent: { context, type, flags, stream, first, second in
        // Safe: see session(_:).
        unsafe HTTP2Callbacks.session(context).frameSent(type, flags: flags, stream: stream, first, second)
      },
      frame_not_sent: { context, type, stream in
        // Safe: see session(_:).
        unsafe HTTP2Callbacks.session(context).frameNotSent(type, stream: stream)
      },
      stream_closed: { context, stream, code in
        // Safe: see session(_:).
        unsafe HTTP2Callbacks.session(context).streamClosed(stream, HTTP2ErrorCode(rawValue: code))
      },
      content: { context, stream, limit, end in
        // Safe: see session(_:); `end` is one number that the caller owns.
        unsafe HTTP2Callbacks.session(context).content(stream, limit: Int(limit), end: &end.pointee)
      },
      write_content: { context, stream, header, count in
        // Safe: see session(_:); a frame's header has nine bytes.
        unsafe HTTP2Callbacks.session(context).writeContent(
          stream, header: RawSpan(_unsafeStart: header, byteCount: 9), count: Int(count))
      })
  }

  /// The session that opened the engine.
  private static func session(_ context: UnsafeMutableRawPointer) -> HTTP2Session {
    // Safe: the context is the session, which outlives its engine, and only calls on the engine lead here.
    unsafe Unmanaged<HTTP2Session>.fromOpaque(context).takeUnretainedValue()
  }
}
