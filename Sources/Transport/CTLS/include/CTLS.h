#ifndef C_TLS_H
#define C_TLS_H
#include <stddef.h>
#include <stdint.h>

/// TLS over memory: ciphertext goes in and comes out by calls, no socket is touched. Every function that takes a null-terminated
/// string copies what it keeps. An object is used by one thread at a time, unless its comment says otherwise.

// MARK: - Faults of files

typedef enum {
  PHOTOFINISH_TLS_FILE_OK = 0,
  /// `detail` holds the system's words.
  PHOTOFINISH_TLS_FILE_UNREADABLE,
  PHOTOFINISH_TLS_FILE_NOT_REGULAR,
  PHOTOFINISH_TLS_FILE_TOO_LARGE,
  PHOTOFINISH_TLS_FILE_EMPTY,
  PHOTOFINISH_TLS_FILE_IS_DER,
  PHOTOFINISH_TLS_FILE_NO_CERTIFICATE,
  PHOTOFINISH_TLS_FILE_NO_KEY,
  PHOTOFINISH_TLS_FILE_MALFORMED,
  PHOTOFINISH_TLS_FILE_KEY_ENCRYPTED,
  PHOTOFINISH_TLS_FILE_KEY_MISMATCH,
  /// `detail` holds the date.
  PHOTOFINISH_TLS_FILE_EXPIRED,
  PHOTOFINISH_TLS_FILE_NOT_YET_VALID,
  /// `detail` says which certificate stands where.
  PHOTOFINISH_TLS_FILE_LEAF_NOT_FIRST,
  PHOTOFINISH_TLS_FILE_CHAIN_ORDER,
  PHOTOFINISH_TLS_FILE_WEAK_KEY,
  PHOTOFINISH_TLS_FILE_KEY_TYPE,
  PHOTOFINISH_TLS_FILE_WEAK_SIGNATURE,
  PHOTOFINISH_TLS_FILE_NO_NAME,
  PHOTOFINISH_TLS_FILE_NO_SYSTEM_TRUST,
  PHOTOFINISH_TLS_FILE_NO_MEMORY,
} photofinish_tls_file_fault;

typedef struct {
  photofinish_tls_file_fault fault;
  /// 1: the fault is in the file of the key, 0: in that of the certificates.
  int in_key;
  char detail[256];
} photofinish_tls_fault;

// MARK: - Certificates with keys

/// A certificate, those of its issuers, and its key. Immutable, so threads may share it.
typedef struct photofinish_tls_pair photofinish_tls_pair;

/// - now: seconds since 1970, against which the validity is held.
photofinish_tls_pair *_Nullable photofinish_tls_pair_load(
  const char *_Nonnull chain, const char *_Nonnull key, int64_t now, photofinish_tls_fault *_Nonnull fault);
void photofinish_tls_pair_free(photofinish_tls_pair *_Nullable pair);
/// The DNS names and addresses that it is for, one a line, names in lower case.
const char *_Nonnull photofinish_tls_pair_names(const photofinish_tls_pair *_Nonnull pair);
const char *_Nonnull photofinish_tls_pair_issuer(const photofinish_tls_pair *_Nonnull pair);
int64_t photofinish_tls_pair_not_after(const photofinish_tls_pair *_Nonnull pair);
/// SHA-256 of the certificate, in lower-case hexadecimal.
const char *_Nonnull photofinish_tls_pair_fingerprint(const photofinish_tls_pair *_Nonnull pair);
/// Differs between kinds of keys (RSA, ECDSA, EdDSA), of each of which a name can have one certificate.
int photofinish_tls_pair_kind(const photofinish_tls_pair *_Nonnull pair);

// MARK: - Trusted issuers

/// Certificates of issuers that are trusted. Immutable, so threads may share it.
typedef struct photofinish_tls_trust photofinish_tls_trust;

photofinish_tls_trust *_Nullable photofinish_tls_trust_load(
  const char *_Nonnull path, photofinish_tls_fault *_Nonnull fault);
/// What the system trusts. It is kept for the next who asks, until its file changes. Any thread.
photofinish_tls_trust *_Nullable photofinish_tls_trust_system(photofinish_tls_fault *_Nonnull fault);
void photofinish_tls_trust_free(photofinish_tls_trust *_Nullable trust);

// MARK: - Ticket keys

/// A name of 16 bytes, a key for AES-256 and one for HMAC, of 32 bytes each.
#define PHOTOFINISH_TLS_TICKET_KEY_SIZE 80
#define PHOTOFINISH_TLS_TICKET_KEYS 3

/// Keys of session tickets, which all threads share and which can be replaced while they are used. Any thread.
typedef struct photofinish_tls_ring photofinish_tls_ring;

