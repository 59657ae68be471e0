#define _GNU_SOURCE
#include "CTLSInternal.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/// Bytes of a file of certificates that are read; what systems trust takes a quarter of a megabyte.
static const size_t file_limit = 4 << 20;

static void *failed(photofinish_tls_fault *fault, photofinish_tls_file_fault what, const char *detail) {
  fault->fault = what;
  snprintf(fault->detail, sizeof fault->detail, "%s", detail);
  return NULL;
}

// MARK: - Text

char *photofinish_tls_name_text(const X509_NAME *name) {
  BIO *memory = BIO_new(BIO_s_mem());
  if (!memory) return NULL;
  X509_NAME_print_ex(memory, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  char *bytes = NULL;
  long count = BIO_get_mem_data(memory, &bytes);
  char *text = count > 0 ? strndup(bytes, (size_t)count) : strdup("");
  BIO_free(memory);
  return text;
}

void photofinish_tls_hexadecimal(const unsigned char *bytes, size_t count, char *target) {
  static const char digits[] = "0123456789abcdef";
  for (size_t index = 0; index < count; index++) {
    target[2 * index] = digits[bytes[index] >> 4];
    target[2 * index + 1] = digits[bytes[index] & 15];
  }
  target[2 * count] = 0;
}

int64_t photofinish_tls_seconds(const ASN1_TIME *time) {
  struct tm fields;
  if (ASN1_TIME_to_tm(time, &fields) != 1) return 0;
  return timegm(&fields);
}

void photofinish_tls_date(const ASN1_TIME *time, char *target, size_t count) {
  struct tm fields;
  if (ASN1_TIME_to_tm(time, &fields) != 1 || strftime(target, count, "%Y-%m-%d %H:%M:%S UTC", &fields) == 0) {
    snprintf(target, count, "a date that cannot be read");
  }
}

/// Adds a line to a text that grows; what is not printable ASCII would not be a name.
static void add_line(char **text, const unsigned char *bytes, int count, int is_name) {
  if (count <= 0) return;
  size_t before = *text ? strlen(*text) : 0;
  char *grown = realloc(*text, before + (size_t)count + 2);
  if (!grown) return;
  size_t end = before;
  if (end) grown[end++] = '\n';
  for (int index = 0; index < count; index++) {
    unsigned char byte = bytes[index];
    if (byte <= 0x20 || byte >= 0x7f) {
      grown[before] = 0;
      *text = grown;
      return;
    }
    grown[end++] = (char)(is_name && byte >= 'A' && byte <= 'Z' ? byte + 32 : byte);
  }
  grown[end] = 0;
  *text = grown;
}

char *photofinish_tls_certificate_names(X509 *certificate) {
  char *text = NULL;
  int found = 0;
  GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
  for (int index = 0; index < sk_GENERAL_NAME_num(names); index++) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, index);
    if (name->type == GEN_DNS) {
      add_line(&text, ASN1_STRING_get0_data(name->d.dNSName), ASN1_STRING_length(name->d.dNSName), 1);
      found = 1;
    } else if (name->type == GEN_IPADD) {
      int count = ASN1_STRING_length(name->d.iPAddress);
      char address[INET6_ADDRSTRLEN];
      const void *bytes = ASN1_STRING_get0_data(name->d.iPAddress);
      if ((count == 4 || count == 16) && inet_ntop(count == 4 ? AF_INET : AF_INET6, bytes, address, sizeof address)) {
        add_line(&text, (const unsigned char *)address, (int)strlen(address), 1);
        found = 1;
      }
    }
  }
  GENERAL_NAMES_free(names);
  // The common name counts only where there is no other (RFC 6125 section 6.4.4).
  if (!found) {
    X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at >= 0) {
      ASN1_STRING *common = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
      unsigned char *bytes = NULL;
      int count = ASN1_STRING_to_UTF8(&bytes, common);
      if (count > 0) add_line(&text, bytes, count, 1);
      if (count >= 0) OPENSSL_free(bytes);
    }
  }
  return text ? text : strdup("");
}

// MARK: - Files

int photofinish_tls_file_stamp(const char *path, photofinish_tls_stamp *stamp) {
  struct stat status;
  if (stat(path, &status) != 0) return 0;
  stamp->device = (uint64_t)status.st_dev;
  stamp->inode = (uint64_t)status.st_ino;
  stamp->size = (uint64_t)status.st_size;
  stamp->seconds = status.st_mtim.tv_sec;
  stamp->nanoseconds = status.st_mtim.tv_nsec;
  return 1;
}

