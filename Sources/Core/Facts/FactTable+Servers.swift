extension FactTable {
  static let servers: [TimerFact] = [
    TimerFact(
      .node, .clientIdle, .time(.seconds(65)), versions: VersionRange(from: SoftwareVersion(26)), .milliseconds,
      set: "keepAliveTimeout", in: "the value of http.createServer()", source: "nodejs/node#62782"),
    TimerFact(
      .node, .clientIdle, .time(.seconds(5)),
      versions: VersionRange(from: SoftwareVersion(8), below: SoftwareVersion(26)),
      .milliseconds, set: "keepAliveTimeout", in: "the value of http.createServer()", source: "Node.js, http.Server"),
    TimerFact(
      .node, .requestHead, .time(.seconds(60)), .milliseconds,
      set: "headersTimeout", in: "the value of http.createServer()",
      source: "Node.js, http.Server; from 10.15 to below 18.2 it ends idle connections, too (nodejs/node#27363)"),
    TimerFact(
      .fastify, .clientIdle, .time(.seconds(72)), .milliseconds,
      set: "keepAliveTimeout", in: "options of fastify()", source: "Fastify, server options"),
    TimerFact(
      .bun, .clientIdle, .time(.seconds(10)), .seconds, set: "idleTimeout", in: "options of Bun.serve()",
      source: "Bun, Bun.serve"),
    TimerFact(
      .gunicorn, .clientIdle, .time(.seconds(2)), .seconds,
      set: "keepalive", in: "gunicorn.conf.py; --keep-alive", source: "gunicorn, config.py"),
    TimerFact(
      .gunicorn, .clientIdle, .none, when: "sync worker", .seconds,
      set: "worker_class", in: "gunicorn.conf.py; --worker-class",
      source: "gunicorn, sync.py: closes after each response"),
    TimerFact(
      .uvicorn, .clientIdle, .time(.seconds(5)), .seconds,
      set: "timeout_keep_alive", in: "uvicorn.run(); --timeout-keep-alive", source: "uvicorn, config.py"),
    TimerFact(
      .hypercorn, .clientIdle, .time(.seconds(5)), .seconds,
      set: "keep_alive_timeout", in: "hypercorn.toml, Config; --keep-alive", source: "Hypercorn, config.py"),
    TimerFact(
      .uwsgi, .clientIdle, .none, .seconds,
      set: "http-keepalive", in: "uwsgi.ini; --http-keepalive",
      source: "uWSGI, options: no keep-alive unless it is asked for"),
    TimerFact(
      .puma, .clientIdle, .time(.seconds(65)), versions: VersionRange(from: SoftwareVersion(7)), .seconds,
      set: "persistent_timeout", in: "config/puma.rb", source: "Puma 7.0.0, release notes"),
    TimerFact(
      .puma, .clientIdle, .time(.seconds(20)), versions: VersionRange(below: SoftwareVersion(7)), .seconds,
      set: "persistent_timeout", in: "config/puma.rb", source: "Puma, configuration.rb"),
    TimerFact(
      .unicorn, .clientIdle, .none, .fixed,
      set: "", in: "it has no keep-alive", source: "Unicorn, design", isVerified: false),
    TimerFact(
      .tomcat, .clientIdle, .time(.seconds(60)), .milliseconds,
      set: "keepAliveTimeout", in: "server.xml, Connector", source: "Tomcat: that of connectionTimeout, 60 s"),
    TimerFact(
      .tomcat, .clientIdle, .time(.seconds(20)), when: "shipped server.xml", .milliseconds,
      set: "keepAliveTimeout", in: "server.xml, Connector", source: "Tomcat: connectionTimeout of its server.xml"),
    TimerFact(
      .springBoot, .clientIdle, .time(.seconds(60)), .duration,
      set: "server.tomcat.keep-alive-timeout", in: "application.properties, application.yml",
      source: "Spring Boot: that of server.tomcat.connection-timeout, 60 s", isVerified: false),
    TimerFact(
      .jetty, .clientIdle, .time(.seconds(30)), .milliseconds,
      set: "jetty.http.idleTimeout", in: "start.d/http.ini, ServerConnector", source: "Jetty, ServerConnector",
      isVerified: false),
    TimerFact(
      .undertow, .clientIdle, .time(.seconds(60)), .milliseconds,
      set: "NO_REQUEST_TIMEOUT", in: "UndertowOptions", source: "Undertow, UndertowOptions", isVerified: false),
    TimerFact(
      .goServer, .clientIdle, .never, .duration,
      set: "IdleTimeout", in: "http.Server", source: "Go, net/http: that of ReadTimeout; none where that is zero"),
    TimerFact(
      .kestrel, .clientIdle, .time(.seconds(130)), .duration,
      set: "Kestrel.Limits.KeepAliveTimeout", in: "appsettings.json", source: "ASP.NET Core, KestrelServerLimits"),
  ]
}