photofinish_tls_ring *_Nullable photofinish_tls_ring_new(void);
void photofinish_tls_ring_free(photofinish_tls_ring *_Nullable ring);
/// - count: 1 to PHOTOFINISH_TLS_TICKET_KEYS keys, the newest first.
void photofinish_tls_ring_set(photofinish_tls_ring *_Nonnull ring, const void *_Nonnull keys, size_t count);
/// Writes the keys to `target`, of PHOTOFINISH_TLS_TICKET_KEYS keys; returns their number.
size_t photofinish_tls_ring_get(photofinish_tls_ring *_Nonnull ring, void *_Nonnull target);

// MARK: - Contexts

/// The settings of a side. Filled by one thread, then immutable and shared by all; it outlives its sessions.
typedef struct photofinish_tls_context photofinish_tls_context;

typedef enum {
  PHOTOFINISH_TLS_VERIFY_OFF = 0,
  PHOTOFINISH_TLS_VERIFY_OPTIONAL,
  PHOTOFINISH_TLS_VERIFY_REQUIRED,
} photofinish_tls_verify;

typedef struct {
  /// 0x0303 or 0x0304.
  int minimum_version;
  /// Suites for older clients, too.
  int older_suites;
  photofinish_tls_verify verify;
  photofinish_tls_trust *_Nullable trust;
  photofinish_tls_ring *_Nullable ring;
  /// The protocols, each behind its length, the preferred one first.
  const unsigned char *_Nullable protocols;
  size_t protocols_count;
} photofinish_tls_options;

photofinish_tls_context *_Nullable photofinish_tls_server_context_new(const photofinish_tls_options *_Nonnull options);
photofinish_tls_context *_Nullable photofinish_tls_client_context_new(const photofinish_tls_options *_Nonnull options);
void photofinish_tls_context_free(photofinish_tls_context *_Nullable context);
/// Adds an empty set of certificates; the first serves where no name fits. Returns its index, -1 without memory.
int photofinish_tls_context_add_set(photofinish_tls_context *_Nonnull context);
/// Gives a set a certificate. 1, or 0 when OpenSSL refuses it.
int photofinish_tls_context_use(
  photofinish_tls_context *_Nonnull context, int set, const photofinish_tls_pair *_Nonnull pair);
/// Has a set serve a name in lower case, `*.` for a wildcard. Names come in ascending order of their bytes. 1, or 0 without memory.
int photofinish_tls_context_add_name(photofinish_tls_context *_Nonnull context, const char *_Nonnull name, int set);
/// Sessions that a client context holds for resumption.
size_t photofinish_tls_context_session_count(photofinish_tls_context *_Nonnull context);

// MARK: - Sessions

typedef struct photofinish_tls_session photofinish_tls_session;

/// What became of a step.
typedef enum {
  PHOTOFINISH_TLS_FAILED = -1,
  PHOTOFINISH_TLS_WAIT = 0,
  PHOTOFINISH_TLS_DONE = 1,
  PHOTOFINISH_TLS_NOTIFIED = 2,
} photofinish_tls_status;

typedef enum {
  PHOTOFINISH_TLS_FAILURE_NONE = 0,
  PHOTOFINISH_TLS_FAILURE_PLAIN_HTTP,
  PHOTOFINISH_TLS_FAILURE_NOT_TLS,
  PHOTOFINISH_TLS_FAILURE_EXPIRED,
  PHOTOFINISH_TLS_FAILURE_NOT_YET_VALID,
  PHOTOFINISH_TLS_FAILURE_OTHER_NAME,
  PHOTOFINISH_TLS_FAILURE_UNKNOWN_ISSUER,
  PHOTOFINISH_TLS_FAILURE_SELF_SIGNED,
  PHOTOFINISH_TLS_FAILURE_CERTIFICATE,
  PHOTOFINISH_TLS_FAILURE_CERTIFICATE_REQUIRED,
  PHOTOFINISH_TLS_FAILURE_VERSION,
  PHOTOFINISH_TLS_FAILURE_CIPHER,
  PHOTOFINISH_TLS_FAILURE_PROTOCOL,
  PHOTOFINISH_TLS_FAILURE_ALERT,
  PHOTOFINISH_TLS_FAILURE_CLOSED,
  PHOTOFINISH_TLS_FAILURE_TRUNCATED,
  PHOTOFINISH_TLS_FAILURE_BYTES,
  PHOTOFINISH_TLS_FAILURE_INTERNAL,
} photofinish_tls_failure;

