#define _GNU_SOURCE
#include "CPassing.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

union control {
  struct cmsghdr header;
  char bytes[CMSG_SPACE(sizeof(int) * PF_MOST_DESCRIPTORS)];
};

int32_t pf_send_descriptors(int32_t socket, const int32_t *numbers, int32_t count) {
  if (count < 1 || count > PF_MOST_DESCRIPTORS) return -EINVAL;
  char byte = 'S';
  struct iovec vector = {.iov_base = &byte, .iov_len = 1};
  union control control;
  memset(&control, 0, sizeof control);
  struct msghdr message = {
      .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.bytes,
      .msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count)};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
  memcpy(CMSG_DATA(header), numbers, sizeof(int) * (size_t)count);
  ssize_t result;
  do result = sendmsg(socket, &message, MSG_NOSIGNAL);
  while (result < 0 && errno == EINTR);
  return result == 1 ? 0 : -errno;
}

int32_t pf_receive_descriptors(int32_t socket, int32_t *numbers, int32_t capacity) {
  char byte = 0;
  struct iovec vector = {.iov_base = &byte, .iov_len = 1};
  union control control;
  struct msghdr message = {
      .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  ssize_t result;
  do result = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  while (result < 0 && errno == EINTR);
  if (result < 0) return -errno;
  if (result == 0) return -ENODATA;
  int32_t count = 0;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t received = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t index = 0; index < received; index++) {
      int number;
      memcpy(&number, CMSG_DATA(header) + index * sizeof(int), sizeof number);
      if (count < capacity)
        numbers[count++] = number;
      else
        close(number);
    }
  }
  if ((message.msg_flags & MSG_CTRUNC) != 0) {
    // The limit of descriptors, most likely: some are lost, and half a group is none.
    while (count > 0) close(numbers[--count]);
    return -EMFILE;
  }
  return count;
}

static int32_t option(int32_t socket, int name) {
  int value = 0;
  socklen_t length = sizeof value;
  return getsockopt(socket, SOL_SOCKET, name, &value, &length) == 0 ? value : -errno;
}

int32_t pf_is_listening(int32_t socket) {
  int32_t type = option(socket, SO_TYPE);
  if (type < 0) return type;
  return type == SOCK_STREAM && option(socket, SO_ACCEPTCONN) == 1 ? 1 : 0;
}

int32_t pf_shares_port(int32_t socket) { return option(socket, SO_REUSEPORT) == 1 ? 1 : 0; }

int32_t pf_adopt_descriptor(int32_t number) {
  int flags = fcntl(number, F_GETFL);
  if (flags < 0 || fcntl(number, F_SETFL, flags | O_NONBLOCK) < 0) return -errno;
  return fcntl(number, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
}

int32_t pf_set_mode(int32_t socket, uint32_t mode) { return fchmod(socket, mode) == 0 ? 0 : -errno; }

int32_t pf_peer_process(int32_t socket) {
  struct ucred peer;
  socklen_t length = sizeof peer;
  return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 ? peer.pid : -errno;
}

/* Runs in a child of this process, so it allocates nothing. What it starts comes under the first process when that child ends. */
static int32_t start(char *const *arguments, char *const *environment) {
  posix_spawnattr_t attributes;
  int code = posix_spawnattr_init(&attributes);
  if (code != 0) return -code;
  sigset_t none, standard;
  sigemptyset(&none);
  sigemptyset(&standard);
  sigaddset(&standard, SIGPIPE);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &standard);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t process = -1;
  code = posix_spawnp(&process, arguments[0], NULL, &attributes, arguments, environment);
  posix_spawnattr_destroy(&attributes);
  return code == 0 ? process : -code;
}

/* Has a child start the program, tell its number, and end. */
static int32_t start_detached(char *const *arguments, char *const *environment) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return -errno;
  pid_t child = fork();
  if (child == 0) {
    int32_t result = start(arguments, environment);
    _exit(write(ends[1], &result, sizeof result) == sizeof result ? 0 : 1);
  }
  int32_t result = child < 0 ? -errno : -ECHILD;
  close(ends[1]);
  if (child > 0) {
    ssize_t count;
    do count = read(ends[0], &result, sizeof result);
    while (count < 0 && errno == EINTR);
    if (count != sizeof result) result = -ECHILD;
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) continue;
  }
  close(ends[0]);
  return result;
}

int32_t pf_start_successor(char *const *arguments, const char *left_out) {
  size_t count = 0;
  while (environ[count]) count++;
  char **environment = calloc(count + 1, sizeof *environment);
  if (!environment) return -ENOMEM;
  size_t kept = 0;
  for (size_t index = 0; index < count; index++)
    if (strncmp(environ[index], left_out, strlen(left_out)) != 0) environment[kept++] = environ[index];
  int32_t result = start_detached(arguments, environment);
  free(environment);
  return result;
}

int32_t pf_process_has_ended(int32_t process) {
  /* It is this process's child after all when this is the first process of a container. */
  if (waitpid(process, NULL, WNOHANG) == process) return 1;
  int descriptor = (int)syscall(SYS_pidfd_open, process, 0);
  if (descriptor < 0) return errno == ESRCH;
  struct pollfd end = {.fd = descriptor, .events = POLLIN};
  int count = poll(&end, 1, 0);
  close(descriptor);
  return count == 1;
}
