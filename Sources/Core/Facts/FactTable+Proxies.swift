extension FactTable {
  private static let pooling = SoftwareVersion(1, 29, 7)

  static let proxies: [TimerFact] = [
    TimerFact(
      .nginx, .upstreamIdle, .time(.seconds(60)), versions: VersionRange(from: pooling), .seconds,
      set: "keepalive_timeout", in: "upstream block",
      source: "ngx_http_upstream_keepalive_module: on in every upstream block"),
    TimerFact(
      .nginx, .upstreamIdle, .none, versions: VersionRange(below: pooling), .seconds,
      set: "keepalive", in: "upstream block", source: "ngx_http_upstream_keepalive_module: no pool without `keepalive`"),
    TimerFact(
      .nginx, .upstreamIdle, .time(.seconds(60)), when: "keepalive", .seconds,
      set: "keepalive_timeout", in: "upstream block", source: "ngx_http_upstream_keepalive_module"),
    TimerFact(
      .nginx, .clientIdle, .time(.seconds(75)), .seconds,
      set: "keepalive_timeout", in: "http, server, location", source: "ngx_http_core_module"),
    TimerFact(
      .nginx, .clientRequests, .count(1_000), versions: VersionRange(from: SoftwareVersion(1, 19, 10)), .requests,
      set: "keepalive_requests", in: "http, server, location", source: "ngx_http_core_module"),
    TimerFact(
      .nginx, .clientRequests, .count(100), versions: VersionRange(below: SoftwareVersion(1, 19, 10)), .requests,
      set: "keepalive_requests", in: "http, server, location", source: "ngx_http_core_module"),
    TimerFact(
      .nginx, .tunnelIdle, .time(.seconds(60)), .seconds,
      set: "proxy_read_timeout", in: "http, server, location", source: "ngx_http_proxy_module"),
    TimerFact(
      .ingressNginx, .upstreamIdle, .time(.seconds(60)), .seconds,
      set: "upstream-keepalive-timeout", in: "ConfigMap of the controller", source: "ingress-nginx, ConfigMap reference"
    ),
    TimerFact(
      .ingressNginx, .clientIdle, .time(.seconds(75)), .seconds,
      set: "keep-alive", in: "ConfigMap of the controller", source: "ingress-nginx, ConfigMap reference"),
    TimerFact(
      .haproxy, .upstreamIdle, .time(.seconds(5)), .duration,
      set: "pool-purge-delay", in: "server line: half of the idle connections are closed each time",
      source: "HAProxy configuration manual", isVerified: false),
    TimerFact(
      .haproxy, .clientIdle, .never, when: "no timeout client", .duration,
      set: "timeout http-keep-alive", in: "defaults, frontend, listen",
      source: "HAProxy configuration manual: falls back to `timeout http-request`, then `timeout client`"),
    TimerFact(
      .haproxy, .tunnelIdle, .never, when: "no timeout client", .duration,
      set: "timeout tunnel", in: "defaults, backend, listen",
      source: "HAProxy configuration manual: falls back to `timeout client` and `timeout server`"),
    TimerFact(
      .envoy, .upstreamIdle, .time(.seconds(3_600)), .duration,
      set: "common_http_protocol_options.idle_timeout", in: "cluster, typed_extension_protocol_options",
      source: "Envoy, HttpProtocolOptions"),
    TimerFact(
      .envoy, .clientIdle, .time(.seconds(3_600)), .duration,
      set: "common_http_protocol_options.idle_timeout", in: "http_connection_manager",
      source: "Envoy, HttpProtocolOptions"),
    TimerFact(
      .envoy, .tunnelIdle, .time(.seconds(300)), .duration,
      set: "stream_idle_timeout", in: "http_connection_manager", source: "Envoy, HttpConnectionManager",
      isVerified: false),
    TimerFact(
      .istio, .upstreamIdle, .time(.seconds(3_600)), .duration,
      set: "trafficPolicy.connectionPool.http.idleTimeout", in: "DestinationRule", source: "Istio, DestinationRule"),
    TimerFact(
      .istio, .clientIdle, .time(.seconds(3_600)), .duration,
      set: "idle_timeout", in: "EnvoyFilter of the gateway", source: "Istio, an Envoy with its defaults"),
    TimerFact(
      .traefik, .upstreamIdle, .time(.seconds(90)), .duration,
      set: "serversTransport.forwardingTimeouts.idleConnTimeout", in: "static configuration",
      source: "Traefik, http_config.go"),
    TimerFact(
      .traefik, .clientIdle, .time(.seconds(180)), .duration,
      set: "entryPoints.NAME.transport.respondingTimeouts.idleTimeout", in: "static configuration",
      source: "Traefik, entry points"),
    TimerFact(
      .caddy, .upstreamIdle, .time(.seconds(120)), .duration,
      set: "keepalive", in: "reverse_proxy, transport http", source: "Caddy, httptransport.go"),
    TimerFact(
      .caddy, .clientIdle, .time(.seconds(300)), .duration,
      set: "timeouts.idle", in: "global options, servers", source: "Caddy, httpserver defaults"),
    TimerFact(
      .apache, .upstreamIdle, .never, .seconds,
      set: "ttl", in: "ProxyPass, BalancerMember", source: "Apache httpd, mod_proxy: no idle limit without ttl"),
    TimerFact(
      .apache, .clientIdle, .time(.seconds(5)), .seconds,
      set: "KeepAliveTimeout", in: "server, virtual host", source: "Apache httpd, core"),
    TimerFact(
      .apache, .clientRequests, .count(100), .requests,
      set: "MaxKeepAliveRequests", in: "server, virtual host", source: "Apache httpd, core"),
    TimerFact(
      .photofinish, .upstreamIdle, .time(.seconds(60)), .duration,
      set: "pool.idle-age", in: "settings file, upstream",
      source: "docs/manual/settings.md; less where the server is known"),
    TimerFact(
      .photofinish, .clientIdle, .time(.seconds(75)), .duration,
      set: "timeouts.client-idle", in: "settings file", source: "docs/manual/settings.md"),
  ]
}
