#include "CProbeTLS.h"
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct photofinish_probe_tls {
  SSL_CTX *context;
  SSL *connection;
  int saved_errno;
  int was_notified;
  unsigned long failure;
};

static void noted(const SSL *connection, int where, int value) {
  photofinish_probe_tls *tls = SSL_get_app_data(connection);
  if (tls && (where & SSL_CB_READ_ALERT) && (value & 0xff) == SSL_AD_CLOSE_NOTIFY) tls->was_notified = 1;
}

photofinish_probe_tls *photofinish_probe_tls_open(int descriptor, const char *host, int verify) {
  photofinish_probe_tls *tls = calloc(1, sizeof *tls);
  if (!tls) return NULL;
  tls->context = SSL_CTX_new(TLS_client_method());
  if (tls->context) tls->connection = SSL_new(tls->context);
  if (!tls->connection || SSL_set_fd(tls->connection, descriptor) != 1) {
    photofinish_probe_tls_close(tls);
    return NULL;
  }
  SSL_set_app_data(tls->connection, tls);
  SSL_set_info_callback(tls->connection, noted);
  // A FIN without close_notify is an end like another for whoever measures it; and one more request may be written behind it.
  SSL_set_options(tls->connection, SSL_OP_IGNORE_UNEXPECTED_EOF);
  static const unsigned char protocols[] = "\x08http/1.1";
  SSL_set_alpn_protos(tls->connection, protocols, sizeof protocols - 1);
  unsigned char address[16];
  if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1) {
    // Addresses are no server names (RFC 6066 section 3).
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls->connection), host);
  } else {
    SSL_set_tlsext_host_name(tls->connection, host);
    SSL_set1_host(tls->connection, host);
  }
  SSL_CTX_set_default_verify_paths(tls->context);
  SSL_set_verify(tls->connection, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
  SSL_set_connect_state(tls->connection);
  return tls;
}

void photofinish_probe_tls_close(photofinish_probe_tls *tls) {
  SSL_free(tls->connection);
  SSL_CTX_free(tls->context);
  free(tls);
}

static int must_wait(photofinish_probe_tls *tls, int result) {
  tls->saved_errno = errno;
  int reason = SSL_get_error(tls->connection, result);
  return reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE;
}

int photofinish_probe_tls_handshake(photofinish_probe_tls *tls) {
  ERR_clear_error();
  int result = SSL_do_handshake(tls->connection);
  if (result == 1) return 1;
  if (must_wait(tls, result)) return 0;
  tls->failure = ERR_peek_error();
  return -1;
}

int64_t photofinish_probe_tls_read(photofinish_probe_tls *tls, void *target, size_t count) {
  ERR_clear_error();
  errno = 0;
  int result = SSL_read(tls->connection, target, count > 1 << 20 ? 1 << 20 : (int)count);
  if (result > 0) return result;
  if (must_wait(tls, result)) return -1;
  int reason = SSL_get_error(tls->connection, result);
  if (reason == SSL_ERROR_ZERO_RETURN) return 0;
  if (reason == SSL_ERROR_SYSCALL && tls->saved_errno == 0) return 0;
  return -2;
}

int64_t photofinish_probe_tls_write(photofinish_probe_tls *tls, const void *source, size_t count) {
  ERR_clear_error();
  int result = SSL_write(tls->connection, source, count > 1 << 20 ? 1 << 20 : (int)count);
  if (result > 0) return result;
  return must_wait(tls, result) ? -1 : -2;
}

int photofinish_probe_tls_was_notified(photofinish_probe_tls *tls) {
  return tls->was_notified;
}

void photofinish_probe_tls_protocol(photofinish_probe_tls *tls, char *target, size_t count) {
  const unsigned char *name = NULL;
  unsigned length = 0;
  SSL_get0_alpn_selected(tls->connection, &name, &length);
  snprintf(target, count, "%.*s", (int)length, name ? (const char *)name : "");
}

int photofinish_probe_tls_failure(photofinish_probe_tls *tls) {
  if (ERR_GET_LIB(tls->failure) != ERR_LIB_SSL) return 0;
  switch (ERR_GET_REASON(tls->failure)) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED: return 1;
    // What was read for a record is something else.
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_UNEXPECTED_MESSAGE:
    case SSL_R_RECORD_LENGTH_MISMATCH: return 2;
    default: return 0;
  }
}

void photofinish_probe_tls_certificate(photofinish_probe_tls *tls, char *target, size_t count) {
  long verification = SSL_get_verify_result(tls->connection);
  snprintf(target, count, "%s", verification == X509_V_OK ? "" : X509_verify_cert_error_string(verification));
}

void photofinish_probe_tls_problem(photofinish_probe_tls *tls, char *target, size_t count) {
  const char *reason = ERR_reason_error_string(tls->failure);
  if (!reason) reason = tls->saved_errno ? strerror(tls->saved_errno) : "the connection ended";
  snprintf(target, count, "%s", reason);
}