/// The bytes of a file in a BIO that owns them. The key's are wiped by OPENSSL_clear_free in `release`.
static BIO *opened(const char *path, photofinish_tls_fault *fault, unsigned char **bytes, size_t *count) {
  // Not blocking, lest a named pipe holds us up.
  int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return failed(fault, PHOTOFINISH_TLS_FILE_UNREADABLE, strerror(errno));
  struct stat status;
  if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    close(descriptor);
    return failed(fault, PHOTOFINISH_TLS_FILE_NOT_REGULAR, "");
  }
  if ((uint64_t)status.st_size > file_limit) {
    close(descriptor);
    return failed(fault, PHOTOFINISH_TLS_FILE_TOO_LARGE, "");
  }
  size_t capacity = (size_t)status.st_size + 1;
  unsigned char *target = OPENSSL_malloc(capacity);
  size_t filled = 0;
  while (target && filled < capacity) {
    ssize_t step = read(descriptor, target + filled, capacity - filled);
    if (step < 0 && errno == EINTR) continue;
    if (step < 0) {
      failed(fault, PHOTOFINISH_TLS_FILE_UNREADABLE, strerror(errno));
      OPENSSL_clear_free(target, capacity);
      close(descriptor);
      return NULL;
    }
    if (step == 0) break;
    filled += (size_t)step;
  }
  close(descriptor);
  if (!target) return failed(fault, PHOTOFINISH_TLS_FILE_NO_MEMORY, "");
  BIO *memory = NULL;
  if (filled == 0) {
    failed(fault, PHOTOFINISH_TLS_FILE_EMPTY, "");
  } else if (target[0] == 0x30 && filled > 1 && target[1] >= 0x80) {
    failed(fault, PHOTOFINISH_TLS_FILE_IS_DER, "");
  } else {
    memory = BIO_new_mem_buf(target, (int)filled);
    if (!memory) failed(fault, PHOTOFINISH_TLS_FILE_NO_MEMORY, "");
  }
  if (!memory) {
    OPENSSL_clear_free(target, capacity);
    return NULL;
  }
  *bytes = target;
  *count = filled;
  return memory;
}

static void release(BIO *memory, unsigned char *bytes, size_t count) {
  BIO_free(memory);
  OPENSSL_clear_free(bytes, count);
}

/// All certificates of a PEM file, in its order.
static STACK_OF(X509) *read_certificates(const char *path, photofinish_tls_fault *fault) {
  unsigned char *bytes;
  size_t count;
  BIO *memory = opened(path, fault, &bytes, &count);
  if (!memory) return NULL;
  STACK_OF(X509) *found = sk_X509_new_null();
  ERR_clear_error();
  X509 *certificate;
  while (found && (certificate = PEM_read_bio_X509_AUX(memory, NULL, NULL, NULL))) {
    if (sk_X509_push(found, certificate) <= 0) X509_free(certificate);
  }
  unsigned long error = ERR_peek_last_error();
  int is_end = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  const char *reason = ERR_reason_error_string(ERR_peek_error());
  release(memory, bytes, count);
  if (!found) {
    failed(fault, PHOTOFINISH_TLS_FILE_NO_MEMORY, "");
  } else if (!is_end) {
    failed(fault, PHOTOFINISH_TLS_FILE_MALFORMED, reason ? reason : "");
  } else if (sk_X509_num(found) == 0) {
    failed(fault, PHOTOFINISH_TLS_FILE_NO_CERTIFICATE, "");
  } else {
    ERR_clear_error();
    return found;
  }
  ERR_clear_error();
  sk_X509_pop_free(found, X509_free);
  return NULL;
}

static int refuse_password(char *target, int count, int is_writing, void *was_asked) {
  (void)target, (void)count, (void)is_writing;
  *(int *)was_asked = 1;
  return -1;
}

