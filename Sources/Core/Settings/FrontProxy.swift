/// A proxy or load balancer that stands before this one, and how long it keeps idle connections to it.
///
/// It loses the race when this proxy closes a connection first, so this one has to hold them longer.
/// docs/manual/behind.md has the sources.
package struct FrontProxy: Sendable, Hashable {
  package var name: String
  /// As people call it.
  package var title: String
  package var keepsIdle: Nanoseconds

  private init(_ name: String, _ title: String, _ seconds: Int64) {
    self.name = name
    self.title = title
    keepsIdle = .seconds(seconds)
  }

  package static let known: [FrontProxy] = [
    FrontProxy("aws-alb", "AWS Application Load Balancer", 60),
    FrontProxy("gcp-lb", "Google Cloud Application Load Balancer", 600),
    FrontProxy("azure", "Azure Application Gateway, Front Door or Load Balancer", 240),
    FrontProxy("cloudflare", "Cloudflare", 900),
    FrontProxy("heroku", "Heroku's router", 90),
    FrontProxy("nginx", "nginx", 60),
    FrontProxy("haproxy", "HAProxy", 600),
    FrontProxy("envoy", "Envoy", 3_600),
    FrontProxy("traefik", "Traefik", 90),
    FrontProxy("caddy", "Caddy", 120),
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
