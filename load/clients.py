#!/usr/bin/env python3
"""Clients that keep their connections, one process of them, and a ledger of what became of each request.

Started by the scripts that need it; prints a line of JSON at its end. Each connection has up to `--depth` requests under way:
1 is a client that waits for each answer, more is pipelining. A third of the requests are POSTs whose answer must hold what they sent.

    python3 load/clients.py --target 127.0.0.1:8080 --stream a --requests 10000 [--connections 32] [--depth 1] [--pause 0]

A request has failed when its connection ends without its answer, when the answer is no 2xx, is not the one to this request,
or does not come within the patience. Requests behind an answer with `Connection: close` are nobody's (RFC 9112 section 9.6): the
client sends them again on the next connection, with the same ID, and the servers' ledgers show whether one was read twice.
"""

import argparse
import collections
import errno
import json
import random
import select
import signal
import socket
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--target", required=True)
parser.add_argument("--stream", required=True, help="begins the IDs; STREAMg-N for GETs, STREAMp-N for POSTs")
parser.add_argument("--requests", type=int, required=True)
parser.add_argument("--connections", type=int, default=32)
parser.add_argument("--depth", type=int, default=1)
parser.add_argument("--pause", type=float, default=0, help="seconds between an answer and the next request, drawn up to twice this")
parser.add_argument("--patience", type=float, default=30)
parser.add_argument("--time", type=float, default=3600, help="no request begins after this")
parser.add_argument("--abort-share", type=float, default=0, help="share of requests within which the client aborts")
parser.add_argument("--tolerate", default="", help="statuses of POSTs that are no failure here, such as 502: counted apart")
parser.add_argument("--seed", type=int, default=1)
options = parser.parse_args()

host, port = options.target.rsplit(":", 1)
address = (host, int(port))
draw = random.Random(options.seed)
tolerated = {int(status) for status in options.tolerate.split(",") if status}
stopped = False
MAXIMUM_FAILURES_LISTED = 20


def stop(*_):
    global stopped
    stopped = True


signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)


class Tally:
    gets = posts = answered = 0
    refused = idle_closes = connects = handed_back = aborted = 0
    failed = {"g": [], "p": []}
    tolerated = {"g": [], "p": []}
    aborted_ids = {"g": [], "p": []}
    kinds = collections.Counter()
    examples = []
    generations = collections.Counter()


class Request:
    __slots__ = ("kind", "number", "bytes", "expected", "since", "aborts")

    def __init__(self, kind, number):
        self.kind, self.number, self.since = kind, number, 0.0
        identity = f"{options.stream}{kind}-{number}"
        self.aborts = draw.random() < options.abort_share
        if kind == "p":
            self.expected = identity.encode()
            self.bytes = (
                f"POST /echo HTTP/1.1\r\nHost: load\r\nX-Race-Id: {identity}\r\nContent-Length: {len(identity)}\r\n\r\n{identity}"
            ).encode()
        else:
            self.expected = None
            path = "/" if number % 3 else "/v1/bytes/700"
            self.bytes = f"GET {path} HTTP/1.1\r\nHost: load\r\nX-Race-Id: {identity}\r\n\r\n".encode()


waiting_again = collections.deque()


def next_request():
    if waiting_again:
        return waiting_again.popleft()
    total = Tally.gets + Tally.posts
    if total >= options.requests or stopped or time.monotonic() > ending:
        return None
    if total % 3 == 2:
        Tally.posts += 1
        return Request("p", Tally.posts - 1)
    Tally.gets += 1
    return Request("g", Tally.gets - 1)


def fail(request, kind):
    Tally.kinds[kind] += 1
    Tally.failed[request.kind].append(request.number)
    if len(Tally.examples) < MAXIMUM_FAILURES_LISTED:
        Tally.examples.append(f"{options.stream}{request.kind}-{request.number}: {kind}")


