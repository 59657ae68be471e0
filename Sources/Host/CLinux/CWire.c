#define _GNU_SOURCE
#include "CWire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

int32_t pf_namespace_current(void) {
  int descriptor = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  return descriptor >= 0 ? descriptor : -errno;
}

int32_t pf_namespace_unshare(void) { return unshare(CLONE_NEWNET) == 0 ? 0 : -errno; }

int32_t pf_namespace_enter(int32_t descriptor) { return setns(descriptor, CLONE_NEWNET) == 0 ? 0 : -errno; }

static void name_interface(struct ifreq *request, const char *name) {
  memset(request, 0, sizeof *request);
  strncpy(request->ifr_name, name, IFNAMSIZ - 1);
}

int32_t pf_tunnel_open(const char *name) {
  int descriptor = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0) return -errno;
  struct ifreq request;
  name_interface(&request, name);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (ioctl(descriptor, TUNSETIFF, &request) != 0) {
    int code = errno;
    close(descriptor);
    return -code;
  }
  return descriptor;
}

static int set_address(int control, const char *name, unsigned long call, uint32_t value) {
  struct ifreq request;
  name_interface(&request, name);
  struct sockaddr_in *address = (struct sockaddr_in *)&request.ifr_addr;
  address->sin_family = AF_INET;
  address->sin_addr.s_addr = htonl(value);
  return ioctl(control, call, &request);
}

static int configure(
    int control, const char *name, uint32_t address, int32_t prefix, int32_t mtu, int32_t queue_length) {
  struct ifreq request;
  if (address != 0) {
    if (set_address(control, name, SIOCSIFADDR, address) != 0) return -errno;
    uint32_t mask = prefix == 0 ? 0 : ~(uint32_t)0 << (32 - prefix);
    if (set_address(control, name, SIOCSIFNETMASK, mask) != 0) return -errno;
  }
  if (mtu != 0) {
    name_interface(&request, name);
    request.ifr_mtu = mtu;
    if (ioctl(control, SIOCSIFMTU, &request) != 0) return -errno;
  }
  if (queue_length != 0) {
    name_interface(&request, name);
    request.ifr_qlen = queue_length;
    if (ioctl(control, SIOCSIFTXQLEN, &request) != 0) return -errno;
  }
  name_interface(&request, name);
  if (ioctl(control, SIOCGIFFLAGS, &request) != 0) return -errno;
  request.ifr_flags |= IFF_UP | IFF_RUNNING;
  return ioctl(control, SIOCSIFFLAGS, &request) == 0 ? 0 : -errno;
}

int32_t pf_interface_configure(const char *name, uint32_t address, int32_t prefix, int32_t mtu, int32_t queue_length) {
  int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (control < 0) return -errno;
  int result = configure(control, name, address, prefix, mtu, queue_length);
  close(control);
  return result;
}

#define ADDRESS_PATIENCE_MILLISECONDS 5000

// <linux/ipv6.h> has this, and does not go together with <netinet/in.h>.
struct address_request {
  struct in6_addr address;
  uint32_t prefix;
  int32_t index;
};

int32_t pf_interface_add_ipv6(const char *name, const uint8_t *address, int32_t prefix) {
  int control = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (control < 0) return -errno;
  struct ifreq device;
  name_interface(&device, name);
  int result = -1;
  if (ioctl(control, SIOCGIFINDEX, &device) == 0) {
    struct address_request request = {.prefix = (uint32_t)prefix, .index = device.ifr_ifindex};
    memcpy(&request.address, address, sizeof request.address);
    result = ioctl(control, SIOCSIFADDR, &request);
  }
  int code = result == 0 ? 0 : -errno;
  // The kernel makes the address usable a moment later, on a thread of its own; until then nobody can bind to it.
  struct sockaddr_in6 own = {.sin6_family = AF_INET6};
  memcpy(&own.sin6_addr, address, sizeof own.sin6_addr);
  for (int millisecond = 0; code == 0 && bind(control, (struct sockaddr *)&own, sizeof own) != 0; millisecond++) {
    if (errno != EADDRNOTAVAIL || millisecond == ADDRESS_PATIENCE_MILLISECONDS) code = -errno;
    usleep(1000);
  }
  close(control);
  return code;
}

int32_t pf_timer_open(void) {
  int descriptor = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  return descriptor >= 0 ? descriptor : -errno;
}

int32_t pf_timer_set(int32_t descriptor, int64_t nanoseconds) {
  struct itimerspec time;
  memset(&time, 0, sizeof time);
  time.it_value.tv_sec = nanoseconds / 1000000000;
  time.it_value.tv_nsec = nanoseconds % 1000000000;
  return timerfd_settime(descriptor, TFD_TIMER_ABSTIME, &time, NULL) == 0 ? 0 : -errno;
}

