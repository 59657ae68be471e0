/// Servers whose idle timeout for keep-alive connections is known, as they are without settings of their own: names for `keeps-idle`
/// with their rows of the table of facts. docs/manual/settings.md lists them.
package struct ServerSoftware: Sendable, Hashable {
  package var name: String
  /// How long it keeps an idle connection open.
  package var keepsIdle: Nanoseconds
  /// What of the software it is, and the setting.
  package var source: String

  /// nil when the table has no such row, or one without a time.
  private init?(_ name: String, _ software: Software, _ version: SoftwareVersion? = nil, when condition: String = "") {
    let row = FactTable.fact(software, .clientIdle, version: version, when: condition)?.fact
    guard let row, case .time(let time) = row.value else { return nil }
    self.name = name
    keepsIdle = time
    let versions = row.versions == .all ? "" : " \(row.versions.text)"
    source = "\(software.title)\(versions)\(condition.isEmpty ? "" : ", \(condition)"): `\(row.setting)`"
  }

  package static let known: [ServerSoftware] = [
    ServerSoftware("node", .node, SoftwareVersion(25)), ServerSoftware("node-26", .node, SoftwareVersion(26)),
    ServerSoftware("fastify", .fastify), ServerSoftware("bun", .bun), ServerSoftware("gunicorn", .gunicorn),
    ServerSoftware("uvicorn", .uvicorn), ServerSoftware("hypercorn", .hypercorn),
    ServerSoftware("puma", .puma, SoftwareVersion(6)), ServerSoftware("puma-7", .puma, SoftwareVersion(7)),
    ServerSoftware("apache", .apache), ServerSoftware("nginx", .nginx),
    ServerSoftware("tomcat", .tomcat, when: "shipped server.xml"), ServerSoftware("kestrel", .kestrel),
  ].compactMap(\.self)

  package static func named(_ name: String) -> ServerSoftware? { known.first { $0.name == name } }
}
