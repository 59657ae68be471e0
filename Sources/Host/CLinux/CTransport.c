#define _GNU_SOURCE
#include "CTransport.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct pf_tcp_state pf_tcp_state_of(int descriptor) {
  struct pf_tcp_state result;
  struct tcp_info info;
  socklen_t length = sizeof info;
  memset(&result, 0, sizeof result);
  memset(&info, 0, sizeof info);
  if (getsockopt(descriptor, 6 /* IPPROTO_TCP */, TCP_INFO, &info, &length) != 0) {
    result.error = errno;
    return result;
  }
  result.state = info.tcpi_state;
  result.retransmits = info.tcpi_retransmits;
  result.rto = info.tcpi_rto;
  result.rtt = info.tcpi_rtt;
  result.rtt_variance = info.tcpi_rttvar;
  result.minimum_rtt = info.tcpi_min_rtt;
  result.unacknowledged_segments = info.tcpi_unacked;
  result.has_bytes_acked = length >= offsetof(struct tcp_info, tcpi_bytes_received);
  result.bytes_acked = info.tcpi_bytes_acked;
  result.bytes_received = info.tcpi_bytes_received;
  return result;
}

int64_t pf_unacknowledged_bytes(int descriptor) {
  int value = 0;
  if (ioctl(descriptor, SIOCOUTQ, &value) != 0) return -errno;
  return value;
}

int32_t pf_take_socket_error(int descriptor) {
  int value = 0;
  socklen_t length = sizeof value;
  if (getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &value, &length) != 0) return -errno;
  return value;
}

int32_t pf_set_option(int descriptor, int level, int option, int value) {
  return setsockopt(descriptor, level, option, &value, sizeof value) == 0 ? 0 : -errno;
}

int32_t pf_set_abort_on_close(int descriptor) {
  struct linger linger = {.l_onoff = 1, .l_linger = 0};
  return setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0 ? 0 : -errno;
}

int32_t pf_duplicate_over(int source, int target) { return dup3(source, target, O_CLOEXEC) < 0 ? -errno : 0; }

int64_t pf_receive(int descriptor, void *bytes, uint64_t count, int flags) {
  long result = syscall(SYS_recvfrom, descriptor, bytes, count, flags, NULL, NULL);
  return result >= 0 ? result : -errno;
}

int64_t pf_send(int descriptor, const void *bytes, uint64_t count, int flags) {
  long result = syscall(SYS_sendto, descriptor, bytes, count, flags, NULL, 0);
  return result >= 0 ? result : -errno;
}

int32_t pf_accept(int listener, struct sockaddr *address, socklen_t *length) {
  int number = accept4(listener, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
  return number >= 0 ? number : -errno;
}

static int64_t nanoseconds_of(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

int64_t pf_monotonic_nanoseconds(void) { return nanoseconds_of(CLOCK_MONOTONIC); }
int64_t pf_realtime_nanoseconds(void) { return nanoseconds_of(CLOCK_REALTIME); }

void pf_name_this_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

// The quota of cgroup v2 in whole processors, rounded up; 0 when there is none.
static int quota_of_cgroup_v2(void) {
  long long quota = 0, period = 0;
  FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
  if (!file) return 0;
  int matched = fscanf(file, "%lld %lld", &quota, &period);
  fclose(file);
  if (matched != 2 || quota <= 0 || period <= 0) return 0;
  return (int)((quota + period - 1) / period);
}

static int quota_of_cgroup_v1(void) {
  long long quota = -1, period = 0;
  FILE *file = fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "re");
  if (!file) return 0;
  int matched = fscanf(file, "%lld", &quota);
  fclose(file);
  if (matched != 1 || quota <= 0) return 0;
  file = fopen("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "re");
  if (!file) return 0;
  matched = fscanf(file, "%lld", &period);
  fclose(file);
  if (matched != 1 || period <= 0) return 0;
  return (int)((quota + period - 1) / period);
}

int32_t pf_available_processors(void) {
  cpu_set_t set;
  CPU_ZERO(&set);
  int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  int quota = quota_of_cgroup_v2();
  if (quota == 0) quota = quota_of_cgroup_v1();
  if (quota > 0 && quota < count) count = quota;
  return count < 1 ? 1 : count;
}

int64_t pf_raise_descriptor_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return -errno;
  if (limit.rlim_cur < limit.rlim_max) {
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return (int64_t)before;
  }
  return (int64_t)limit.rlim_cur;
}
