#define _GNU_SOURCE
#include "CTLSInternal.h"
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

// MARK: - Ticket keys

photofinish_tls_ring *photofinish_tls_ring_new(void) {
  photofinish_tls_ring *ring = calloc(1, sizeof *ring);
  if (!ring) return NULL;
  pthread_mutex_init(&ring->lock, NULL);
  ring->cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
  return ring;
}

void photofinish_tls_ring_free(photofinish_tls_ring *ring) {
  if (!ring) return;
  pthread_mutex_destroy(&ring->lock);
  EVP_CIPHER_free(ring->cipher);
  OPENSSL_cleanse(ring->keys, sizeof ring->keys);
  free(ring);
}

void photofinish_tls_ring_set(photofinish_tls_ring *ring, const void *keys, size_t count) {
  if (count > PHOTOFINISH_TLS_TICKET_KEYS) count = PHOTOFINISH_TLS_TICKET_KEYS;
  pthread_mutex_lock(&ring->lock);
  OPENSSL_cleanse(ring->keys, sizeof ring->keys);
  memcpy(ring->keys, keys, count * PHOTOFINISH_TLS_TICKET_KEY_SIZE);
  ring->count = count;
  pthread_mutex_unlock(&ring->lock);
}

size_t photofinish_tls_ring_get(photofinish_tls_ring *ring, void *target) {
  pthread_mutex_lock(&ring->lock);
  size_t count = ring->count;
  memcpy(target, ring->keys, count * PHOTOFINISH_TLS_TICKET_KEY_SIZE);
  pthread_mutex_unlock(&ring->lock);
  return count;
}

/// RFC 5077 section 4: a name, an initialisation vector, what is encrypted, and a MAC over all of it.
static int ticket_key(
  SSL *ssl, unsigned char *name, unsigned char *vector, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int is_encrypting) {
  photofinish_tls_session *session = SSL_get_app_data(ssl);
  photofinish_tls_ring *ring = session->context->ring;
  if (!ring) return is_encrypting ? -1 : 0;
  unsigned char key[PHOTOFINISH_TLS_TICKET_KEY_SIZE];
  size_t place = 0;
  pthread_mutex_lock(&ring->lock);
  size_t count = ring->count;
  if (!is_encrypting) {
    while (place < count && CRYPTO_memcmp(ring->keys[place], name, 16) != 0) place++;
  }
  int is_found = place < count;
  if (is_found) memcpy(key, ring->keys[place], sizeof key);
  pthread_mutex_unlock(&ring->lock);
  // Without a key that fits the handshake is a full one.
  if (!is_found) return is_encrypting ? -1 : 0;
  OSSL_PARAM parameters[3] = {
    OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key + 48, 32),
    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, "SHA256", 0),
    OSSL_PARAM_construct_end(),
  };
  int result = -1;
  if (is_encrypting) {
    memcpy(name, key, 16);
    if (RAND_bytes(vector, EVP_CIPHER_get_iv_length(ring->cipher)) == 1 &&
        EVP_EncryptInit_ex2(cipher, ring->cipher, key + 16, vector, NULL) == 1 &&
        EVP_MAC_CTX_set_params(mac, parameters) == 1) {
      result = 1;
    }
  } else if (EVP_MAC_CTX_set_params(mac, parameters) == 1 &&
             EVP_DecryptInit_ex2(cipher, ring->cipher, key + 16, vector, NULL) == 1) {
    // A ticket of an older key is exchanged for one of the newest. In TLS 1.3 each is: clients use a ticket once (RFC 8446
    // appendix C.4), so without another every second handshake would be a full one.
    result = place == 0 && SSL_version(ssl) != TLS1_3_VERSION ? 1 : 2;
  }
  OPENSSL_cleanse(key, sizeof key);
  return result;
}

// MARK: - Choices of a server

static int find_name(const photofinish_tls_context *context, const char *name) {
  size_t low = 0, high = context->name_count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int order = strcmp(name, context->names[middle].name);
    if (order == 0) return context->names[middle].set;
    if (order < 0) high = middle;
    else low = middle + 1;
  }
  return -1;
}

/// The set for a name: the exact one, or the wildcard in place of its first label.
static int set_for(const photofinish_tls_context *context, const char *asked) {
  char name[256];
  size_t count = strlen(asked);
  if (count > 0 && asked[count - 1] == '.') count--;
  if (count == 0 || count >= sizeof name) return 0;
  for (size_t index = 0; index < count; index++) {
    char byte = asked[index];
    name[index] = byte >= 'A' && byte <= 'Z' ? (char)(byte + 32) : byte;
  }
  name[count] = 0;
  int found = find_name(context, name);
  if (found >= 0) return found;
  char *dot = memchr(name, '.', count);
  if (!dot || dot == name) return 0;
  dot[-1] = '*';
  found = find_name(context, dot - 1);
  return found >= 0 ? found : 0;
}