static EVP_PKEY *read_key(const char *path, photofinish_tls_fault *fault) {
  unsigned char *bytes;
  size_t count;
  fault->in_key = 1;
  BIO *memory = opened(path, fault, &bytes, &count);
  if (!memory) return NULL;
  int was_asked = 0;
  ERR_clear_error();
  EVP_PKEY *key = PEM_read_bio_PrivateKey(memory, NULL, refuse_password, &was_asked);
  // The decoder's errors don't tell a key that is missing from one that is damaged.
  int has_key = memmem(bytes, count, "PRIVATE KEY-----", 16) != NULL;
  const char *reason = ERR_reason_error_string(ERR_peek_error());
  release(memory, bytes, count);
  if (key) {
    fault->in_key = 0;
  } else if (was_asked) {
    failed(fault, PHOTOFINISH_TLS_FILE_KEY_ENCRYPTED, "");
  } else if (!has_key) {
    failed(fault, PHOTOFINISH_TLS_FILE_NO_KEY, "");
  } else {
    failed(fault, PHOTOFINISH_TLS_FILE_MALFORMED, reason ? reason : "");
  }
  ERR_clear_error();
  return key;
}

// MARK: - Pairs

/// The place of the certificate that belongs to the key, from 0; -1 without one.
static int place_of_key(STACK_OF(X509) *certificates, EVP_PKEY *key) {
  for (int index = 0; index < sk_X509_num(certificates); index++) {
    EVP_PKEY *theirs = X509_get0_pubkey(sk_X509_value(certificates, index));
    if (theirs && EVP_PKEY_eq(theirs, key) == 1) return index;
  }
  return -1;
}

static int is_weak(EVP_PKEY *key) {
  // 112 bits: RSA of 2048 bits, curves of 224 (NIST SP 800-57).
  return EVP_PKEY_get_security_bits(key) < 112;
}

static int check_pair(photofinish_tls_pair *pair, STACK_OF(X509) *certificates, int64_t now, photofinish_tls_fault *fault) {
  char text[200];
  int place = place_of_key(certificates, pair->key);
  if (place < 0) {
    fault->in_key = 1;
    failed(fault, PHOTOFINISH_TLS_FILE_KEY_MISMATCH, "");
    return 0;
  }
  if (place > 0) {
    snprintf(text, sizeof text, "%d", place + 1);
    failed(fault, PHOTOFINISH_TLS_FILE_LEAF_NOT_FIRST, text);
    return 0;
  }
  int kind = EVP_PKEY_get_base_id(pair->key);
  if (kind != EVP_PKEY_RSA && kind != EVP_PKEY_RSA_PSS && kind != EVP_PKEY_EC && kind != EVP_PKEY_ED25519 &&
      kind != EVP_PKEY_ED448) {
    fault->in_key = 1;
    const char *name = EVP_PKEY_get0_type_name(pair->key);
    failed(fault, PHOTOFINISH_TLS_FILE_KEY_TYPE, name ? name : "unknown");
    return 0;
  }
  if (is_weak(pair->key)) {
    fault->in_key = 1;
    snprintf(text, sizeof text, "%d", EVP_PKEY_get_bits(pair->key));
    failed(fault, PHOTOFINISH_TLS_FILE_WEAK_KEY, text);
    return 0;
  }
  if (sk_X509_num(certificates) > 1) {
    for (int index = 0; index + 1 < sk_X509_num(certificates); index++) {
      X509 *subject = sk_X509_value(certificates, index);
      if (X509_check_issued(sk_X509_value(certificates, index + 1), subject) != X509_V_OK) {
        snprintf(text, sizeof text, "%d %d", index + 2, index + 1);
        failed(fault, PHOTOFINISH_TLS_FILE_CHAIN_ORDER, text);
        return 0;
      }
    }
  }
  int digest = 0;
  int bits = 0;
  X509_get_signature_info(pair->leaf, &digest, NULL, &bits, NULL);
  if (bits < 80 && digest != NID_undef && X509_check_issued(pair->leaf, pair->leaf) != X509_V_OK) {
    failed(fault, PHOTOFINISH_TLS_FILE_WEAK_SIGNATURE, OBJ_nid2ln(digest));
    return 0;
  }
  for (int index = 0; index < sk_X509_num(certificates); index++) {
    X509 *certificate = sk_X509_value(certificates, index);
    // A root that has expired at the end of the chain is nobody's concern: clients have their own.
    if (index > 0 && X509_check_issued(certificate, certificate) == X509_V_OK) continue;
    time_t when = (time_t)now;
    const char *which = index == 0 ? "" : "an issuer's certificate: ";
    char date[64];
    if (X509_cmp_time(X509_get0_notAfter(certificate), &when) < 0) {
      photofinish_tls_date(X509_get0_notAfter(certificate), date, sizeof date);
      snprintf(text, sizeof text, "%s%s", which, date);
      failed(fault, PHOTOFINISH_TLS_FILE_EXPIRED, text);
      return 0;
    }
    if (X509_cmp_time(X509_get0_notBefore(certificate), &when) > 0) {
      photofinish_tls_date(X509_get0_notBefore(certificate), date, sizeof date);
      snprintf(text, sizeof text, "%s%s", which, date);
      failed(fault, PHOTOFINISH_TLS_FILE_NOT_YET_VALID, text);
      return 0;
    }
  }
  return 1;
}

