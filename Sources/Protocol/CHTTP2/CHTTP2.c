#include "CHTTP2.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

struct photofinish_http2 {
  nghttp2_session *session;
  photofinish_http2_callbacks callbacks;
  void *context;
};

#define MAX_FIELDS_ON_STACK 64

static int answer(int code) { return code == PHOTOFINISH_HTTP2_CONTINUE ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE; }

static void values(const nghttp2_frame *frame, uint64_t *first, uint64_t *second) {
  *first = 0;
  *second = 0;
  switch (frame->hd.type) {
    case NGHTTP2_DATA: *first = frame->hd.length - frame->data.padlen; break;
    case NGHTTP2_HEADERS: *first = frame->headers.cat; break;
    case NGHTTP2_RST_STREAM: *first = frame->rst_stream.error_code; break;
    case NGHTTP2_SETTINGS: *first = frame->settings.niv; break;
    case NGHTTP2_WINDOW_UPDATE: *first = (uint64_t)frame->window_update.window_size_increment; break;
    case NGHTTP2_GOAWAY:
      *first = (uint64_t)frame->goaway.last_stream_id;
      *second = frame->goaway.error_code;
      break;
    default: break;
  }
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
  photofinish_http2 *own = user;
  if (frame->hd.type != NGHTTP2_HEADERS) return 0;
  return answer(own->callbacks.fields_began(own->context, frame->hd.stream_id, (int)frame->headers.cat));
}

static int on_header(
    nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_count, const uint8_t *value,
    size_t value_count, uint8_t flags, void *user) {
  photofinish_http2 *own = user;
  if (frame->hd.type != NGHTTP2_HEADERS) return 0;
  return answer(
      own->callbacks.field(own->context, frame->hd.stream_id, name, name_count, value, value_count, 0));
}

static int on_invalid_header(
    nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_count, const uint8_t *value,
    size_t value_count, uint8_t flags, void *user) {
  photofinish_http2 *own = user;
  if (frame->hd.type != NGHTTP2_HEADERS) return 0;
  return answer(
      own->callbacks.field(own->context, frame->hd.stream_id, name, name_count, value, value_count, 1));
}

static int on_data_chunk(
    nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *bytes, size_t count, void *user) {
  photofinish_http2 *own = user;
  return answer(own->callbacks.data(own->context, stream, bytes, count));
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
  photofinish_http2 *own = user;
  uint64_t first, second;
  values(frame, &first, &second);
  return answer(own->callbacks.frame_received(
      own->context, frame->hd.type, frame->hd.flags, frame->hd.stream_id, first, second));
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int code, void *user) {
  photofinish_http2 *own = user;
  return answer(own->callbacks.frame_refused(own->context, frame->hd.type, frame->hd.stream_id));
}

static int before_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
  photofinish_http2 *own = user;
  own->callbacks.frame_begins(own->context, frame->hd.type, frame->hd.stream_id);
  return 0;
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
  photofinish_http2 *own = user;
  uint64_t first, second;
  values(frame, &first, &second);
  own->callbacks.frame_sent(
      own->context, frame->hd.type, frame->hd.flags, frame->hd.stream_id, first, second);
  return 0;
}

static int on_frame_not_send(nghttp2_session *session, const nghttp2_frame *frame, int code, void *user) {
  photofinish_http2 *own = user;
  own->callbacks.frame_not_sent(own->context, frame->hd.type, frame->hd.stream_id);
  return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t code, void *user) {
  photofinish_http2 *own = user;
  own->callbacks.stream_closed(own->context, stream, code);
  return 0;
}

static ssize_t read_content(
    nghttp2_session *session, int32_t stream, uint8_t *target, size_t limit, uint32_t *flags,
    nghttp2_data_source *source, void *user) {
  photofinish_http2 *own = user;
  int end = 0;
  int64_t count = own->callbacks.content(own->context, stream, limit, &end);
  if (count < 0) return NGHTTP2_ERR_DEFERRED;
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (end & PHOTOFINISH_HTTP2_CONTENT_ENDS) *flags |= NGHTTP2_DATA_FLAG_EOF;
  if (end & PHOTOFINISH_HTTP2_TRAILERS_FOLLOW) *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
  return (ssize_t)count;
}