photofinish_tls_session *_Nullable photofinish_tls_session_server(photofinish_tls_context *_Nonnull context);
/// - name: to be verified, and sent as server name unless it is an address.
photofinish_tls_session *_Nullable photofinish_tls_session_client(
  photofinish_tls_context *_Nonnull context, const char *_Nonnull name);
/// Offers these protocols by ALPN, each behind its length, in place of the context's. Before the handshake.
void photofinish_tls_session_offer(
  photofinish_tls_session *_Nonnull session, const unsigned char *_Nullable protocols, size_t count);
void photofinish_tls_session_free(photofinish_tls_session *_Nullable session);

void photofinish_tls_feed(photofinish_tls_session *_Nonnull session, const void *_Nullable bytes, size_t count);
void photofinish_tls_feed_end(photofinish_tls_session *_Nonnull session);
photofinish_tls_status photofinish_tls_handshake(photofinish_tls_session *_Nonnull session);
int photofinish_tls_is_established(const photofinish_tls_session *_Nonnull session);
/// Fills `target` as far as plaintext is there, and writes how much that was to `filled`. The status tells how the reading ended:
/// PHOTOFINISH_TLS_DONE when the target is full.
photofinish_tls_status photofinish_tls_read(
  photofinish_tls_session *_Nonnull session, void *_Nullable target, size_t count, size_t *_Nonnull filled);
/// Reads what is no plaintext (tickets, key updates, alerts) and stops before plaintext, which stays: PHOTOFINISH_TLS_DONE.
photofinish_tls_status photofinish_tls_peek(photofinish_tls_session *_Nonnull session);
/// Takes plaintext as whole records, as long as the output stays within `bound`.
photofinish_tls_status photofinish_tls_write(
  photofinish_tls_session *_Nonnull session, const void *_Nullable bytes, size_t count, size_t bound,
  size_t *_Nonnull taken);
size_t photofinish_tls_output_count(const photofinish_tls_session *_Nonnull session);
/// The output that waits; null when there is none. Valid until the next call.
const void *_Nullable photofinish_tls_output(const photofinish_tls_session *_Nonnull session);
void photofinish_tls_consume_output(photofinish_tls_session *_Nonnull session, size_t count);
int photofinish_tls_has_plaintext(const photofinish_tls_session *_Nonnull session);
void photofinish_tls_close_notify(photofinish_tls_session *_Nonnull session);
/// Asks the peer to change its keys, in TLS 1.3. 1, or 0 when that cannot be.
int photofinish_tls_update_keys(photofinish_tls_session *_Nonnull session);

/// Why it failed.
photofinish_tls_failure photofinish_tls_failure_kind(const photofinish_tls_session *_Nonnull session);
/// OpenSSL's words, and of a certificate what it says; empty when there are none.
const char *_Nonnull photofinish_tls_failure_text(const photofinish_tls_session *_Nonnull session);
/// The last alert that was sent or received; -1 without one.
int photofinish_tls_alert_sent(const photofinish_tls_session *_Nonnull session);
int photofinish_tls_alert_received(const photofinish_tls_session *_Nonnull session);

/// The protocol that ALPN chose; null without one. Not terminated.
const char *_Nullable photofinish_tls_protocol(const photofinish_tls_session *_Nonnull session, size_t *_Nonnull count);
/// 0x0303, 0x0304.
int photofinish_tls_version(const photofinish_tls_session *_Nonnull session);
/// The suite's name as IANA has it; null before it is chosen.
const char *_Nullable photofinish_tls_cipher(const photofinish_tls_session *_Nonnull session);
const char *_Nullable photofinish_tls_server_name(const photofinish_tls_session *_Nonnull session);
int photofinish_tls_was_resumed(const photofinish_tls_session *_Nonnull session);

typedef struct {
  /// As RFC 4514 writes them. To be freed with photofinish_tls_peer_free, as are the others.
  char *_Nullable subject;
  char *_Nullable issuer;
  /// In upper-case hexadecimal.
  char *_Nullable serial;
  char *_Nullable fingerprint;
  char *_Nullable base64;
  int64_t not_after;
} photofinish_tls_peer;

/// The peer's certificate. 1, or 0 when it sent none.
int photofinish_tls_peer_certificate(
  const photofinish_tls_session *_Nonnull session, photofinish_tls_peer *_Nonnull peer);
void photofinish_tls_peer_free(photofinish_tls_peer *_Nonnull peer);

// MARK: - Files

typedef struct {
  uint64_t device, inode, size;
  int64_t seconds, nanoseconds;
} photofinish_tls_stamp;

/// What tells whether a file is another than before, symbolic links followed. 1, or 0 when it is not there.
int photofinish_tls_file_stamp(const char *_Nonnull path, photofinish_tls_stamp *_Nonnull stamp);
#endif