void pf_timer_clear(int32_t descriptor) {
  uint64_t count;
  while (read(descriptor, &count, sizeof count) == (ssize_t)sizeof count) {
  }
}

int32_t pf_thread_hurry(void) {
  struct sched_param parameters = {.sched_priority = 1};
  // 0 is the calling thread, not the process.
  return sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &parameters) == 0 ? 0 : -errno;
}

int32_t pf_parent_death_signal(int32_t signal) { return prctl(PR_SET_PDEATHSIG, signal) == 0 ? 0 : -errno; }

int32_t pf_signal_open(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);
  int code = pthread_sigmask(SIG_BLOCK, &set, NULL);
  if (code != 0) return -code;
  int descriptor = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  return descriptor >= 0 ? descriptor : -errno;
}

int32_t pf_signal_take(int32_t descriptor) {
  struct signalfd_siginfo information;
  ssize_t count = read(descriptor, &information, sizeof information);
  return count == (ssize_t)sizeof information ? (int32_t)information.ssi_signo : 0;
}

// A fork without what the C library does around it: the caller is itself a fork of a process with threads.
static pid_t bare_fork(unsigned long flags) { return (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0UL, 0UL, 0UL, 0UL); }

static int exit_code(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

// Waits for the end of `child`, and takes that of every other child on the way.
static void end_with(pid_t child) {
  int status = 0;
  pid_t ended;
  do ended = waitpid(-1, &status, 0);
  while (ended != child && (ended > 0 || errno == EINTR));
  _exit(ended == child ? exit_code(status) : 255);
}

static void close_all(void) { syscall(SYS_close_range, 3U, ~0U, 0U); }

// Puts two processes between this one and the program. The first stays where it is and stands for the program; the second
// is number one of a process namespace in which the program and all that it starts live. When either of the two ends,
// however that may be, the kernel kills everything in the namespace:
//
//   caller ----> stands for it ----> number one ----> program ----> what it starts
//        dies: SIGKILL        dies: SIGKILL     ends: the kernel kills all behind it
//
// Returns in the program, with 0, or in the first process, with an errno. `report` must not stay open in the two, since
// its closing tells the caller that the program was started.
static int contain(int *report) {
  pid_t first = bare_fork(CLONE_NEWPID);
  if (first < 0) return errno;
  if (first > 0) {
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    close_all();
    end_with(first);
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  pid_t program = bare_fork(0);
  if (program < 0) {
    int code = errno;
    if (write(report[1], &code, sizeof code) < 0) _exit(126);
    _exit(127);
  }
  if (program == 0) return 0;
  close_all();
  end_with(program);
  return 0;
}

// Runs in the child between fork and exec: only async-signal-safe calls. Returns the errno of what failed.
static int become(
    char *const *arguments, char *const *environment, int namespace_descriptor, int output, int parent_death_signal,
    pid_t parent, int contained, int *report) {
  setpgid(0, 0);
  if (parent_death_signal != 0) {
    if (prctl(PR_SET_PDEATHSIG, parent_death_signal) != 0) return errno;
    // The parent may have ended before the line above.
    if (getppid() != parent) return ESRCH;
  }
  if (namespace_descriptor >= 0 && setns(namespace_descriptor, CLONE_NEWNET) != 0) return errno;
  if (output >= 0 && (dup2(output, 1) < 0 || dup2(output, 2) < 0)) return errno;
  if (contained) {
    int code = contain(report);
    if (code != 0) return code;
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGPIPE, SIG_DFL);
  execvpe(arguments[0], arguments, environment);
  return errno;
}

int32_t pf_spawn(
    char *const *arguments, char *const *environment, int32_t namespace_descriptor, int32_t output,
    int32_t parent_death_signal, int32_t contained) {
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) return -errno;
  pid_t parent = getpid();
  pid_t child = fork();
  if (child == 0) {
    int code = become(
        arguments, environment, namespace_descriptor, output, parent_death_signal, parent, contained, report);
    if (write(report[1], &code, sizeof code) < 0) _exit(126);
    _exit(127);
  }
  int code = child < 0 ? errno : 0;
  close(report[1]);
  if (child > 0) {
    ssize_t count;
    // Ends at once when exec succeeds, since that closes the other end.
    do count = read(report[0], &code, sizeof code);
    while (count < 0 && errno == EINTR);
    if (count == (ssize_t)sizeof code)
      waitpid(child, NULL, 0);
    else
      code = 0;
  }
  close(report[0]);
  return code == 0 ? child : -code;
}

int32_t pf_process_descriptor(int32_t process) {
  long descriptor = syscall(SYS_pidfd_open, process, 0);
  return descriptor >= 0 ? (int32_t)descriptor : -errno;
}

int32_t pf_process_reap(int32_t process) {
  int status = 0;
  pid_t result = waitpid(process, &status, WNOHANG);
  if (result == 0) return -EAGAIN;
  if (result < 0) return -errno;
  return exit_code(status);
}
