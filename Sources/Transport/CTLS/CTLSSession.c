#define _GNU_SOURCE
#include "CTLSInternal.h"
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/// Bytes of output behind which nothing more is read: what the peer makes us answer (alerts, key updates) has an end.
static const size_t output_limit = 128 << 10;
/// Plaintext of one record (RFC 8446 section 5.1), and what its ciphertext has beyond it at most.
static const size_t record_size = 16 << 10;
static const size_t record_overhead = 256;

// MARK: - The memory below OpenSSL

static int memory_read(BIO *memory, char *target, int count) {
  photofinish_tls_session *session = BIO_get_data(memory);
  BIO_clear_retry_flags(memory);
  size_t there = session->input_end - session->input_start;
  // The end of the input is never shown to OpenSSL: it would send an alert to who is gone, and write no more.
  if (there == 0 || session->output_end - session->output_start > output_limit) {
    BIO_set_retry_read(memory);
    return -1;
  }
  size_t step = there < (size_t)count ? there : (size_t)count;
  memcpy(target, session->input + session->input_start, step);
  session->input_start += step;
  return (int)step;
}

static int memory_write(BIO *memory, const char *bytes, int count) {
  photofinish_tls_session *session = BIO_get_data(memory);
  BIO_clear_retry_flags(memory);
  size_t step = (size_t)count;
  if (session->output_capacity - session->output_end < step) {
    size_t waiting = session->output_end - session->output_start;
    size_t wanted = waiting + step;
    if (waiting > 0 && wanted < 2 * session->output_capacity) wanted = 2 * session->output_capacity;
    unsigned char *grown = malloc(wanted);
    if (!grown) return -1;
    if (waiting) memcpy(grown, session->output + session->output_start, waiting);
    free(session->output);
    session->output = grown;
    session->output_start = 0;
    session->output_end = waiting;
    session->output_capacity = wanted;
  }
  memcpy(session->output + session->output_end, bytes, step);
  session->output_end += step;
  return count;
}

static long memory_control(BIO *memory, int command, long number, void *pointer) {
  (void)memory, (void)number, (void)pointer;
  return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static void make_method(void) {
  method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "memory");
  if (!method) return;
  BIO_meth_set_read(method, memory_read);
  BIO_meth_set_write(method, memory_write);
  BIO_meth_set_ctrl(method, memory_control);
}

BIO_METHOD *photofinish_tls_memory(void) {
  pthread_once(&method_once, make_method);
  return method;
}

// MARK: - What OpenSSL tells

void photofinish_tls_noted(const SSL *ssl, int where, int value) {
  photofinish_tls_session *session = SSL_get_app_data(ssl);
  if (!session || !(where & SSL_CB_ALERT)) return;
  if (where & SSL_CB_READ) session->alert_received = (short)(value & 0xff);
  else session->alert_sent = (short)(value & 0xff);
}

int photofinish_tls_verified(int is_good, X509_STORE_CTX *store) {
  if (is_good) return 1;
  SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
  photofinish_tls_session *session = ssl ? SSL_get_app_data(ssl) : NULL;
  X509 *certificate = X509_STORE_CTX_get_current_cert(store);
  if (!session || !certificate || session->certificate_text) return 0;
  char date[64] = "";
  char text[512] = "";
  char *subject = photofinish_tls_name_text(X509_get_subject_name(certificate));
  switch (X509_STORE_CTX_get_error(store)) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      photofinish_tls_date(X509_get0_notAfter(certificate), date, sizeof date);
      snprintf(text, sizeof text, "the certificate of %s expired on %s", subject ? subject : "?", date);
      break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
      photofinish_tls_date(X509_get0_notBefore(certificate), date, sizeof date);
      snprintf(text, sizeof text, "the certificate of %s is valid from %s", subject ? subject : "?", date);
      break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: {
      char *names = photofinish_tls_certificate_names(certificate);
      for (char *end = names; end && *end; end++) {
        if (*end == '\n') *end = ' ';
      }
      snprintf(text, sizeof text, "the certificate is for %s", names ? names : "?");
      free(names);
      break;
    }
    default: {
      char *issuer = photofinish_tls_name_text(X509_get_issuer_name(certificate));
      snprintf(text, sizeof text, "the certificate of %s, issued by %s", subject ? subject : "?", issuer ? issuer : "?");
      free(issuer);
    }
  }
  free(subject);
  session->certificate_text = strdup(text);
  return 0;
}

