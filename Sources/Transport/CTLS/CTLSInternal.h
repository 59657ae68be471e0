#ifndef C_TLS_INTERNAL_H
#define C_TLS_INTERNAL_H
#include "CTLS.h"
#include <openssl/ssl.h>
#include <pthread.h>

struct photofinish_tls_pair {
  X509 *leaf;
  STACK_OF(X509) *issuers;
  EVP_PKEY *key;
  char *names;
  char *issuer;
  int64_t not_after;
  char fingerprint[65];
};

struct photofinish_tls_trust {
  X509_STORE *store;
  /// For CertificateRequest.
  STACK_OF(X509_NAME) *names;
  /// Of the certificates, in their order.
  unsigned char digest[32];
};

struct photofinish_tls_ring {
  pthread_mutex_t lock;
  EVP_CIPHER *cipher;
  size_t count;
  unsigned char keys[PHOTOFINISH_TLS_TICKET_KEYS][PHOTOFINISH_TLS_TICKET_KEY_SIZE];
};

/// A name and the index of its set; or a name and a session for resumption.
struct photofinish_tls_name {
  char *name;
  int set;
};

/// Servers of which a client context keeps a session.
#define PHOTOFINISH_TLS_SESSIONS 64

struct photofinish_tls_context {
  int is_server;
  photofinish_tls_verify verify;
  SSL_CTX **sets;
  int set_count;
  struct photofinish_tls_name *names;
  size_t name_count, name_capacity;
  unsigned char *protocols;
  size_t protocols_count;
  photofinish_tls_ring *ring;
  // Of servers: what makes another set.
  photofinish_tls_options options;
  unsigned char session_id_context[32];
  // Of clients.
  pthread_mutex_t lock;
  struct {
    char *name;
    SSL_SESSION *session;
  } sessions[PHOTOFINISH_TLS_SESSIONS];
  size_t session_count, session_next;
};

struct photofinish_tls_session {
  SSL *ssl;
  photofinish_tls_context *context;
  unsigned char *input;
  size_t input_start, input_end;
  unsigned char *output;
  size_t output_start, output_end, output_capacity;
  char *name;
  char *certificate_text;
  unsigned long error;
  long verification;
  short alert_sent, alert_received;
  unsigned char failure;
  unsigned is_server : 1, has_ended : 1, is_judged : 1, is_notified : 1, has_notified : 1, was_asked : 1, is_broken : 1;
};

BIO_METHOD *photofinish_tls_memory(void);
void photofinish_tls_noted(const SSL *ssl, int where, int value);
int photofinish_tls_verified(int is_good, X509_STORE_CTX *store);
/// The DNS names and addresses of a certificate, one a line; to be freed.
char *photofinish_tls_certificate_names(X509 *certificate);
int64_t photofinish_tls_seconds(const ASN1_TIME *time);
void photofinish_tls_date(const ASN1_TIME *time, char *target, size_t count);
char *photofinish_tls_name_text(const X509_NAME *name);
void photofinish_tls_hexadecimal(const unsigned char *bytes, size_t count, char *target);
#endif