static int server_name_asked(SSL *ssl, int *alert, void *argument) {
  (void)alert;
  photofinish_tls_context *context = argument;
  const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (!name) return SSL_TLSEXT_ERR_NOACK;
  int set = set_for(context, name);
  if (set > 0) SSL_set_SSL_CTX(ssl, context->sets[set]);
  return SSL_TLSEXT_ERR_OK;
}

static int choose_protocol(
  SSL *ssl, const unsigned char **chosen, unsigned char *count, const unsigned char *offered, unsigned offered_count,
  void *argument) {
  (void)ssl;
  photofinish_tls_context *context = argument;
  for (size_t ours = 0; ours < context->protocols_count; ours += 1u + context->protocols[ours]) {
    for (size_t theirs = 0; theirs < offered_count; theirs += 1u + offered[theirs]) {
      size_t length = offered[theirs];
      if (theirs + 1 + length > offered_count) break;
      if (length == context->protocols[ours] &&
          memcmp(offered + theirs + 1, context->protocols + ours + 1, length) == 0) {
        *chosen = context->protocols + ours + 1;
        *count = (unsigned char)length;
        return SSL_TLSEXT_ERR_OK;
      }
    }
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

// MARK: - Sessions of a client

static void keep_session(photofinish_tls_context *context, const char *name, SSL_SESSION *session) {
  pthread_mutex_lock(&context->lock);
  size_t place = 0;
  while (place < context->session_count && strcmp(context->sessions[place].name, name) != 0) place++;
  if (place == context->session_count) {
    char *copy = strdup(name);
    if (!copy) {
      pthread_mutex_unlock(&context->lock);
      SSL_SESSION_free(session);
      return;
    }
    if (place < PHOTOFINISH_TLS_SESSIONS) {
      context->session_count++;
    } else {
      place = context->session_next;
      context->session_next = (place + 1) % PHOTOFINISH_TLS_SESSIONS;
      free(context->sessions[place].name);
    }
    context->sessions[place].name = copy;
  }
  if (place < PHOTOFINISH_TLS_SESSIONS) {
    SSL_SESSION *before = context->sessions[place].session;
    context->sessions[place].session = session;
    session = before;
  }
  pthread_mutex_unlock(&context->lock);
  SSL_SESSION_free(session);
}

static int session_came(SSL *ssl, SSL_SESSION *session) {
  photofinish_tls_session *ours = SSL_get_app_data(ssl);
  if (!ours || !ours->name || !SSL_SESSION_is_resumable(session)) return 0;
  keep_session(ours->context, ours->name, session);
  return 1;
}

size_t photofinish_tls_context_session_count(photofinish_tls_context *context) {
  pthread_mutex_lock(&context->lock);
  size_t count = 0;
  for (size_t place = 0; place < context->session_count; place++) count += context->sessions[place].session != NULL;
  pthread_mutex_unlock(&context->lock);
  return count;
}

static int certificate_asked(SSL *ssl, X509 **certificate, EVP_PKEY **key) {
  (void)certificate, (void)key;
  photofinish_tls_session *session = SSL_get_app_data(ssl);
  session->was_asked = 1;
  return 0;
}

// MARK: - Contexts

static const char modern_suites[] =
  "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
  "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
/// Behind the modern ones: CBC, and RSA without forward secrecy.
static const char older_suites[] =
  "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
  "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
  "ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:"
  "ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:"
  "AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA256:AES256-SHA256:AES128-SHA:AES256-SHA";

static SSL_CTX *new_set(photofinish_tls_context *context) {
  const photofinish_tls_options *options = &context->options;
  SSL_CTX *set = SSL_CTX_new(context->is_server ? TLS_server_method() : TLS_client_method());
  if (!set) return NULL;
  SSL_CTX_set_min_proto_version(set, options->minimum_version);
  SSL_CTX_set_max_proto_version(set, TLS1_3_VERSION);
  SSL_CTX_set_security_level(set, 2);
  int is_good = SSL_CTX_set_cipher_list(set, options->older_suites ? older_suites : modern_suites) == 1 &&
    SSL_CTX_set_ciphersuites(set, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") == 1 &&
    SSL_CTX_set1_groups_list(set, "X25519:P-256:P-384") == 1;
  SSL_CTX_set_mode(
    set,
    SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
      SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_options(
    set, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_info_callback(set, photofinish_tls_noted);
  int mode = context->verify == PHOTOFINISH_TLS_VERIFY_OFF ? SSL_VERIFY_NONE : SSL_VERIFY_PEER;
  if (context->is_server && context->verify == PHOTOFINISH_TLS_VERIFY_REQUIRED) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  SSL_CTX_set_verify(set, mode, photofinish_tls_verified);
  if (mode != SSL_VERIFY_NONE && options->trust) SSL_CTX_set1_cert_store(set, options->trust->store);
  if (context->is_server) {
    SSL_CTX_set_session_cache_mode(set, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(set, context->session_id_context, sizeof context->session_id_context);
    SSL_CTX_set_timeout(set, 7200);
    SSL_CTX_set_num_tickets(set, context->ring ? 1 : 0);
    if (context->ring) SSL_CTX_set_tlsext_ticket_key_evp_cb(set, ticket_key);
    else SSL_CTX_set_options(set, SSL_OP_NO_TICKET);
    SSL_CTX_set_tlsext_servername_callback(set, server_name_asked);
    SSL_CTX_set_tlsext_servername_arg(set, context);
    if (context->protocols_count) SSL_CTX_set_alpn_select_cb(set, choose_protocol, context);
    if (mode != SSL_VERIFY_NONE && options->trust && options->trust->names) {
      STACK_OF(X509_NAME) *names = sk_X509_NAME_deep_copy(options->trust->names, X509_NAME_dup, X509_NAME_free);
      if (names) SSL_CTX_set_client_CA_list(set, names);
    }
  } else {
    SSL_CTX_set_session_cache_mode(set, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(set, session_came);
    SSL_CTX_set_client_cert_cb(set, certificate_asked);
    if (context->protocols_count) {
      is_good = is_good && SSL_CTX_set_alpn_protos(set, context->protocols, (unsigned)context->protocols_count) == 0;
    }
  }
  ERR_clear_error();
  if (is_good) return set;
  SSL_CTX_free(set);
  return NULL;
}

/// Tickets are good only where the same is asked of clients.
static void make_session_id_context(photofinish_tls_context *context) {
  unsigned char text[64] = "photofinish";
  text[16] = (unsigned char)context->verify;
  if (context->verify != PHOTOFINISH_TLS_VERIFY_OFF && context->options.trust) {
    memcpy(text + 32, context->options.trust->digest, 32);
  }
  unsigned count = 32;
  EVP_Digest(text, sizeof text, context->session_id_context, &count, EVP_sha256(), NULL);
}

static photofinish_tls_context *context_new(const photofinish_tls_options *options, int is_server) {
  photofinish_tls_context *context = calloc(1, sizeof *context);
  if (!context) return NULL;
  pthread_mutex_init(&context->lock, NULL);
  context->is_server = is_server;
  context->verify = options->verify;
  context->ring = options->ring;
  context->options = *options;
  if (options->protocols_count) {
    context->protocols = malloc(options->protocols_count);
    if (!context->protocols) {
      photofinish_tls_context_free(context);
      return NULL;
    }
    memcpy(context->protocols, options->protocols, options->protocols_count);
    context->protocols_count = options->protocols_count;
  }
  context->options.protocols = NULL;
  make_session_id_context(context);
  return context;
}

photofinish_tls_context *photofinish_tls_server_context_new(const photofinish_tls_options *options) {
  return context_new(options, 1);
}

photofinish_tls_context *photofinish_tls_client_context_new(const photofinish_tls_options *options) {
  photofinish_tls_context *context = context_new(options, 0);
  if (context && photofinish_tls_context_add_set(context) == 0) return context;
  photofinish_tls_context_free(context);
  return NULL;
}

void photofinish_tls_context_free(photofinish_tls_context *context) {
  if (!context) return;
  for (int index = 0; index < context->set_count; index++) SSL_CTX_free(context->sets[index]);
  free(context->sets);
  for (size_t index = 0; index < context->name_count; index++) free(context->names[index].name);
  free(context->names);
  for (size_t place = 0; place < context->session_count; place++) {
    free(context->sessions[place].name);
    SSL_SESSION_free(context->sessions[place].session);
  }
  free(context->protocols);
  pthread_mutex_destroy(&context->lock);
  free(context);
}

int photofinish_tls_context_add_set(photofinish_tls_context *context) {
  SSL_CTX **grown = realloc(context->sets, sizeof *grown * (size_t)(context->set_count + 1));
  if (!grown) return -1;
  context->sets = grown;
  SSL_CTX *set = new_set(context);
  if (!set) return -1;
  grown[context->set_count] = set;
  return context->set_count++;
}

int photofinish_tls_context_use(photofinish_tls_context *context, int set, const photofinish_tls_pair *pair) {
  ERR_clear_error();
  int is_good =
    SSL_CTX_use_cert_and_key(context->sets[set], pair->leaf, pair->key, pair->issuers, 1) == 1;
  ERR_clear_error();
  return is_good;
}

int photofinish_tls_context_add_name(photofinish_tls_context *context, const char *name, int set) {
  if (context->name_count == context->name_capacity) {
    size_t capacity = context->name_capacity ? context->name_capacity * 2 : 8;
    struct photofinish_tls_name *grown = realloc(context->names, capacity * sizeof *grown);
    if (!grown) return 0;
    context->names = grown;
    context->name_capacity = capacity;
  }
  char *copy = strdup(name);
  if (!copy) return 0;
  context->names[context->name_count++] = (struct photofinish_tls_name){copy, set};
  return 1;
}
