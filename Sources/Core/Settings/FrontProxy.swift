/// A proxy or load balancer that stands before this one, and how long it keeps idle connections to it.
///
/// It loses the race when this proxy closes a connection first, so this one has to hold them longer.
/// docs/manual/behind.md has the sources.
package struct FrontProxy: Sendable, Hashable {
  package var name: String
  /// As people call it.
  package var title: String
  package var keepsIdle: Nanoseconds

  /// - Parameter least: a longer time than the table's, where its row tells a step and not a bound.
  private init(
    _ name: String, _ title: String, _ software: Software, _ role: TimerRole = .upstreamIdle,
    when condition: String = "",
    least: Nanoseconds = .zero
  ) {
    self.name = name
    self.title = title
    keepsIdle = max(least, FactTable.fact(software, role, when: condition)?.fact.value.time ?? .zero)
  }

  package static let known: [FrontProxy] = [
    FrontProxy("aws-alb", "AWS Application Load Balancer", .alb),
    FrontProxy("gcp-lb", "Google Cloud Application Load Balancer", .googleLoadBalancer),
    FrontProxy("azure", "Azure Application Gateway, Front Door or Load Balancer", .azureLoadBalancer, .pathIdle),
    FrontProxy("cloudflare", "Cloudflare", .cloudflare),
    FrontProxy("heroku", "Heroku's router", .heroku),
    FrontProxy("nginx", "nginx", .nginx, when: "keepalive"),
    // The table has the step in which its pool is halved: under traffic a connection may outlive many.
    FrontProxy("haproxy", "HAProxy", .haproxy, least: .seconds(600)),
    FrontProxy("envoy", "Envoy", .envoy),
    FrontProxy("traefik", "Traefik", .traefik),
    FrontProxy("caddy", "Caddy", .caddy),
  ]

  package static func named(_ name: String) -> FrontProxy? { known.first { $0.name == name } }

  /// How much longer idle connections are held than it keeps them: a few seconds are not enough where many
  /// connections become idle by the clock.
  package static let grace = Nanoseconds.seconds(20)
  /// How much longer than it keeps them the clients are told: nothing is lost when somebody heeds it.
  package static let advertisedGrace = Nanoseconds.seconds(10)
  /// Less than this above is worth a warning.
  package static let leastGrace = Nanoseconds.seconds(5)

  package var clientIdle: Nanoseconds { keepsIdle + Self.grace }
  package var advertisedIdleSeconds: UInt32 {
    UInt32(clamping: (keepsIdle + Self.advertisedGrace).milliseconds / 1_000)
  }
}
