// The floor of the benchmark: a proxy that copies bytes and knows no HTTP.
//
// One thread on epoll. Each client connection is joined to one upstream connection for its whole life, and what arrives on
// the one is written to the other. No proxy that reads and writes through the same system calls can be much cheaper.
//
//   floor LISTEN_PORT UPSTREAM_PORT          both on 127.0.0.1
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CHUNK = 65536, EVENTS = 256 };

// One end of a pair. What could not be written yet waits in `pending`, and its source is not read until it is gone.
struct end {
  int descriptor;
  struct end *other;
  char *pending;
  size_t pending_offset, pending_length;
  int finished;  // it sent its FIN
  int closed;
};

static int poller;
static char chunk[CHUNK];

static void die(const char *what) {
  perror(what);
  exit(1);
}

static struct sockaddr_in loopback(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

static void watch(int descriptor, void *context, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = context};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &event) < 0) die("epoll_ctl");
}

// Both ends go together. They are freed by the caller after the batch of events, in which they may still be named.
static struct end *graveyard[EVENTS * 2];
static int graves;

static void close_pair(struct end *end) {
  for (int side = 0; side < 2; side++, end = end->other) {
    if (end->closed) continue;
    end->closed = 1;
    close(end->descriptor);
    graveyard[graves++] = end;
  }
}

// Writes what waits for `to`. Returns 0 when something still waits, -1 on an error.
static int flush(struct end *to) {
  while (to->pending_length > 0) {
    ssize_t count = write(to->descriptor, to->pending + to->pending_offset, to->pending_length);
    if (count < 0) return errno == EAGAIN ? 0 : -1;
    to->pending_offset += count;
    to->pending_length -= count;
  }
  free(to->pending);
  to->pending = NULL;
  return 1;
}

static void copy(struct end *from) {
  struct end *to = from->other;
  while (to->pending_length == 0) {
    ssize_t count = read(from->descriptor, chunk, CHUNK);
    if (count < 0) {
      if (errno == EAGAIN) return;
      close_pair(from);
      return;
    }
    if (count == 0) {
      from->finished = 1;
      if (to->finished) close_pair(from); else shutdown(to->descriptor, SHUT_WR);
      return;
    }
    ssize_t written = write(to->descriptor, chunk, count);
    if (written < 0 && errno != EAGAIN && errno != ENOTCONN) {
      close_pair(from);
      return;
    }
    if (written < 0) written = 0;
    if (written < count) {
      to->pending_length = count - written;
      to->pending_offset = 0;
      to->pending = malloc(to->pending_length);
      if (to->pending == NULL) die("malloc");
      memcpy(to->pending, chunk + written, to->pending_length);
      return;
    }
    if (count < CHUNK) return;
  }
}

static void join(int client, int upstream_port) {
  int one = 1;
  int upstream = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in address = loopback(upstream_port);
  if (upstream < 0 || (connect(upstream, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS)) {
    close(client);
    if (upstream >= 0) close(upstream);
    return;
  }
  setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(upstream, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct end *near = calloc(1, sizeof *near), *far = calloc(1, sizeof *far);
  if (near == NULL || far == NULL) die("calloc");
  *near = (struct end){.descriptor = client, .other = far};
  *far = (struct end){.descriptor = upstream, .other = near};
  watch(client, near, EPOLLIN | EPOLLOUT | EPOLLET);
  watch(upstream, far, EPOLLIN | EPOLLOUT | EPOLLET);
}

int main(int count, char **arguments) {
  if (count != 3) {
    fprintf(stderr, "usage: floor LISTEN_PORT UPSTREAM_PORT\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  int upstream_port = atoi(arguments[2]);
  int one = 1;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in address = loopback(atoi(arguments[1]));
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0) die("bind");
  if (listen(listener, 4096) < 0) die("listen");
  poller = epoll_create1(0);
  watch(listener, NULL, EPOLLIN);

  for (;;) {
    struct epoll_event events[EVENTS];
    int ready = epoll_wait(poller, events, EVENTS, -1);
    if (ready < 0 && errno != EINTR) die("epoll_wait");
    for (int index = 0; index < ready; index++) {
      struct end *end = events[index].data.ptr;
      if (end == NULL) {
        for (int client; (client = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) join(client, upstream_port);
        continue;
      }
      if (!end->closed && (events[index].events & EPOLLOUT) && end->pending_length > 0) {
        int state = flush(end);
        if (state < 0) close_pair(end); else if (state > 0) copy(end->other);
      }
      if (!end->closed && (events[index].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) copy(end);
    }
    while (graves > 0) {
      struct end *end = graveyard[--graves];
      free(end->pending);
      free(end);
    }
  }
}