// MARK: - Beginning and end

static photofinish_tls_session *open_session(photofinish_tls_context *context) {
  photofinish_tls_session *session = calloc(1, sizeof *session);
  if (!session) return NULL;
  session->context = context;
  session->is_server = (unsigned)context->is_server;
  session->alert_sent = session->alert_received = -1;
  ERR_clear_error();
  BIO *memory = photofinish_tls_memory() ? BIO_new(method) : NULL;
  if (memory) session->ssl = SSL_new(context->sets[0]);
  if (!session->ssl) {
    BIO_free(memory);
    ERR_clear_error();
    free(session);
    return NULL;
  }
  BIO_set_data(memory, session);
  BIO_set_init(memory, 1);
  SSL_set_bio(session->ssl, memory, memory);
  SSL_set_app_data(session->ssl, session);
  return session;
}

photofinish_tls_session *photofinish_tls_session_server(photofinish_tls_context *context) {
  photofinish_tls_session *session = open_session(context);
  if (session) SSL_set_accept_state(session->ssl);
  return session;
}

photofinish_tls_session *photofinish_tls_session_client(photofinish_tls_context *context, const char *name) {
  photofinish_tls_session *session = open_session(context);
  if (!session) return NULL;
  SSL_set_connect_state(session->ssl);
  session->name = strdup(name);
  unsigned char address[16];
  int is_good;
  if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1) {
    // Addresses are no server names (RFC 6066 section 3).
    is_good = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session->ssl), name) == 1;
  } else {
    SSL_set_hostflags(session->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    is_good = SSL_set_tlsext_host_name(session->ssl, name) == 1 && SSL_set1_host(session->ssl, name) == 1;
  }
  ERR_clear_error();
  if (!is_good || !session->name) {
    photofinish_tls_session_free(session);
    return NULL;
  }
  SSL_SESSION *last = NULL;
  pthread_mutex_lock(&context->lock);
  for (size_t place = 0; place < context->session_count && !last; place++) {
    if (strcmp(context->sessions[place].name, name) == 0) last = context->sessions[place].session;
  }
  if (last) SSL_SESSION_up_ref(last);
  pthread_mutex_unlock(&context->lock);
  if (last) {
    SSL_set_session(session->ssl, last);
    SSL_SESSION_free(last);
    ERR_clear_error();
  }
  return session;
}

void photofinish_tls_session_offer(photofinish_tls_session *session, const unsigned char *protocols, size_t count) {
  SSL_set_alpn_protos(session->ssl, protocols, (unsigned)count);
  ERR_clear_error();
}

