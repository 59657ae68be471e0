#ifndef PHOTOFINISH_C_PASSING_H
#define PHOTOFINISH_C_PASSING_H

#include <stdint.h>

// Descriptors that go from process to process, and what the service manager hands over.
// Functions return a negative errno on failure.

// The most that go with one message (SCM_MAX_FD of the kernel is 253).
#define PF_MOST_DESCRIPTORS 64

// Sends one byte with `count` descriptors (SCM_RIGHTS) over a UNIX-domain socket; 0 when they are gone.
int32_t pf_send_descriptors(int32_t socket, const int32_t *numbers, int32_t count);

// Takes one byte and the descriptors with it, close-on-exec; their count. -ENODATA at the end of the stream.
int32_t pf_receive_descriptors(int32_t socket, int32_t *numbers, int32_t capacity);

// Whether a stream socket listens: 1 or 0.
int32_t pf_is_listening(int32_t socket);

// 1 when SO_REUSEPORT is set, else 0.
int32_t pf_shares_port(int32_t socket);

// Makes a descriptor of another's making like our own: close-on-exec and non-blocking.
int32_t pf_adopt_descriptor(int32_t number);

// The mode of the file that a UNIX-domain socket will be bound to.
int32_t pf_set_mode(int32_t socket, uint32_t mode);

// The process at the other end of a UNIX-domain socket.
int32_t pf_peer_process(int32_t socket);

// Starts a program, looked up in PATH, that outlives this process, with its environment less `left_out` ("NAME="), and with
// signals unblocked. Its process ID.
int32_t pf_start_successor(char *const *arguments, const char *left_out);

// It is a child of the first process, and not of this one. 1 when it has ended, else 0.
int32_t pf_process_has_ended(int32_t process);

#endif
