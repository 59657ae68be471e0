#ifndef C_PROBE_TLS_H
#define C_PROBE_TLS_H
#include <stddef.h>
#include <stdint.h>

/// A TLS client on a non-blocking socket, for the prober.
typedef struct photofinish_probe_tls photofinish_probe_tls;

/// `verify`: whether the handshake fails when the server's certificate is not valid for `host` (a name or an IP address); it
/// is judged in any case. Returns a null pointer when there is no memory.
photofinish_probe_tls *_Nullable photofinish_probe_tls_open(int descriptor, const char *_Nonnull host, int verify);
void photofinish_probe_tls_close(photofinish_probe_tls *_Nonnull tls);
/// 1 when done, 0 when it must be called again after an event, -1 when it failed.
int photofinish_probe_tls_handshake(photofinish_probe_tls *_Nonnull tls);
/// Bytes read; 0 when the peer has closed (by alert or by FIN); -1 to be called again; -2 on an error.
int64_t photofinish_probe_tls_read(photofinish_probe_tls *_Nonnull tls, void *_Nonnull target, size_t count);
/// Bytes written; -1 to be called again; -2 on an error.
int64_t photofinish_probe_tls_write(photofinish_probe_tls *_Nonnull tls, const void *_Nonnull source, size_t count);
/// Whether the peer has sent close_notify.
int photofinish_probe_tls_was_notified(photofinish_probe_tls *_Nonnull tls);
/// The protocol that ALPN chose, written with its end; empty without one.
void photofinish_probe_tls_protocol(photofinish_probe_tls *_Nonnull tls, char *_Nonnull target, size_t count);
/// Why the handshake failed: 1 because of the certificate, 2 because the server does not speak TLS, 0 for another reason.
int photofinish_probe_tls_failure(photofinish_probe_tls *_Nonnull tls);
/// What is wrong with the certificate; empty when nothing is.
void photofinish_probe_tls_certificate(photofinish_probe_tls *_Nonnull tls, char *_Nonnull target, size_t count);
/// Why the last call failed.
void photofinish_probe_tls_problem(photofinish_probe_tls *_Nonnull tls, char *_Nonnull target, size_t count);
#endif