void photofinish_tls_session_free(photofinish_tls_session *session) {
  if (!session) return;
  // Else OpenSSL takes the session out of use: a connection that ends without close_notify is no reason.
  SSL_set_quiet_shutdown(session->ssl, 1);
  SSL_set_shutdown(session->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(session->ssl);
  free(session->input);
  free(session->output);
  free(session->name);
  free(session->certificate_text);
  free(session);
}

// MARK: - Failures

static photofinish_tls_status fail(photofinish_tls_session *session, photofinish_tls_failure failure) {
  if (!session->failure) session->failure = (unsigned char)failure;
  return PHOTOFINISH_TLS_FAILED;
}

static photofinish_tls_failure kind_of_verification(long code) {
  switch (code) {
    case X509_V_ERR_CERT_HAS_EXPIRED: return PHOTOFINISH_TLS_FAILURE_EXPIRED;
    case X509_V_ERR_CERT_NOT_YET_VALID: return PHOTOFINISH_TLS_FAILURE_NOT_YET_VALID;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return PHOTOFINISH_TLS_FAILURE_OTHER_NAME;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: return PHOTOFINISH_TLS_FAILURE_UNKNOWN_ISSUER;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: return PHOTOFINISH_TLS_FAILURE_SELF_SIGNED;
    default: return PHOTOFINISH_TLS_FAILURE_CERTIFICATE;
  }
}

static photofinish_tls_failure kind_of_alert(const photofinish_tls_session *session) {
  switch (session->alert_received) {
    case SSL_AD_PROTOCOL_VERSION: return PHOTOFINISH_TLS_FAILURE_VERSION;
    case SSL_AD_INSUFFICIENT_SECURITY: return PHOTOFINISH_TLS_FAILURE_CIPHER;
    case SSL_AD_NO_APPLICATION_PROTOCOL: return PHOTOFINISH_TLS_FAILURE_PROTOCOL;
    case SSL_AD_CERTIFICATE_REQUIRED: return PHOTOFINISH_TLS_FAILURE_CERTIFICATE_REQUIRED;
    // TLS 1.2 has no alert of its own for a certificate that is missing.
    case SSL_AD_HANDSHAKE_FAILURE:
    case SSL_AD_BAD_CERTIFICATE:
      return session->was_asked ? PHOTOFINISH_TLS_FAILURE_CERTIFICATE_REQUIRED : PHOTOFINISH_TLS_FAILURE_ALERT;
    default: return PHOTOFINISH_TLS_FAILURE_ALERT;
  }
}

static photofinish_tls_failure kind_of_error(photofinish_tls_session *session) {
  int library = ERR_GET_LIB(session->error);
  int reason = ERR_GET_REASON(session->error);
  if (library != ERR_LIB_SSL) {
    return library == ERR_LIB_NONE ? PHOTOFINISH_TLS_FAILURE_INTERNAL : PHOTOFINISH_TLS_FAILURE_BYTES;
  }
  // Reasons above this are alerts that were received.
  if (reason > SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256) return kind_of_alert(session);
  switch (reason) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED: return kind_of_verification(session->verification);
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_VERSION_TOO_HIGH:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_UNKNOWN_PROTOCOL: return PHOTOFINISH_TLS_FAILURE_VERSION;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_CIPHERS_SPECIFIED:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_GROUPS:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS: return PHOTOFINISH_TLS_FAILURE_CIPHER;
    case SSL_R_NO_APPLICATION_PROTOCOL: return PHOTOFINISH_TLS_FAILURE_PROTOCOL;
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: return PHOTOFINISH_TLS_FAILURE_CERTIFICATE_REQUIRED;
    case SSL_R_EE_KEY_TOO_SMALL:
    case SSL_R_CA_KEY_TOO_SMALL:
    case SSL_R_CA_MD_TOO_WEAK: return PHOTOFINISH_TLS_FAILURE_CERTIFICATE;
    default: return PHOTOFINISH_TLS_FAILURE_BYTES;
  }
}

/// What an operation of OpenSSL that did not succeed means.
static photofinish_tls_status judged(photofinish_tls_session *session, int result) {
  switch (SSL_get_error(session->ssl, result)) {
    case SSL_ERROR_WANT_READ:
      if (session->has_ended && session->input_start == session->input_end) {
        return fail(
          session,
          SSL_is_init_finished(session->ssl) ? PHOTOFINISH_TLS_FAILURE_TRUNCATED : PHOTOFINISH_TLS_FAILURE_CLOSED);
      }
      return PHOTOFINISH_TLS_WAIT;
    case SSL_ERROR_ZERO_RETURN:
      session->is_notified = 1;
      return PHOTOFINISH_TLS_NOTIFIED;
    default:
      session->is_broken = 1;
      session->error = ERR_peek_error();
      session->verification = SSL_get_verify_result(session->ssl);
      fail(session, kind_of_error(session));
      ERR_clear_error();
      return PHOTOFINISH_TLS_FAILED;
  }
}

// MARK: - The first bytes

static int is_capital(unsigned char byte) { return (byte >= 'A' && byte <= 'Z') || byte == '-'; }

