#ifndef C_HTTP2_H
#define C_HTTP2_H
#include <stddef.h>
#include <stdint.h>

/// One side of one HTTP/2 connection: nghttp2's session, in memory only. It never touches a socket or a clock.
typedef struct photofinish_http2 photofinish_http2;

/// What a callback that can fail answers.
enum {
  PHOTOFINISH_HTTP2_CONTINUE = 0,
  /// The connection is given up; ``photofinish_http2_receive`` returns PHOTOFINISH_HTTP2_STOPPED.
  PHOTOFINISH_HTTP2_STOP = 1,
};

/// What ``photofinish_http2_receive`` returns instead of a count.
enum {
  PHOTOFINISH_HTTP2_STOPPED = -1,
  PHOTOFINISH_HTTP2_BAD_PREFACE = -2,
  PHOTOFINISH_HTTP2_FLOODED = -3,
  PHOTOFINISH_HTTP2_OUT_OF_MEMORY = -4,
};

/// What the content callback returns when there is none now.
enum { PHOTOFINISH_HTTP2_NO_CONTENT_NOW = -1 };

/// Bits of the content callback's `end`.
enum {
  PHOTOFINISH_HTTP2_CONTENT_ENDS = 1,
  /// With the first bit: trailers follow, so END_STREAM is not on this frame.
  PHOTOFINISH_HTTP2_TRAILERS_FOLLOW = 2,
};

/// The callbacks. `context` is what ``photofinish_http2_open`` got.
typedef struct {
  /// A HEADERS frame of `category` (nghttp2_headers_category) began.
  int (*_Nonnull fields_began)(void *_Nonnull context, int32_t stream, int category);
  /// One field of it. `is_malformed`: its value may not stand in a message.
  int (*_Nonnull field)(
      void *_Nonnull context, int32_t stream, const uint8_t *_Nonnull name, size_t name_count,
      const uint8_t *_Nonnull value, size_t value_count, int is_malformed);
  /// Bytes of a DATA frame.
  int (*_Nonnull data)(void *_Nonnull context, int32_t stream, const uint8_t *_Nonnull bytes, size_t count);
  /// A whole frame was received and is in order. `first` and `second` are, by type: DATA the bytes without padding;
  /// HEADERS the category; RST_STREAM the code; SETTINGS the number of entries; WINDOW_UPDATE the increment; GOAWAY the
  /// last stream's id and the code.
  int (*_Nonnull frame_received)(
      void *_Nonnull context, uint8_t type, uint8_t flags, int32_t stream, uint64_t first, uint64_t second);
  /// A frame that breaks a rule was received, and its stream or connection is at its end.
  int (*_Nonnull frame_refused)(void *_Nonnull context, uint8_t type, int32_t stream);
  /// A frame is next to be written, or was written to its last byte. `first` and `second` as above.
  void (*_Nonnull frame_begins)(void *_Nonnull context, uint8_t type, int32_t stream);
  void (*_Nonnull frame_sent)(
      void *_Nonnull context, uint8_t type, uint8_t flags, int32_t stream, uint64_t first, uint64_t second);
  /// A frame was given up before it was written.
  void (*_Nonnull frame_not_sent)(void *_Nonnull context, uint8_t type, int32_t stream);
  /// A stream is no more.
  void (*_Nonnull stream_closed)(void *_Nonnull context, int32_t stream, uint32_t code);
  /// How many bytes of content, at most `limit`, the stream has to send; sets `end`.
  int64_t (*_Nonnull content)(void *_Nonnull context, int32_t stream, size_t limit, int *_Nonnull end);
  /// Write a DATA frame: its header of 9 bytes, then `count` bytes of the stream's content.
  void (*_Nonnull write_content)(
      void *_Nonnull context, int32_t stream, const uint8_t *_Nonnull header, size_t count);
} photofinish_http2_callbacks;

typedef struct {
  uint32_t max_concurrent_streams;
  uint32_t stream_window;
  uint32_t connection_window;
  uint32_t header_list;
  uint32_t max_continuations;
} photofinish_http2_options;

/// A field to send. Names are sent in lower case, whatever their case here; both are copied.
typedef struct {
  const uint8_t *_Nullable name;
  const uint8_t *_Nullable value;
  size_t name_count;
  size_t value_count;
} photofinish_http2_field;

/// A null pointer when there is no memory. Its SETTINGS wait to be written.
photofinish_http2 *_Nullable photofinish_http2_open(
    int is_server, const photofinish_http2_callbacks *_Nonnull callbacks,
    const photofinish_http2_options *_Nonnull options, void *_Nonnull context);
void photofinish_http2_close(photofinish_http2 *_Nonnull session);

/// Takes bytes of the peer. The number taken, or a negative value of those above.
int64_t photofinish_http2_receive(photofinish_http2 *_Nonnull session, const uint8_t *_Nonnull bytes, size_t count);
/// The next bytes to write, valid until the next call on the session; 0 when there are none now, negative without memory.
/// Content is written by the callback instead.
int64_t photofinish_http2_send(photofinish_http2 *_Nonnull session, const uint8_t *_Nullable *_Nonnull bytes);
int photofinish_http2_wants_write(photofinish_http2 *_Nonnull session);
size_t photofinish_http2_queued(photofinish_http2 *_Nonnull session);

/// Sends HEADERS on a stream that the peer opened. `kind`: 0 an interim response, 1 the response without content, 2 with
/// content, 3 trailers. 0 when done.
int photofinish_http2_respond(
    photofinish_http2 *_Nonnull session, int32_t stream, const photofinish_http2_field *_Nonnull fields, size_t count,
    int kind);
/// Opens a stream. Its id, or a negative value.
int32_t photofinish_http2_request(
    photofinish_http2 *_Nonnull session, const photofinish_http2_field *_Nonnull fields, size_t count, int has_content);
/// Content is there again.
void photofinish_http2_resume(photofinish_http2 *_Nonnull session, int32_t stream);
/// Gives the flow-control window of `count` bytes back; `stream` is 0 for the connection's alone.
void photofinish_http2_consume(photofinish_http2 *_Nonnull session, int32_t stream, size_t count);
void photofinish_http2_reset(photofinish_http2 *_Nonnull session, int32_t stream, uint32_t code);
/// `is_notice`: the first of two, with the highest id; else with `last`.
void photofinish_http2_go_away(photofinish_http2 *_Nonnull session, int is_notice, int32_t last, uint32_t code);
/// GOAWAY with an error, behind which nothing is read or written.
void photofinish_http2_terminate(photofinish_http2 *_Nonnull session, int32_t last, uint32_t code);
void photofinish_http2_ping(photofinish_http2 *_Nonnull session);
uint32_t photofinish_http2_peer_max_streams(photofinish_http2 *_Nonnull session);
/// Whether the peer has ended its side of the stream.
int photofinish_http2_peer_ended(photofinish_http2 *_Nonnull session, int32_t stream);
#endif