photofinish_tls_pair *photofinish_tls_pair_load(
  const char *chain, const char *key, int64_t now, photofinish_tls_fault *fault) {
  memset(fault, 0, sizeof *fault);
  STACK_OF(X509) *certificates = read_certificates(chain, fault);
  if (!certificates) return NULL;
  photofinish_tls_pair *pair = calloc(1, sizeof *pair);
  if (pair) pair->key = read_key(key, fault);
  if (!pair || !pair->key) {
    if (!pair) failed(fault, PHOTOFINISH_TLS_FILE_NO_MEMORY, "");
    sk_X509_pop_free(certificates, X509_free);
    photofinish_tls_pair_free(pair);
    return NULL;
  }
  pair->leaf = sk_X509_value(certificates, 0);
  X509_up_ref(pair->leaf);
  int is_good = check_pair(pair, certificates, now, fault);
  X509_free(sk_X509_shift(certificates));
  pair->issuers = certificates;
  if (is_good) {
    pair->names = photofinish_tls_certificate_names(pair->leaf);
    pair->issuer = photofinish_tls_name_text(X509_get_issuer_name(pair->leaf));
    pair->not_after = photofinish_tls_seconds(X509_get0_notAfter(pair->leaf));
    unsigned char digest[32];
    unsigned count = sizeof digest;
    X509_digest(pair->leaf, EVP_sha256(), digest, &count);
    photofinish_tls_hexadecimal(digest, 32, pair->fingerprint);
    if (!pair->names || !pair->issuer) {
      failed(fault, PHOTOFINISH_TLS_FILE_NO_MEMORY, "");
      is_good = 0;
    } else if (!pair->names[0]) {
      failed(fault, PHOTOFINISH_TLS_FILE_NO_NAME, "");
      is_good = 0;
    }
  }
  ERR_clear_error();
  if (is_good) return pair;
  photofinish_tls_pair_free(pair);
  return NULL;
}

void photofinish_tls_pair_free(photofinish_tls_pair *pair) {
  if (!pair) return;
  X509_free(pair->leaf);
  sk_X509_pop_free(pair->issuers, X509_free);
  EVP_PKEY_free(pair->key);
  free(pair->names);
  free(pair->issuer);
  free(pair);
}

const char *photofinish_tls_pair_names(const photofinish_tls_pair *pair) { return pair->names; }
const char *photofinish_tls_pair_issuer(const photofinish_tls_pair *pair) { return pair->issuer; }
int64_t photofinish_tls_pair_not_after(const photofinish_tls_pair *pair) { return pair->not_after; }
const char *photofinish_tls_pair_fingerprint(const photofinish_tls_pair *pair) { return pair->fingerprint; }
int photofinish_tls_pair_kind(const photofinish_tls_pair *pair) { return EVP_PKEY_get_base_id(pair->key); }

// MARK: - Trust

void photofinish_tls_trust_free(photofinish_tls_trust *trust) {
  if (!trust) return;
  X509_STORE_free(trust->store);
  sk_X509_NAME_pop_free(trust->names, X509_NAME_free);
  free(trust);
}

photofinish_tls_trust *photofinish_tls_trust_load(const char *path, photofinish_tls_fault *fault) {
  memset(fault, 0, sizeof *fault);
  STACK_OF(X509) *certificates = read_certificates(path, fault);
  if (!certificates) return NULL;
  photofinish_tls_trust *trust = calloc(1, sizeof *trust);
  EVP_MD_CTX *digest = EVP_MD_CTX_new();
  int is_good = trust && digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1;
  if (is_good) {
    trust->store = X509_STORE_new();
    trust->names = sk_X509_NAME_new_null();
    is_good = trust->store && trust->names;
  }
  for (int index = 0; is_good && index < sk_X509_num(certificates); index++) {
    X509 *certificate = sk_X509_value(certificates, index);
    X509_NAME *name = X509_NAME_dup(X509_get_subject_name(certificate));
    unsigned char one[32];
    unsigned count = sizeof one;
    is_good = name && sk_X509_NAME_push(trust->names, name) > 0 && X509_STORE_add_cert(trust->store, certificate) == 1 &&
      X509_digest(certificate, EVP_sha256(), one, &count) == 1 && EVP_DigestUpdate(digest, one, sizeof one) == 1;
  }
  if (is_good) is_good = EVP_DigestFinal_ex(digest, trust->digest, NULL) == 1;
  // A file may hold an intermediate issuer, or the server's own certificate, and nothing above it.
  if (is_good) X509_STORE_set_flags(trust->store, X509_V_FLAG_PARTIAL_CHAIN);
  EVP_MD_CTX_free(digest);
  sk_X509_pop_free(certificates, X509_free);
  ERR_clear_error();
  if (is_good) return trust;
  failed(fault, PHOTOFINISH_TLS_FILE_NO_MEMORY, "");
  photofinish_tls_trust_free(trust);
  return NULL;
}