/// Whether bytes begin a request of HTTP: 1 yes, 0 no, -1 not to be told yet.
static int begins_request(const unsigned char *bytes, size_t count) {
  size_t end = 0;
  while (end < count && end < 24 && is_capital(bytes[end])) end++;
  if (end == count) return end < 24 ? -1 : 0;
  if (end == 0 || bytes[end] != ' ') return 0;
  if (end == 7 && memcmp(bytes, "CONNECT", 7) == 0) return 1;
  if (end + 1 == count) return -1;
  if (bytes[end + 1] == '/' || bytes[end + 1] == '*') return 1;
  static const char scheme[] = "http";
  for (size_t index = 0; index < 4; index++) {
    if (end + 1 + index == count) return -1;
    if ((bytes[end + 1 + index] | 0x20) != scheme[index]) return 0;
  }
  return 1;
}

/// Tells a peer that does not speak TLS before OpenSSL sees it, which would answer with an alert.
static photofinish_tls_status judge_first(photofinish_tls_session *session) {
  if (session->is_judged) return PHOTOFINISH_TLS_DONE;
  const unsigned char *bytes = session->input + session->input_start;
  size_t count = session->input_end - session->input_start;
  if (count == 0) return PHOTOFINISH_TLS_DONE;
  int is_record = (bytes[0] == 0x16 || bytes[0] == 0x15) && (count == 1 || bytes[1] == 3);
  // A ClientHello in the clothes of SSL 2, which OpenSSL understands and refuses.
  int is_old = session->is_server && bytes[0] >= 0x80;
  if (is_record || is_old) {
    if (count == 1 && !session->has_ended) return PHOTOFINISH_TLS_WAIT;
    session->is_judged = 1;
    return PHOTOFINISH_TLS_DONE;
  }
  int is_http;
  if (session->is_server) {
    is_http = begins_request(bytes, count);
  } else {
    is_http = memcmp(bytes, "HTTP/", count < 5 ? count : 5) == 0;
    if (is_http && count < 5) is_http = -1;
  }
  if (is_http < 0 && !session->has_ended) return PHOTOFINISH_TLS_WAIT;
  return fail(session, is_http > 0 ? PHOTOFINISH_TLS_FAILURE_PLAIN_HTTP : PHOTOFINISH_TLS_FAILURE_NOT_TLS);
}

// MARK: - Steps

static void release_input(photofinish_tls_session *session) {
  if (!session->input) return;
  if (session->input_start < session->input_end && !session->failure && !session->is_notified) return;
  free(session->input);
  session->input = NULL;
  session->input_start = session->input_end = 0;
}

void photofinish_tls_feed(photofinish_tls_session *session, const void *bytes, size_t count) {
  if (count == 0 || session->has_ended || session->is_broken || session->is_notified) return;
  size_t waiting = session->input_end - session->input_start;
  unsigned char *grown = malloc(waiting + count);
  if (!grown) {
    session->is_broken = 1;
    fail(session, PHOTOFINISH_TLS_FAILURE_INTERNAL);
    return;
  }
  if (waiting) memcpy(grown, session->input + session->input_start, waiting);
  memcpy(grown + waiting, bytes, count);
  free(session->input);
  session->input = grown;
  session->input_start = 0;
  session->input_end = waiting + count;
}

void photofinish_tls_feed_end(photofinish_tls_session *session) { session->has_ended = 1; }

photofinish_tls_status photofinish_tls_handshake(photofinish_tls_session *session) {
  if (session->failure) return PHOTOFINISH_TLS_FAILED;
  if (SSL_is_init_finished(session->ssl)) return PHOTOFINISH_TLS_DONE;
  photofinish_tls_status status = judge_first(session);
  if (status != PHOTOFINISH_TLS_DONE) {
    release_input(session);
    return status;
  }
  ERR_clear_error();
  int result = SSL_do_handshake(session->ssl);
  status = result == 1 ? PHOTOFINISH_TLS_DONE : judged(session, result);
  release_input(session);
  return status;
}

int photofinish_tls_is_established(const photofinish_tls_session *session) {
  return SSL_is_init_finished(session->ssl) && !session->is_broken;
}

