/// Servers whose idle timeout for keep-alive connections is known, as they are without settings of their own.
/// docs/manual/settings.md lists them.
package struct ServerSoftware: Sendable, Hashable {
  package var name: String
  /// How long it keeps an idle connection open.
  package var keepsIdle: Nanoseconds
  /// Where the figure can be read.
  package var source: String

  private init(_ name: String, _ seconds: Int64, _ source: String) {
    self.name = name
    keepsIdle = .seconds(seconds)
    self.source = source
  }

  package static let known: [ServerSoftware] = [
    ServerSoftware("node", 5, "Node.js 8 to 25: `server.keepAliveTimeout`"),
    ServerSoftware("node-26", 65, "Node.js 26 and later: `server.keepAliveTimeout`"),
    ServerSoftware("fastify", 72, "Fastify: `keepAliveTimeout`"),
    ServerSoftware("bun", 10, "Bun: `idleTimeout` of `Bun.serve`"),
    ServerSoftware("gunicorn", 2, "gunicorn: `--keep-alive`, of the asynchronous workers (`sync` keeps none)"),
    ServerSoftware("uvicorn", 5, "uvicorn: `--timeout-keep-alive`"),
    ServerSoftware("hypercorn", 5, "Hypercorn: `keep_alive_timeout`"),
    ServerSoftware("puma", 20, "Puma up to 6: `persistent_timeout`"),
    ServerSoftware("puma-7", 65, "Puma 7: `persistent_timeout`"),
    ServerSoftware("apache", 5, "Apache httpd: `KeepAliveTimeout`"),
    ServerSoftware("nginx", 75, "nginx: `keepalive_timeout`"),
    ServerSoftware("tomcat", 20, "Tomcat: `keepAliveTimeout` as its server.xml has it (60 s without that file)"),
    ServerSoftware("kestrel", 130, "ASP.NET Core Kestrel: `KeepAliveTimeout`"),
  ]

  package static func named(_ name: String) -> ServerSoftware? { known.first { $0.name == name } }
}