static int send_data(
    nghttp2_session *session, nghttp2_frame *frame, const uint8_t *header, size_t count, nghttp2_data_source *source,
    void *user) {
  photofinish_http2 *own = user;
  own->callbacks.write_content(own->context, frame->hd.stream_id, header, count);
  return 0;
}

static nghttp2_session_callbacks *make_callbacks(void) {
  nghttp2_session_callbacks *made;
  if (nghttp2_session_callbacks_new(&made) != 0) return NULL;
  nghttp2_session_callbacks_set_on_begin_headers_callback(made, on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(made, on_header);
  nghttp2_session_callbacks_set_on_invalid_header_callback(made, on_invalid_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, on_data_chunk);
  nghttp2_session_callbacks_set_on_frame_recv_callback(made, on_frame_recv);
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(made, on_invalid_frame);
  nghttp2_session_callbacks_set_before_frame_send_callback(made, before_frame_send);
  nghttp2_session_callbacks_set_on_frame_send_callback(made, on_frame_send);
  nghttp2_session_callbacks_set_on_frame_not_send_callback(made, on_frame_not_send);
  nghttp2_session_callbacks_set_on_stream_close_callback(made, on_stream_close);
  nghttp2_session_callbacks_set_send_data_callback(made, send_data);
  return made;
}

static int submit_settings(nghttp2_session *session, int is_server, const photofinish_http2_options *options) {
  nghttp2_settings_entry entries[6];
  size_t count = 0;
  entries[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, options->stream_window};
  entries[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, options->header_list};
  if (is_server) {
    entries[count++] =
        (nghttp2_settings_entry){NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options->max_concurrent_streams};
    entries[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1};
    entries[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1};
  } else {
    entries[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_ENABLE_PUSH, 0};
  }
  if (nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, entries, count) != 0) return -1;
  return nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, (int32_t)options->connection_window);
}

photofinish_http2 *photofinish_http2_open(
    int is_server, const photofinish_http2_callbacks *callbacks, const photofinish_http2_options *options,
    void *context) {
  photofinish_http2 *own = calloc(1, sizeof *own);
  nghttp2_session_callbacks *made = make_callbacks();
  nghttp2_option *option = NULL;
  int code = -1;
  if (own != NULL && made != NULL && nghttp2_option_new(&option) == 0) {
    own->callbacks = *callbacks;
    own->context = context;
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_continuations(option, options->max_continuations);
    // The caller counts resets itself, on its own clock and of both sides; nghttp2's count reads the time of the machine.
    nghttp2_option_set_stream_reset_rate_limit(option, UINT32_MAX, UINT32_MAX);
    if (!is_server) nghttp2_option_set_max_reserved_remote_streams(option, 0);
    code = is_server ? nghttp2_session_server_new2(&own->session, made, own, option)
                     : nghttp2_session_client_new2(&own->session, made, own, option);
  }
  if (option != NULL) nghttp2_option_del(option);
  if (made != NULL) nghttp2_session_callbacks_del(made);
  if (code != 0) {
    free(own);
    return NULL;
  }
  if (submit_settings(own->session, is_server, options) != 0) {
    photofinish_http2_close(own);
    return NULL;
  }
  return own;
}

void photofinish_http2_close(photofinish_http2 *own) {
  nghttp2_session_del(own->session);
  free(own);
}

int64_t photofinish_http2_receive(photofinish_http2 *own, const uint8_t *bytes, size_t count) {
  ssize_t taken = nghttp2_session_mem_recv(own->session, bytes, count);
  if (taken >= 0) return taken;
  switch (taken) {
    case NGHTTP2_ERR_BAD_CLIENT_MAGIC: return PHOTOFINISH_HTTP2_BAD_PREFACE;
    case NGHTTP2_ERR_FLOODED:
    case NGHTTP2_ERR_TOO_MANY_CONTINUATIONS: return PHOTOFINISH_HTTP2_FLOODED;
    case NGHTTP2_ERR_CALLBACK_FAILURE: return PHOTOFINISH_HTTP2_STOPPED;
    default: return PHOTOFINISH_HTTP2_OUT_OF_MEMORY;
  }
}