photofinish_tls_status photofinish_tls_read(
  photofinish_tls_session *session, void *target, size_t count, size_t *filled) {
  *filled = 0;
  if (session->failure) return PHOTOFINISH_TLS_FAILED;
  if (session->is_notified) return PHOTOFINISH_TLS_NOTIFIED;
  if (!SSL_is_init_finished(session->ssl)) {
    photofinish_tls_status status = photofinish_tls_handshake(session);
    if (status != PHOTOFINISH_TLS_DONE) return status;
  }
  photofinish_tls_status status = PHOTOFINISH_TLS_DONE;
  while (*filled < count) {
    // Nothing to decrypt: OpenSSL would get a buffer and give it back.
    if (session->input_start == session->input_end && SSL_pending(session->ssl) == 0) {
      status = session->has_ended ? fail(session, PHOTOFINISH_TLS_FAILURE_TRUNCATED) : PHOTOFINISH_TLS_WAIT;
      break;
    }
    size_t step = 0;
    ERR_clear_error();
    int result = SSL_read_ex(session->ssl, (char *)target + *filled, count - *filled, &step);
    if (result != 1) {
      status = judged(session, result);
      break;
    }
    *filled += step;
  }
  release_input(session);
  return status;
}

photofinish_tls_status photofinish_tls_write(
  photofinish_tls_session *session, const void *bytes, size_t count, size_t bound, size_t *taken) {
  *taken = 0;
  // What the peer does not send any more is no reason not to write to it.
  if (session->failure && session->failure != PHOTOFINISH_TLS_FAILURE_TRUNCATED) return PHOTOFINISH_TLS_FAILED;
  if (session->has_notified) return fail(session, PHOTOFINISH_TLS_FAILURE_INTERNAL);
  if (!SSL_is_init_finished(session->ssl)) {
    photofinish_tls_status status = photofinish_tls_handshake(session);
    if (status != PHOTOFINISH_TLS_DONE) return status;
  }
  while (*taken < count) {
    size_t chunk = count - *taken;
    if (chunk > record_size) chunk = record_size;
    if (session->output_end - session->output_start + chunk + record_overhead > bound) return PHOTOFINISH_TLS_WAIT;
    size_t step = 0;
    ERR_clear_error();
    int result = SSL_write_ex(session->ssl, (const char *)bytes + *taken, chunk, &step);
    if (result != 1) return judged(session, result);
    *taken += step;
  }
  return PHOTOFINISH_TLS_DONE;
}

size_t photofinish_tls_output_count(const photofinish_tls_session *session) {
  return session->output_end - session->output_start;
}

const void *photofinish_tls_output(const photofinish_tls_session *session) {
  return session->output ? session->output + session->output_start : NULL;
}

void photofinish_tls_consume_output(photofinish_tls_session *session, size_t count) {
  session->output_start += count;
  if (session->output_start < session->output_end) return;
  free(session->output);
  session->output = NULL;
  session->output_start = session->output_end = session->output_capacity = 0;
}

photofinish_tls_status photofinish_tls_peek(photofinish_tls_session *session) {
  if (session->failure) return PHOTOFINISH_TLS_FAILED;
  if (session->is_notified) return PHOTOFINISH_TLS_NOTIFIED;
  if (!SSL_is_init_finished(session->ssl)) {
    photofinish_tls_status status = photofinish_tls_handshake(session);
    if (status != PHOTOFINISH_TLS_DONE) return status;
  }
  if (session->input_start == session->input_end && SSL_pending(session->ssl) == 0) {
    return session->has_ended ? fail(session, PHOTOFINISH_TLS_FAILURE_TRUNCATED) : PHOTOFINISH_TLS_WAIT;
  }
  char byte;
  size_t step = 0;
  ERR_clear_error();
  int result = SSL_peek_ex(session->ssl, &byte, 1, &step);
  photofinish_tls_status status = result == 1 ? PHOTOFINISH_TLS_DONE : judged(session, result);
  release_input(session);
  return status;
}

int photofinish_tls_has_plaintext(const photofinish_tls_session *session) {
  if (session->failure || session->is_notified) return 0;
  if (SSL_pending(session->ssl) > 0) return 1;
  return session->is_judged && session->input_start < session->input_end &&
    session->output_end - session->output_start <= output_limit;
}

