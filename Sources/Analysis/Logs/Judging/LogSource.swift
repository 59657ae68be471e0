/// The software and kind of log that a line comes from.
package enum LogSource: String, CaseIterable, Sendable {
  case alb
  case nlb
  case cloudfront
  case gcp
  case nginxAccess = "nginx-access"
  case nginxError = "nginx-error"
  case haproxy
  case envoy
  case traefik
  case traefikDebug = "traefik-debug"
  case caddyAccess = "caddy-access"
  case caddyError = "caddy-error"
  case apacheAccess = "apache-access"
  case apacheError = "apache-error"
  case iis
  case httpSys = "http-sys"
  case yarp
  case photofinish

  package var title: String {
    switch self {
    case .alb: "AWS Application Load Balancer"
    case .nlb: "AWS Network Load Balancer (TLS)"
    case .cloudfront: "CloudFront"
    case .gcp: "Google Cloud load balancer"
    case .nginxAccess: "nginx access log"
    case .nginxError: "nginx error log"
    case .haproxy: "HAProxy"
    case .envoy: "Envoy"
    case .traefik: "Traefik access log"
    case .traefikDebug: "Traefik debug log"
    case .caddyAccess: "Caddy access log"
    case .caddyError: "Caddy error log"
    case .apacheAccess: "access log in the common format"
    case .apacheError: "Apache error log"
    case .iis: "IIS"
    case .httpSys: "HTTP.sys"
    case .yarp: "YARP"
    case .photofinish: "Photofinish"
    }
  }

  package var index: Int { LogSource.allCases.firstIndex(of: self) ?? 0 }

  /// A log of causes, whose lines belong to lines of another log of the same software.
  var tellsCauses: Bool {
    switch self {
    case .nginxError, .apacheError, .caddyError, .traefikDebug: true
    case .alb, .nlb, .cloudfront, .gcp, .nginxAccess, .haproxy, .envoy, .traefik, .caddyAccess, .apacheAccess, .iis,
      .httpSys, .yarp, .photofinish:
      false
    }
  }

  /// The log of requests beside this log of causes.
  var companions: [LogSource] {
    switch self {
    case .nginxError: [.nginxAccess, .apacheAccess]
    case .apacheError: [.apacheAccess, .nginxAccess]
    case .caddyError: [.caddyAccess]
    case .traefikDebug: [.traefik]
    case .alb, .nlb, .cloudfront, .gcp, .nginxAccess, .haproxy, .envoy, .traefik, .caddyAccess, .apacheAccess, .iis,
      .httpSys, .yarp, .photofinish:
      []
    }
  }
}
