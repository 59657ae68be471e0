"""Programs under load: starting and ending them, their memory and descriptors, and the joining of ledgers."""

import http.client
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
# No program takes longer to say that it is there, or to end when it is asked to.
START_LIMIT = 30
END_LIMIT = 60


def raise_descriptor_limit():
    """As many descriptors as this process may have; returns how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def release_build(script):
    """The path of the release build, made if need be."""
    build = ["swift", "build", "-c", "release", "--package-path", str(ROOT)]
    if subprocess.run([*build, "--product", "photofinish"], stdout=sys.stderr).returncode != 0:
        sys.exit(f"{script}: the build failed")
    return subprocess.check_output([*build, "--show-bin-path"], text=True).strip() + "/photofinish"


def need(script, *programs):
    for program in programs:
        if shutil.which(program) is None:
            sys.exit(f"{script}: {program} is missing; script/bootstrap test installs it")


def free_ports(count, host="127.0.0.1"):
    """Ports that nobody has now, and that no client will get: one that is let go of for a while must be there again.

    The kernel gives clients ports of a range of its own; these lie below it.
    """
    lowest = int(open("/proc/sys/net/ipv4/ip_local_port_range").read().split()[0])
    candidates = list(range(max(2048, lowest // 2), lowest)) or list(range(2048, 65535))
    random.SystemRandom().shuffle(candidates)
    ports = []
    for port in candidates:
        with socket.socket() as holder:
            try:
                holder.bind((host, port))
                ports.append(port)
            except OSError:
                continue
        if len(ports) == count:
            return ports
    raise RuntimeError("there are no free ports")


class Program:
    """A process of ours. What it writes is kept in a file, and `wait_for` waits for a line in it."""

    def __init__(self, name, arguments, directory):
        self.name = name
        self.log = pathlib.Path(directory) / f"{name}.log"
        self.output = open(self.log, "wb", buffering=0)
        self.process = subprocess.Popen(arguments, stdout=self.output, stderr=self.output, stdin=subprocess.DEVNULL)

    @property
    def pid(self):
        return self.process.pid

    @property
    def runs(self):
        return self.process.poll() is None

    def text(self):
        return self.log.read_text(errors="replace")

    def wait_for(self, words, occurrences=1):
        deadline = time.monotonic() + START_LIMIT
        while self.text().count(words) < occurrences:
            if not self.runs:
                raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{self.text()[-3000:]}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not say '{words}' within {START_LIMIT} s:\n{self.text()[-3000:]}")
            time.sleep(0.01)

    def send(self, number):
        self.process.send_signal(number)

    def end(self, number=signal.SIGTERM):
        """Asks it to end; returns its exit code, or None when it had to be killed."""
        if self.runs:
            self.process.send_signal(number)
        try:
            return self.process.wait(END_LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None
        finally:
            self.output.close()

    # What the kernel says of it.

    def memory_kib(self):
        for line in open(f"/proc/{self.pid}/status"):
            if line.startswith("VmRSS"):
                return int(line.split()[1])
        return 0

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


class Watch(threading.Thread):
    """Samples memory and descriptors of a program each second."""

    def __init__(self, program, period=1.0):
        super().__init__(daemon=True)
        self.program = program
        self.period = period
        self.samples = []
        self.began = time.monotonic()
        self.ended = threading.Event()
        self.start()

    def run(self):
        while not self.ended.is_set():
            try:
                self.samples.append(
                    (time.monotonic() - self.began, self.program.memory_kib(), self.program.descriptors()))
            except (FileNotFoundError, ProcessLookupError):
                return
            self.ended.wait(self.period)

    def stop(self):
        self.ended.set()
        self.join()
        return self.samples


def start_origin(binary, name, port, directory, *verbs, host="127.0.0.1", ledger=None):
    arguments = [binary, "origin", "--listen", f"{host}:{port}", "--end-with-parent"]
    if ledger:
        arguments += ["--ledger", str(ledger)]
    origin = Program(name, [*arguments, *verbs], directory)
    origin.port, origin.host = port, host
    origin.wait_for("origin on http://")
    return origin


class Ledger:
    """How often servers have read each request. IDs are `STREAM-NUMBER`, numbered from 0 in each stream."""

    LINE = re.compile(rb'^\{"id":"([^"-]+)-(\d+)"')

    def __init__(self):
        self.times = {}
        self.entries = 0

    def add(self, line):
        match = self.LINE.match(line)
        if not match:
            return
        counts = self.times.setdefault(match[1].decode(), bytearray())
        number = int(match[2])
        if number >= len(counts):
            counts.extend(bytes(number + 1 - len(counts)))
        counts[number] = min(255, counts[number] + 1)
        self.entries += 1

    def read_server(self, host, port):
        connection = http.client.HTTPConnection(host, port, timeout=120)
        connection.request("GET", "/__ledger")
        response = connection.getresponse()
        for line in response:
            self.add(line)
        response.read()
        connection.request("GET", "/__counters")
        counters = connection.getresponse().read()
        if b'"unrecorded":0' not in counters:
            raise RuntimeError(f"the ledger of {host}:{port} is full: {counters.decode()}")
        connection.close()

    def read_file(self, path):
        with open(path, "rb") as file:
            for line in file:
                self.add(line)

    def of(self, stream, number):
        counts = self.times.get(stream, b"")
        return counts[number] if number < len(counts) else 0


class Joined:
    """What the clients saw beside what the servers read."""

    def __init__(self):
        self.sent = self.answered = self.failed = 0
        self.lost = self.twice = self.twice_idempotent = self.answered_not_applied = 0
        self.refused = 0
        self.examples = []

    def add(self, stream, sent, failed, ledger):
        """A stream whose every request has a known end. `failed`: numbers of those that were not answered well.

        A stream whose name ends in `p` holds requests that are not idempotent.
        """
        self.sent += sent
        self.failed += len(failed)
        self.answered += sent - len(failed)
        for number in range(sent):
            times = ledger.of(stream, number)
            if times == 1:
                continue
            if times > 1:
                self.note("read twice", stream, number)
                if stream.endswith("p"):
                    self.twice += 1
                else:
                    self.twice_idempotent += 1
            elif number in failed:
                self.lost += 1
            else:
                self.answered_not_applied += 1
                self.note("answered and not read", stream, number)

    def add_counted(self, stream, sent, answered, open_limit, ledger):
        """A stream of which only sums are known (wrk's): at most `open_limit` may have been under way at its end."""
        self.sent += sent
        self.answered += answered
        counts = ledger.times.get(stream, b"")
        applied = sum(1 for count in counts[:sent] if count)
        for number, count in enumerate(counts[:sent]):
            if count > 1:
                self.note("read twice", stream, number)
                if stream.endswith("p"):
                    self.twice += 1
                else:
                    self.twice_idempotent += 1
        self.lost += max(0, sent - applied - open_limit)
        self.answered_not_applied += max(0, answered - applied)

    def note(self, what, stream, number):
        if len(self.examples) < 20:
            self.examples.append(f"{stream}-{number}: {what}")


def make_empty(directory):
    """Makes a directory for logs, or takes the ledgers of an earlier run out of it: this one would add to them."""
    os.makedirs(directory, exist_ok=True)
    for file in pathlib.Path(directory).glob("journal*"):
        file.unlink()
