#define _GNU_SOURCE
#include "CPassing.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
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

int32_t pf_start_successor(char *const *arguments, const char *left_out) {
  size_t count = 0;
  while (environ[count]) count++;
  char **environment = calloc(count + 1, sizeof *environment);
  if (!environment) return -ENOMEM;
  size_t kept = 0;
  for (size_t index = 0; index < count; index++)
    if (strncmp(environ[index], left_out, strlen(left_out)) != 0) environment[kept++] = environ[index];
  posix_spawnattr_t attributes;
  int code = posix_spawnattr_init(&attributes);
  if (code != 0) {
    free(environment);
    return -code;
  }
  sigset_t none, standard;
  sigemptyset(&none);
  sigemptyset(&standard);
  sigaddset(&standard, SIGPIPE);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &standard);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t child = -1;
  code = posix_spawnp(&child, arguments[0], NULL, &attributes, arguments, environment);
  free(environment);
  posix_spawnattr_destroy(&attributes);
  return code == 0 ? child : -code;
}
