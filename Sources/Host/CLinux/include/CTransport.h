#ifndef PHOTOFINISH_C_TRANSPORT_H
#define PHOTOFINISH_C_TRANSPORT_H

#include <stdint.h>
#include <sys/socket.h>

// A part of the kernel's tcp_info. Times in microseconds.
struct pf_tcp_state {
  // 0, or the errno of the getsockopt.
  int32_t error;
  // 1 when the kernel is new enough to report bytes_acked.
  int32_t has_bytes_acked;
  uint8_t state;
  uint8_t retransmits;
  uint32_t rto;
  uint32_t rtt;
  uint32_t rtt_variance;
  uint32_t minimum_rtt;
  uint32_t unacknowledged_segments;
  uint64_t bytes_acked;
  uint64_t bytes_received;
};

struct pf_tcp_state pf_tcp_state_of(int descriptor);

// Bytes written to the socket and not yet acknowledged (SIOCOUTQ); negative errno on failure.
int64_t pf_unacknowledged_bytes(int descriptor);

// Reads and thereby clears SO_ERROR; negative errno when getsockopt itself fails.
int32_t pf_take_socket_error(int descriptor);

// setsockopt with an int value; 0 or a negative errno.
int32_t pf_set_option(int descriptor, int level, int option, int value);

// SO_LINGER on with zero seconds: close() sends a RST. 0 or a negative errno.
int32_t pf_set_abort_on_close(int descriptor);

// accept4 with SOCK_NONBLOCK and SOCK_CLOEXEC; a descriptor or a negative errno.
int32_t pf_accept(int listener, struct sockaddr *address, socklen_t *length);

// dup3 with O_CLOEXEC: `target` names what `source` does from now on. 0 or a negative errno.
int32_t pf_duplicate_over(int source, int target);

// recvfrom and sendto without an address, as bare system calls: glibc's are cancellation points, and nobody here
// cancels threads. The flags are those of recv and send. A count or a negative errno.
int64_t pf_receive(int descriptor, void *bytes, uint64_t count, int flags);
int64_t pf_send(int descriptor, const void *bytes, uint64_t count, int flags);

// Nanoseconds of CLOCK_MONOTONIC and of CLOCK_REALTIME.
int64_t pf_monotonic_nanoseconds(void);
int64_t pf_realtime_nanoseconds(void);

// Names the calling thread, as tools show it.
void pf_name_this_thread(const char *name);

// The CPUs that this process may use: affinity mask and cgroup v1/v2 quota, at least 1.
int32_t pf_available_processors(void);

// Soft limit of open descriptors after raising it to the hard limit.
int64_t pf_raise_descriptor_limit(void);

#endif
