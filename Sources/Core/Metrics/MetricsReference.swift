/// The page about all metrics, docs/manual/metrics.md.
package enum MetricsReference {
  package static var text: String {
    introduction + sections.map(section).joined() + ending
  }

  private static let sections: [(title: String, first: Metric, last: Metric)] = [
    ("The process", .buildInfo, .faults), ("Clients", .clientConnections, .tunnelsEnded),
    ("Routes", .routeRequests, .routeResponseBytes), ("Requests at servers", .serverRequests, .serverWaiting),
    ("Connections to servers", .serverConnections, .serverIdleAtClose),
    ("The idle window of each server", .serverLearnedTimeout, .serverSuspected),
    ("The race, replays and retries", .racesAvoided, .connectsAwaited),
    ("Health of servers", .serverAvailable, .serverEjections),
  ]

  private static func section(_ title: String, _ first: Metric, _ last: Metric) -> String {
    let all = Metric.allCases
    guard let start = all.firstIndex(of: first), let end = all.firstIndex(of: last) else { return "" }
    let rows = all[start...end].map { metric in
      let family = metric.family
      let labels = family.labels.map { "`\($0)`" }.joined(separator: ", ")
      return "| `\(metric.sampleName)` | \(family.kind.rawValue) | \(labels) | \(family.help) |\n"
    }
    return "\n## \(title)\n\n| name | kind | labels | |\n|---|---|---|---|\n" + rows.joined()
  }

  private static let introduction = """
    # Metrics for Prometheus and OpenMetrics

    <!-- Written by `photofinish settings --metrics`. -->

    `GET /metrics` of the [admin endpoint](admin.md) has them in the text form of Prometheus, or of OpenMetrics 1.0 where the
    scraper asks for it, packed with gzip where it takes that. SIGUSR2 writes the same to standard error.

    ```yml
    scrape_configs:
      - job_name: photofinish
        static_configs:
          - targets: ["127.0.0.1:9180"]
    ```

    Labels are bounded: names of the settings, addresses of servers, and words of the program. No path, no host and nothing
    else that a client sends is among them. `server` is the address that requests go to, `upstream` the name of the settings;
    two upstreams that name one server have a series each. A server that is gone takes its series with it once its place is
    needed. Counters begin at 0 with each process.

    A scrape asks each event loop once, which copies its numbers; the text is made on the thread of the endpoint.

    """

  private static let ending = """

    ## Words in labels

    | label | values |
    |---|---|
    | `class` | `1xx` to `5xx`; `aborted`: the client left before its answer was complete |
    | `verdict` | `never-sent`, `never-delivered`, `delivered`, `unknown`: what [the evidence](replay.md) proves |
    | `by`, `how` | `server`: `idle-fin`, `idle-reset`, `idle-unasked-bytes`, `active-before-head-fin` and the like; `proxy`: `idle-window`, `max-idle-age`, `max-age`, `max-requests`, `last-answer`, `timeout` and the like |
    | `seen` | where an answer without a request was seen: `idle`, `before-write`, `before-acknowledgement`, `behind-answer`; `farewell`: one that only ends an idle connection |
    | `how` of tunnels | `finished`, `reset`, `silent` |
    | `error` | the error types of Proxy-Status ([errors](errors.md)) |
    | `guard` | the keys of [guards](limits.md) |
    | `after`, `reason` | a status or an error, and why not ([retries](retry.md)) |

    ## Queries

    | question | query |
    |---|---|
    | requests lost to the race, a second | `sum(rate(photofinish_races_lost_total[5m]))` |
    | requests saved: 502s that a proxy without replay would have sent | `sum(rate(photofinish_races_repaired_total[5m]))` |
    | share of failures | `sum(rate(photofinish_route_requests_total{class="5xx"}[5m])) / sum(rate(photofinish_route_requests_total[5m]))` |
    | time to first byte, 99th percentile by server | `histogram_quantile(0.99, sum by (server, le) (rate(photofinish_server_first_byte_seconds_bucket[5m])))` |
    | connections that servers close while idle | `sum by (server, how) (rate(photofinish_server_connections_closed_total{by="server"}[5m]))` |

    The idle timeout of a server is a step in `photofinish_server_idle_at_close_seconds_bucket`;
    `photofinish_server_idle_at_reuse_seconds_bucket` ends before it when the [idle window](idle-window.md) is right.

    """
}
