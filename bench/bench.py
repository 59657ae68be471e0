"""Measures what a proxied request costs: photofinish beside nginx, HAProxy and a byte copier that knows no HTTP.

The proxies run one at a time, in turn, several rounds long, each on one thread pinned to one core; the origin and the
driver (wrk) share the other cores. CPU time is the proxy's own, from /proc; a core that somebody else used meanwhile is
shown as noise. Called by script/bench, which installs and builds what is needed.
"""

import argparse
import datetime
import json
import math
import os
import platform
import re
import resource
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = ["floor", "nginx", "haproxy"]
BODIES = {"small": "/small", "100KiB": "/large"}
TICKS = os.sysconf("SC_CLK_TCK")
IDLE_CONNECTIONS = 10_000


class Failure(Exception):
    """Something that the person who runs the benchmark must see to."""


# Processes and their cost


def process_tree(root):
    """The process and all that it started."""
    children = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    tree, waiting = [], [root]
    while waiting:
        tree.append(waiting.pop())
        waiting += children.get(tree[-1], [])
    return tree


def cpu_seconds(root):
    """(user, system) of a process and its children. The scheduler's exact run time, split as the tick counters say."""
    exact = user = system = 0.0
    for process in process_tree(root):
        for task in os.listdir(f"/proc/{process}/task"):
            with open(f"/proc/{process}/task/{task}/schedstat") as file:
                exact += int(file.read().split()[0]) / 1e9
            with open(f"/proc/{process}/task/{task}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
            user += int(fields[11]) / TICKS
            system += int(fields[12]) / TICKS
    return exact, user, system


def core_busy_seconds(core):
    """Time that a core spent on anything at all."""
    with open("/proc/stat") as file:
        for line in file:
            if line.startswith(f"cpu{core} "):
                values = [int(value) for value in line.split()[1:9]]
                return (sum(values) - values[3] - values[4]) / TICKS
    raise Failure(f"/proc/stat knows no core {core}")


def memory_kilobytes(root):
    """(resident, of it private to the process and not backed by a file)."""
    resident = anonymous = 0
    for process in process_tree(root):
        with open(f"/proc/{process}/status") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    resident += int(line.split()[1])
                elif line.startswith("RssAnon:"):
                    anonymous += int(line.split()[1])
    return resident, anonymous


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Running:
    """A program that was started and is listening; ended when the block is left."""

    def __init__(self, name, command, port, core, directory):
        self.name, self.port = name, port
        self.log_path = os.path.join(directory, f"{name}.out")
        pin = ["taskset", "--cpu-list", core] if core else []
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                pin + command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)

    def __enter__(self):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                time.sleep(0.02)
        self.__exit__()
        with open(self.log_path, errors="replace") as log:
            raise Failure(f"{self.name} did not start; it said:\n{log.read().strip() or '(nothing)'}")

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                # Its own session holds nothing but what it started.
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


# The programs