void photofinish_tls_close_notify(photofinish_tls_session *session) {
  if (session->is_broken || session->has_notified || !SSL_is_init_finished(session->ssl)) return;
  ERR_clear_error();
  SSL_shutdown(session->ssl);
  ERR_clear_error();
  session->has_notified = 1;
}

int photofinish_tls_update_keys(photofinish_tls_session *session) {
  if (session->is_broken || session->has_notified || !SSL_is_init_finished(session->ssl)) return 0;
  ERR_clear_error();
  int is_done = SSL_key_update(session->ssl, SSL_KEY_UPDATE_REQUESTED) == 1 && SSL_do_handshake(session->ssl) == 1;
  ERR_clear_error();
  return is_done;
}

// MARK: - What is known of it

photofinish_tls_failure photofinish_tls_failure_kind(const photofinish_tls_session *session) {
  return (photofinish_tls_failure)session->failure;
}

const char *photofinish_tls_failure_text(const photofinish_tls_session *session) {
  if (session->certificate_text) return session->certificate_text;
  const char *reason = session->error ? ERR_reason_error_string(session->error) : NULL;
  return reason ? reason : "";
}

int photofinish_tls_alert_sent(const photofinish_tls_session *session) { return session->alert_sent; }
int photofinish_tls_alert_received(const photofinish_tls_session *session) { return session->alert_received; }

const char *photofinish_tls_protocol(const photofinish_tls_session *session, size_t *count) {
  const unsigned char *name = NULL;
  unsigned length = 0;
  SSL_get0_alpn_selected(session->ssl, &name, &length);
  *count = length;
  return (const char *)name;
}

int photofinish_tls_version(const photofinish_tls_session *session) { return SSL_version(session->ssl); }

const char *photofinish_tls_cipher(const photofinish_tls_session *session) {
  const SSL_CIPHER *cipher = SSL_get_current_cipher(session->ssl);
  return cipher ? SSL_CIPHER_standard_name(cipher) : NULL;
}

const char *photofinish_tls_server_name(const photofinish_tls_session *session) {
  return SSL_get_servername(session->ssl, TLSEXT_NAMETYPE_host_name);
}

int photofinish_tls_was_resumed(const photofinish_tls_session *session) { return SSL_session_reused(session->ssl); }

int photofinish_tls_peer_certificate(const photofinish_tls_session *session, photofinish_tls_peer *peer) {
  memset(peer, 0, sizeof *peer);
  X509 *certificate = SSL_get0_peer_certificate(session->ssl);
  if (!certificate) return 0;
  peer->subject = photofinish_tls_name_text(X509_get_subject_name(certificate));
  peer->issuer = photofinish_tls_name_text(X509_get_issuer_name(certificate));
  BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
  char *serial = number ? BN_bn2hex(number) : NULL;
  peer->serial = serial ? strdup(serial) : NULL;
  OPENSSL_free(serial);
  BN_free(number);
  unsigned char digest[32];
  unsigned length = sizeof digest;
  peer->fingerprint = malloc(65);
  if (peer->fingerprint && X509_digest(certificate, EVP_sha256(), digest, &length) == 1) {
    photofinish_tls_hexadecimal(digest, 32, peer->fingerprint);
  }
  unsigned char *bytes = NULL;
  int count = i2d_X509(certificate, &bytes);
  if (count > 0) {
    peer->base64 = malloc((size_t)count * 4 / 3 + 8);
    if (peer->base64) EVP_EncodeBlock((unsigned char *)peer->base64, bytes, count);
  }
  OPENSSL_free(bytes);
  peer->not_after = photofinish_tls_seconds(X509_get0_notAfter(certificate));
  ERR_clear_error();
  if (peer->subject && peer->issuer && peer->serial && peer->fingerprint && peer->base64) return 1;
  photofinish_tls_peer_free(peer);
  return 0;
}

void photofinish_tls_peer_free(photofinish_tls_peer *peer) {
  free(peer->subject);
  free(peer->issuer);
  free(peer->serial);
  free(peer->fingerprint);
  free(peer->base64);
  memset(peer, 0, sizeof *peer);
}