int64_t photofinish_http2_send(photofinish_http2 *own, const uint8_t **bytes) {
  return nghttp2_session_mem_send(own->session, bytes);
}

int photofinish_http2_wants_write(photofinish_http2 *own) { return nghttp2_session_want_write(own->session); }

size_t photofinish_http2_queued(photofinish_http2 *own) {
  return nghttp2_session_get_outbound_queue_size(own->session);
}

static nghttp2_nv *convert(const photofinish_http2_field *fields, size_t count, nghttp2_nv *stack) {
  nghttp2_nv *list = stack;
  if (count > MAX_FIELDS_ON_STACK) {
    list = malloc(count * sizeof *list);
    if (list == NULL) return NULL;
  }
  for (size_t index = 0; index < count; index++) {
    // nghttp2 copies both, so nothing is written through these.
    list[index].name = (uint8_t *)fields[index].name;
    list[index].namelen = fields[index].name_count;
    list[index].value = (uint8_t *)fields[index].value;
    list[index].valuelen = fields[index].value_count;
    list[index].flags = NGHTTP2_NV_FLAG_NONE;
  }
  return list;
}

int photofinish_http2_respond(
    photofinish_http2 *own, int32_t stream, const photofinish_http2_field *fields, size_t count, int kind) {
  nghttp2_nv stack[MAX_FIELDS_ON_STACK];
  nghttp2_nv *list = convert(fields, count, stack);
  nghttp2_data_provider provider = {.source = {.ptr = NULL}, .read_callback = read_content};
  if (list == NULL) return -1;
  int code;
  switch (kind) {
    case 0: code = nghttp2_submit_headers(own->session, NGHTTP2_FLAG_NONE, stream, NULL, list, count, NULL); break;
    case 1: code = nghttp2_submit_response(own->session, stream, list, count, NULL); break;
    case 2: code = nghttp2_submit_response(own->session, stream, list, count, &provider); break;
    default: code = nghttp2_submit_trailer(own->session, stream, list, count); break;
  }
  if (list != stack) free(list);
  return code < 0 ? -1 : 0;
}

int32_t photofinish_http2_request(
    photofinish_http2 *own, const photofinish_http2_field *fields, size_t count, int has_content) {
  nghttp2_nv stack[MAX_FIELDS_ON_STACK];
  nghttp2_nv *list = convert(fields, count, stack);
  nghttp2_data_provider provider = {.source = {.ptr = NULL}, .read_callback = read_content};
  if (list == NULL) return -1;
  int32_t id = nghttp2_submit_request(own->session, NULL, list, count, has_content ? &provider : NULL, NULL);
  if (list != stack) free(list);
  return id;
}

void photofinish_http2_resume(photofinish_http2 *own, int32_t stream) {
  nghttp2_session_resume_data(own->session, stream);
}

void photofinish_http2_consume(photofinish_http2 *own, int32_t stream, size_t count) {
  if (stream == 0) {
    nghttp2_session_consume_connection(own->session, count);
  } else {
    nghttp2_session_consume(own->session, stream, count);
  }
}

void photofinish_http2_reset(photofinish_http2 *own, int32_t stream, uint32_t code) {
  nghttp2_submit_rst_stream(own->session, NGHTTP2_FLAG_NONE, stream, code);
}

void photofinish_http2_go_away(photofinish_http2 *own, int is_notice, int32_t last, uint32_t code) {
  if (is_notice) {
    nghttp2_submit_shutdown_notice(own->session);
  } else {
    nghttp2_submit_goaway(own->session, NGHTTP2_FLAG_NONE, last, code, NULL, 0);
  }
}

void photofinish_http2_terminate(photofinish_http2 *own, int32_t last, uint32_t code) {
  nghttp2_session_terminate_session2(own->session, last, code);
}

void photofinish_http2_ping(photofinish_http2 *own) {
  nghttp2_submit_ping(own->session, NGHTTP2_FLAG_NONE, NULL);
}

uint32_t photofinish_http2_peer_max_streams(photofinish_http2 *own) {
  return nghttp2_session_get_remote_settings(own->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

int photofinish_http2_peer_ended(photofinish_http2 *own, int32_t stream) {
  return nghttp2_session_get_stream_remote_close(own->session, stream) == 1;
}