/// Where systems keep what they trust in one file, OpenSSL's own place aside.
static const char *const bundles[] = {
  "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/pki/tls/certs/ca-bundle.crt",   "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",                  "/var/lib/ca-certificates/ca-bundle.pem",
};

static int has_certificates(const char *folder) {
  DIR *open = opendir(folder);
  if (!open) return 0;
  int found = 0;
  struct dirent *entry;
  // `5ad8a5d6.0`, as c_rehash names them.
  while (!found && (entry = readdir(open))) found = strlen(entry->d_name) >= 10 && entry->d_name[8] == '.';
  closedir(open);
  return found;
}

static pthread_mutex_t system_lock = PTHREAD_MUTEX_INITIALIZER;
static X509_STORE *system_store;
static char *system_path;
static photofinish_tls_stamp system_stamp;

/// The file of what the system trusts; null without one.
static const char *system_file(photofinish_tls_stamp *stamp) {
  const char *named = getenv(X509_get_default_cert_file_env());
  if (named) return photofinish_tls_file_stamp(named, stamp) ? named : NULL;
  const char *standard = X509_get_default_cert_file();
  if (photofinish_tls_file_stamp(standard, stamp)) return standard;
  for (size_t index = 0; index < sizeof bundles / sizeof *bundles; index++) {
    if (photofinish_tls_file_stamp(bundles[index], stamp)) return bundles[index];
  }
  return NULL;
}

static X509_STORE *system_load(photofinish_tls_fault *fault) {
  photofinish_tls_stamp stamp;
  const char *file = system_file(&stamp);
  if (file && system_store && system_path && strcmp(file, system_path) == 0 &&
      memcmp(&stamp, &system_stamp, sizeof stamp) == 0) {
    return system_store;
  }
  const char *named = getenv(X509_get_default_cert_dir_env());
  const char *folder = named ? named : X509_get_default_cert_dir();
  X509_STORE *store = NULL;
  if (file) {
    photofinish_tls_trust *trust = photofinish_tls_trust_load(file, fault);
    if (!trust) return NULL;
    store = trust->store;
    trust->store = NULL;
    photofinish_tls_trust_free(trust);
  } else if (has_certificates(folder)) {
    store = X509_STORE_new();
  } else {
    char text[200];
    snprintf(text, sizeof text, "%s, %s", X509_get_default_cert_file(), folder);
    return failed(fault, PHOTOFINISH_TLS_FILE_NO_SYSTEM_TRUST, text);
  }
  // A folder is searched at each handshake, so only where there is no file, or somebody asked for it.
  if (store && (named || !file)) X509_STORE_load_path(store, folder);
  ERR_clear_error();
  if (!store) return failed(fault, PHOTOFINISH_TLS_FILE_NO_MEMORY, "");
  X509_STORE_free(system_store);
  free(system_path);
  system_store = store;
  system_path = file ? strdup(file) : NULL;
  system_stamp = file ? stamp : (photofinish_tls_stamp){0};
  return store;
}

photofinish_tls_trust *photofinish_tls_trust_system(photofinish_tls_fault *fault) {
  memset(fault, 0, sizeof *fault);
  photofinish_tls_trust *trust = calloc(1, sizeof *trust);
  if (!trust) return failed(fault, PHOTOFINISH_TLS_FILE_NO_MEMORY, "");
  pthread_mutex_lock(&system_lock);
  trust->store = system_load(fault);
  if (trust->store) X509_STORE_up_ref(trust->store);
  pthread_mutex_unlock(&system_lock);
  if (trust->store) return trust;
  photofinish_tls_trust_free(trust);
  return NULL;
}