class Connection:
    def __init__(self):
        self.socket = None
        self.wake = 0.0
        self.connect()

    def connect(self):
        self.output, self.input, self.under_way = bytearray(), bytearray(), collections.deque()
        self.is_connected, self.closes, self.writes = False, False, True
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connect_began = time.monotonic()
        Tally.connects += 1
        code = self.socket.connect_ex(address)
        if code not in (0, errno.EINPROGRESS):
            Tally.refused += 1
            self.socket.close()
            self.socket, self.wake = None, time.monotonic() + 0.05
            return
        by_number[self.socket.fileno()] = self
        poller.register(self.socket, select.EPOLLIN | select.EPOLLOUT)

    def drop(self, abort=False):
        if self.socket is None:
            return
        del by_number[self.socket.fileno()]
        poller.unregister(self.socket)
        if abort:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()
        self.socket = None

    def lost(self, kind):
        """The connection has ended, or is no good any more. What is behind a `Connection: close` is sent again."""
        if not self.is_connected:
            Tally.refused += 1
        elif not self.under_way and not self.closes:
            Tally.idle_closes += 1
        for request in self.under_way:
            if self.closes:
                Tally.handed_back += 1
                waiting_again.append(request)
            elif self.is_connected:
                fail(request, kind)
            else:
                waiting_again.append(request)
        self.drop()
        self.wake = time.monotonic() + (0 if self.is_connected else 0.05)

    def fill(self, now):
        """Sends as many requests as may be under way."""
        if self.closes or now < self.wake:
            return
        while len(self.under_way) < options.depth:
            request = next_request()
            if request is None:
                break
            request.since = now
            self.under_way.append(request)
            self.output += request.bytes
            if request.aborts:
                return self.abort(request)
        if self.output:
            self.flush()

    def abort(self, request):
        """A client that hangs up within its request or before the answer: all that is under way has no known end."""
        if request.number % 2:
            del self.output[-9:]
        self.flush()
        if self.socket is None:
            return
        Tally.aborted += len(self.under_way)
        for other in self.under_way:
            Tally.aborted_ids[other.kind].append(other.number)
        self.under_way.clear()
        self.drop(abort=request.number % 3 == 0)

    def flush(self):
        try:
            sent = self.socket.send(self.output)
            del self.output[:sent]
        except BlockingIOError:
            pass
        except OSError as error:
            return self.lost(f"write: {errno.errorcode.get(error.errno, error.errno)}")
        wants = bool(self.output)
        if wants != self.writes:
            self.writes = wants
            poller.modify(self.socket, select.EPOLLIN | (select.EPOLLOUT if wants else 0))

    def ready(self, events, now):
        if not self.is_connected:
            code = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                return self.lost("connect")
            if not events & select.EPOLLOUT:
                return
            self.is_connected = True
            self.fill(now)
            if self.socket is not None and self.writes and not self.output:
                self.writes = False
                poller.modify(self.socket, select.EPOLLIN)
            return
        if events & select.EPOLLOUT and self.output:
            self.flush()
            if self.socket is None:
                return
        try:
            data = self.socket.recv(262144)
        except BlockingIOError:
            return
        except OSError as error:
            return self.lost(f"reset ({errno.errorcode.get(error.errno, error.errno)})")
        if not data:
            return self.lost("closed within the answer" if self.input else "closed without an answer")
        self.input += data
        self.read(now)

    def read(self, now):
        while self.under_way:
            end = self.input.find(b"\r\n\r\n")
            if end < 0:
                break
            head = bytes(self.input[: end + 2]).lower()
            status = int(head[9:12])
            at = head.find(b"\r\ncontent-length:")
            if at < 0:
                fail(self.under_way.popleft(), f"status {status} without a length")
                return self.lost("behind an answer without a length")
            length = int(head[at + 17 : head.find(b"\r\n", at + 17)])
            if len(self.input) < end + 4 + length:
                break
            body = bytes(self.input[end + 4 : end + 4 + length])
            del self.input[: end + 4 + length]
            self.answered(self.under_way.popleft(), status, head, body)
            if b"\r\nconnection: close" in head:
                self.closes = True
                return self.lost("")
            if options.pause:
                self.wake = now + draw.uniform(0, 2 * options.pause)
        if self.input and not self.under_way:
            Tally.kinds["unasked answer"] += 1
            self.closes = True
            return self.lost("")
        self.fill(now)

    def answered(self, request, status, head, body):
        if not 200 <= status < 300:
            if request.kind == "p" and status in tolerated:
                Tally.tolerated["p"].append(request.number)
                Tally.kinds[f"tolerated {status}"] += 1
                return
            at = head.find(b"\r\nproxy-status:")
            detail = head[at + 15 : head.find(b"\r\n", at + 2)].decode(errors="replace") if at >= 0 else ""
            return fail(request, f"status {status}{detail}")
        if request.expected is not None and body != request.expected:
            return fail(request, f"another's answer: {body[:60]!r}")
        Tally.answered += 1
        at = head.find(b"\r\nx-generation:")
        if at >= 0:
            Tally.generations[head[at + 15 : head.find(b"\r\n", at + 2)].strip().decode()] += 1


poller, by_number = select.epoll(), {}
began = time.monotonic()
ending = began + options.time
connections = [Connection() for _ in range(options.connections)]
last_look = began
while True:
    for number, events in poller.poll(0.05):
        connection = by_number.get(number)
        if connection is not None:
            connection.ready(events, time.monotonic())
    now = time.monotonic()
    if options.pause or now - last_look > 0.02:
        last_look = now
        is_over = (stopped or now > ending or Tally.gets + Tally.posts >= options.requests) and not waiting_again
        for connection in connections:
            if connection.socket is None:
                if now >= connection.wake and not is_over:
                    connection.connect()
            elif connection.under_way and now - connection.under_way[0].since > options.patience:
                connection.lost("no answer in time")
            elif not connection.is_connected and now - connection.connect_began > options.patience:
                connection.lost("connect")
            elif connection.is_connected:
                connection.fill(now)
        if is_over and not any(c.socket is not None and c.under_way for c in connections):
            break

print(
    json.dumps(
        {
            "stream": options.stream, "gets": Tally.gets, "posts": Tally.posts, "answered": Tally.answered,
            "failed": Tally.failed, "tolerated": Tally.tolerated, "aborted": Tally.aborted_ids,
            "kinds": dict(Tally.kinds), "examples": Tally.examples, "refused": Tally.refused,
            "idle_closes": Tally.idle_closes, "connects": Tally.connects, "handed_back": Tally.handed_back,
            "generations": dict(Tally.generations), "seconds": time.monotonic() - began,
        }
    ),
    flush=True,
)