class Setup:
    def __init__(self, options, directory):
        self.options, self.directory = options, directory
        self.cores = sorted(os.sched_getaffinity(0))
        if len(self.cores) < 2:
            print("warning: only one core, so the proxy shares it with the load", file=sys.stderr)
            self.proxy_core, self.load_cores = str(self.cores[0]), str(self.cores[0])
        else:
            self.proxy_core = str(self.cores[-1])
            self.load_cores = ",".join(map(str, self.cores[:-1]))
        self.origin_port = free_port()
        self.descriptors = descriptor_limit()
        needed = max(1_000, options.idle) + 500
        if self.descriptors < needed:
            raise Failure(f"{needed} descriptors are needed and the limit is {self.descriptors}; raise `ulimit -Hn`")

    def write_files(self):
        os.chmod(self.directory, 0o755)
        files = os.path.join(self.directory, "files")
        os.mkdir(files)
        with open(os.path.join(files, "large"), "wb") as file:
            file.write(bytes(range(32, 127)) * (100 * 1024 // 95 + 1))
            file.truncate(100 * 1024)

    def configuration(self, name, port):
        with open(os.path.join(HERE, name)) as file:
            text = file.read()
        logging = self.options.access_log
        log = os.path.join(self.directory, "nginx-access.log")
        values = {
            "DIRECTORY": self.directory, "PORT": str(port), "UPSTREAM": str(self.origin_port),
            "DESCRIPTORS": str(self.descriptors),
            "NGINX_ACCESS_LOG": log if logging else "off",
            "HAPROXY_LOG": "log stdout format raw local0" if logging else "",
            "HAPROXY_OPTION": "log global\n  option httplog" if logging else "",
        }
        for key, value in values.items():
            text = text.replace(f"@{key}@", value)
        path = os.path.join(self.directory, name)
        with open(path, "w") as file:
            file.write(text)
        return path

    def origin(self):
        path = self.configuration("origin.conf", self.origin_port)
        return Running("origin", ["nginx", "-c", path], self.origin_port, self.load_cores, self.directory)

    def proxy(self, name):
        port = free_port()
        if name == "floor":
            command = [self.options.floor, str(port), str(self.origin_port)]
        elif name == "nginx":
            command = ["nginx", "-c", self.configuration("nginx.conf", port)]
        elif name == "haproxy":
            command = ["haproxy", "-db", "-f", self.configuration("haproxy.cfg", port)]
        else:
            command = [
                self.options.photofinish, "serve", "--listen", f"127.0.0.1:{port}",
                "--upstream", f"http://127.0.0.1:{self.origin_port}", "--threads", "1",
            ] + shlex.split(self.options.photofinish_flags)
        return Running(name, command, port, self.proxy_core, self.directory)


# Load


UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 60e3}


def milliseconds(text):
    match = re.fullmatch(r"([0-9.]+)(us|ms|s|m)", text)
    # wrk prints "-nan" now and then; that run then has no such figure.
    return float(match[1]) * UNITS[match[2]] if match else math.nan


def drive(setup, port, path, connections, seconds):
    """One run of wrk: requests answered, per second, latencies in ms, and what went wrong."""
    command = [
        "taskset", "--cpu-list", setup.load_cores, "wrk", "--threads", "1", "--connections", str(connections),
        "--duration", f"{seconds}s", "--timeout", "10s", "--latency", f"http://127.0.0.1:{port}{path}",
    ]
    run = subprocess.run(command, capture_output=True, text=True)
    text = run.stdout
    requests = re.search(r"(\d+) requests in", text)
    if run.returncode != 0 or not requests or int(requests[1]) == 0:
        raise Failure(f"wrk got no answers from port {port}:\n{text}{run.stderr}")
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    return {
        "requests": int(requests[1]),
        "per_second": float(re.search(r"Requests/sec:\s+([0-9.]+)", text)[1]),
        "p50_ms": milliseconds(re.search(r"50%\s+(\S+)", text)[1]),
        "p99_ms": milliseconds(re.search(r"99%\s+(\S+)", text)[1]),
        "failed": (int(wrong[1]) if wrong else 0) + (sum(map(int, errors.groups())) if errors else 0),
    }


def measure(setup, proxy, path, connections, seconds):
    drive(setup, proxy.port, path, connections, 1)
    root = proxy.process.pid
    busy = core_busy_seconds(setup.proxy_core)
    exact, user, system = cpu_seconds(root)
    result = drive(setup, proxy.port, path, connections, seconds)
    exact_after, user_after, system_after = cpu_seconds(root)
    spent, user, system = exact_after - exact, user_after - user, system_after - system
    others = max(0.0, core_busy_seconds(setup.proxy_core) - busy - spent)
    total = spent * 1e6 / result["requests"]
    share = user / (user + system) if user + system > 0 else 0.0
    result |= {
        "cpu_us": total, "user_us": total * share, "system_us": total * (1 - share),
        "noise": others / (others + spent) if others + spent > 0 else 0.0,
    }
    return result


def hold_idle(port, count):
    """Opens `count` kept-alive connections, gets one answer on each, and keeps them."""
    held = []
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", port), timeout=10)
        connection.sendall(b"GET /small HTTP/1.1\r\nHost: bench\r\n\r\n")
        answer = b""
        while not answer.endswith(b"packet.\n"):
            part = connection.recv(4096)
            if not part:
                raise Failure(f"a connection was closed after {len(held)} of {count}: {answer[:200]!r}")
            answer += part
        held.append(connection)
    return held


def measure_memory(setup, name, count):
    if name == "floor":
        # It keeps an upstream connection for each client's, so that half as many fit.
        count = min(count, (setup.descriptors - 200) // 2)
    with setup.proxy(name) as proxy:
        for connection in hold_idle(proxy.port, 10):
            connection.close()
        time.sleep(0.5)
        _, before = memory_kilobytes(proxy.process.pid)
        held = hold_idle(proxy.port, count)
        time.sleep(1)
        resident, after = memory_kilobytes(proxy.process.pid)
        for connection in held:
            connection.close()
    return {
        "connections": count, "resident_kib": resident, "anonymous_kib": after,
        "bytes_per_connection": (after - before) * 1024 / count,
    }


# Results


COLUMNS = ["cpu_us", "user_us", "system_us", "per_second", "p50_ms", "p99_ms", "noise"]


def medians(runs):
    known = {column: [run[column] for run in runs if not math.isnan(run[column])] for column in COLUMNS}
    summary = {column: statistics.median(values or [math.nan]) for column, values in known.items()}
    summary["failed"] = sum(run["failed"] for run in runs)
    summary["cpu_us_low"] = min(run["cpu_us"] for run in runs)
    summary["cpu_us_high"] = max(run["cpu_us"] for run in runs)
    return summary


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|---" + "|---:" * (len(header) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def report(results):
    """The results as Markdown."""
    parts = []
    for case, by_proxy in results["cases"].items():
        rows = []
        for name, value in by_proxy.items():
            rows.append([
                name, f"{value['cpu_us']:.1f} ({value['cpu_us_low']:.1f} to {value['cpu_us_high']:.1f})",
                f"{value['user_us']:.1f}", f"{value['system_us']:.1f}",
                f"{value['per_second']:,.0f}", f"{value['p50_ms']:.2f}", f"{value['p99_ms']:.2f}",
                str(value["failed"]), f"{value['noise'] * 100:.0f} %",
            ])
        header = [
            case, "CPU us/request", "user", "system", "requests/s", "p50 ms", "p99 ms", "failed", "others on the core"
        ]
        parts.append(table(header, rows))
    ours = "photofinish"
    if all(ours in by_proxy for by_proxy in results["cases"].values()):
        others = [name for name in results["proxies"] if name != ours]
        rows = [
            [case] + [f"{by_proxy[ours]['cpu_us'] / by_proxy[name]['cpu_us']:.2f}" for name in others]
            for case, by_proxy in results["cases"].items()
        ]
        parts.append(table(["CPU of photofinish to that of"] + others, rows))
    if results["memory"]:
        rows = [
            [
                name, f"{value['connections']:,}", f"{value['resident_kib'] / 1024:.1f}",
                f"{value['bytes_per_connection']:,.0f}",
            ]
            for name, value in results["memory"].items()
        ]
        parts.append(table(["Idle clients", "connections", "resident MiB", "user memory, bytes each"], rows))
    return "\n\n".join(parts) + "\n"


def without_nan(value):
    """JSON has no word for a figure that is missing but null."""
    if isinstance(value, dict):
        return {key: without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [without_nan(inner) for inner in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def version(command):
    run = subprocess.run(command, capture_output=True, text=True)
    match = re.search(r"\d+\.\d+[\w.~+-]*", run.stdout + run.stderr)
    return match[0] if match else "?"


def environment(options, proxies):
    versions = {"wrk": version(["wrk", "-v"]), "nginx": version(["nginx", "-v"])}
    if "haproxy" in proxies:
        versions["haproxy"] = version(["haproxy", "-v"])
    if "photofinish" in proxies:
        versions["photofinish"] = version([options.photofinish, "--version"])
        git = subprocess.run(["git", "-C", HERE, "describe", "--always", "--dirty"], capture_output=True, text=True)
        versions["commit"] = git.stdout.strip() or "?"
    with open("/proc/cpuinfo") as file:
        model = re.search(r"model name\s*: (.*)", file.read())
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "kernel": platform.release(), "processor": model[1] if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)), "load_average": os.getloadavg()[0], "versions": versions,
        "access_log": options.access_log,
    }


def parse():
    parser = argparse.ArgumentParser(
        prog="script/bench", description="CPU per proxied request, throughput, latency and memory, beside the peers.")
    parser.add_argument("--quick", action="store_true", help="one short round: shows that all works, measures nothing")
    parser.add_argument("--peers", action="store_true", help="measure the floor, nginx and HAProxy only")
    parser.add_argument("--only", metavar="NAMES", help="these proxies only, separated by commas")
    parser.add_argument("--cases", metavar="TEXT", default="", help="only the cases whose name contains this")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="rounds over all proxies (default 5)")
    parser.add_argument("--seconds", type=int, default=5, metavar="N", help="length of one run (default 5)")
    parser.add_argument("--idle", type=int, metavar="N", help="idle connections for the memory (default 10,000; 0: none)")
    parser.add_argument("--access-log", action="store_true", help="write access logs in all of them")
    parser.add_argument("--photofinish-flags", default="", metavar="FLAGS", help="further flags for `photofinish serve`")
    parser.add_argument("--output", metavar="FOLDER", help="where to write the results (default: a new temporary folder)")
    parser.add_argument("--floor", help=argparse.SUPPRESS)
    parser.add_argument("--photofinish", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 1
    if options.idle is None:
        options.idle = 1_000 if options.quick else IDLE_CONNECTIONS
    return options


def descriptor_limit():
    """Raises this process's limit, which those that it starts inherit, as far as it may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return limit


def run(options, directory):
    proxies = options.only.split(",") if options.only else PEERS + ([] if options.peers else ["photofinish"])
    unknown = set(proxies) - set(PEERS) - {"photofinish"}
    if unknown:
        raise Failure(f"unknown proxy {', '.join(sorted(unknown))}; known are {', '.join(PEERS)} and photofinish")
    cases = {
        f"{body}, {connections} connections": (path, connections)
        for body, path in BODIES.items() for connections in (64, 1000)
    }
    cases = {name: case for name, case in cases.items() if options.cases in name}
    if not cases:
        raise Failure(f"no case contains {options.cases!r}")
    setup = Setup(options, directory)
    setup.write_files()
    runs = {case: {name: [] for name in proxies} for case in cases}
    memory = {}
    conditions = environment(options, proxies)
    with setup.origin():
        for round_number in range(options.rounds):
            # Another proxy begins each round, so that none always runs in the same neighbour's wake.
            turn = round_number % len(proxies)
            for case, (path, connections) in cases.items():
                for name in proxies[turn:] + proxies[:turn]:
                    with setup.proxy(name) as proxy:
                        result = measure(setup, proxy, path, connections, options.seconds)
                    runs[case][name].append(result)
                    print(
                        f"round {round_number + 1}/{options.rounds}  {case:24}  {name:12} "
                        f"{result['cpu_us']:6.1f} us  {result['per_second']:9,.0f}/s  p99 {result['p99_ms']:.2f} ms"
                        + (f"  FAILED {result['failed']}" if result["failed"] else ""), flush=True)
        if options.idle:
            for name in proxies:
                memory[name] = measure_memory(setup, name, options.idle)
                print(f"memory  {name:12} {memory[name]['bytes_per_connection']:,.0f} bytes per idle client", flush=True)
    results = {
        "environment": conditions, "proxies": proxies, "runs": runs, "memory": memory,
        "cases": {case: {name: medians(list_) for name, list_ in by.items()} for case, by in runs.items()},
    }
    text = report(results)
    for name, content in (("results.json", json.dumps(without_nan(results), indent=2)), ("results.md", text)):
        with open(os.path.join(directory, name), "w") as file:
            file.write(content)
    print("\n" + text)
    print(", ".join(f"{key} {value}" for key, value in conditions["versions"].items()))
    print(f"kernel {conditions['kernel']}, {conditions['cores']} cores, {conditions['processor']}")
    print(f"written to {directory}: results.md, results.json")
    failed = sum(value["failed"] for by in results["cases"].values() for value in by.values())
    if failed:
        print(f"warning: {failed} requests failed; see the column", file=sys.stderr)


def main():
    options = parse()
    directory = options.output or tempfile.mkdtemp(prefix="photofinish-bench-")
    os.makedirs(directory, exist_ok=True)
    directory = os.path.abspath(directory)
    shutil.rmtree(os.path.join(directory, "files"), ignore_errors=True)
    try:
        run(options, directory)
    except Failure as failure:
        print(f"script/bench: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
