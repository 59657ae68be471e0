"""Settings that really change from one reload to the next."""

BALANCES = ["round-robin", "least-requests", "power-of-two", "hash client-address", "hash target"]


def settings(generation, listen, servers, spare_port=None, extra=""):
    """The file of a generation: which servers there are, their weights, how requests are spread, routes, limits and listeners.

    `servers`: URLs, of which each generation leaves one out.
    """
    left_out = generation % len(servers) if generation else None
    lines = [f'listen: ["{listen}"' + (f', "127.0.0.1:{spare_port}"]' if spare_port and generation % 2 else "]")]
    lines += ["upstreams:", "  app:", "    servers:"]
    for index, server in enumerate(servers):
        if index != left_out or len(servers) == 1:
            lines.append(f"      - {{url: {server}, weight: {1 + (generation + index) % 3}}}")
    lines.append(f"    balance: {BALANCES[generation % len(BALANCES)]}")
    lines.append(f"    pool: {{idle-age: {20 + generation % 7}s, idle-connections: {500 + generation % 11}}}")
    # An upstream that comes and goes, and takes over a part of the requests while it is there.
    part = generation % 3 == 1
    if part:
        lines += ["  other:", f"    servers: [{servers[generation % len(servers)]}]"]
    lines += ["routes:"]
    lines += [f"  - {{name: gone-{generation}, exact-paths: [/gone-{generation}], respond: 410}}"] * (generation % 2)
    lines += ["  - name: version", "    paths: [/v1]", f"    to: {'other' if part else 'app'}"]
    lines += ["    strip-prefix: /v1"] if generation % 2 else ["    replace-prefix: {/v1: /}"]
    lines += ["    response-fields:", f"      set: {{X-Generation: \"{generation}\"}}"]
    lines += ["  - name: rest", "    to: app", f"    timeouts: {{exchange: {60 + generation % 5}s}}"]
    lines += ["    response-fields:", f"      set: {{X-Generation: \"{generation}\"}}"]
    lines += ["limits:", f"  head: {16 + generation % 4}k", f"  clients: {20000 + generation % 100}"]
    lines += ["guards:", f"  exchanges-in-flight: {5000 + generation % 1000}"]
    lines += ["timeouts:", f"  response-head: {30 + generation % 5}s", "  drain: 70s"]
    return "\n".join(lines) + "\n" + extra


def broken(generation):
    """A file that must be refused."""
    return [
        "listen: [\"127.0.0.1:1\"]\nupstreams: {app: {servers: [http://127.0.0.1:3000], blance: random}}\n",
        "upstreams: [[[[[[[[\n",
        "",
        "\0\1\2\xff",
        "listen: 127.0.0.1:8080\nupstreams: {app: {servers: []}}\n",
    ][generation % 5]
