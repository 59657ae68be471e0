/// Proxies, load balancers, servers and middleboxes whose timers decide about the keep-alive race.
///
/// The raw value is the name in outputs; it never changes.
package enum Software: String, CaseIterable, Sendable, Hashable {
  case nginx
  case ingressNginx = "ingress-nginx"
  case haproxy
  case envoy
  case istio
  case traefik
  case caddy
  case apache
  case photofinish
  case alb = "aws-alb"
  case nlb = "aws-nlb"
  case classicELB = "aws-elb"
  case cloudFront = "cloudfront"
  case googleLoadBalancer = "google-load-balancer"
  case azureGateway = "azure-application-gateway"
  case heroku
  case cloudflare
  case oracleLoadBalancer = "oracle-load-balancer"
  case node
  case fastify
  case bun
  case gunicorn
  case uvicorn
  case hypercorn
  case uwsgi
  case puma
  case unicorn
  case tomcat
  case springBoot = "spring-boot"
  case jetty
  case undertow
  case goServer = "go"
  case kestrel
  case phpFPM = "php-fpm"
  case natGateway = "aws-nat-gateway"
  case azureLoadBalancer = "azure-load-balancer"
  case ipvs
  case conntrack

  /// As its makers write it.
  package var title: String {
    switch self {
    case .nginx: "nginx"
    case .ingressNginx: "ingress-nginx"
    case .haproxy: "HAProxy"
    case .envoy: "Envoy"
    case .istio: "Istio"
    case .traefik: "Traefik"
    case .caddy: "Caddy"
    case .apache: "Apache httpd"
    case .photofinish: "Photofinish"
    case .alb: "AWS ALB"
    case .nlb: "AWS NLB"
    case .classicELB: "AWS Classic ELB"
    case .cloudFront: "CloudFront"
    case .googleLoadBalancer: "Google Cloud load balancer"
    case .azureGateway: "Azure Application Gateway"
    case .heroku: "Heroku router"
    case .cloudflare: "Cloudflare"
    case .oracleLoadBalancer: "Oracle Cloud load balancer"
    case .node: "Node.js"
    case .fastify: "Fastify"
    case .bun: "Bun"
    case .gunicorn: "gunicorn"
    case .uvicorn: "uvicorn"
    case .hypercorn: "Hypercorn"
    case .uwsgi: "uWSGI"
    case .puma: "Puma"
    case .unicorn: "Unicorn"
    case .tomcat: "Tomcat"
    case .springBoot: "Spring Boot (Tomcat)"
    case .jetty: "Jetty"
    case .undertow: "Undertow"
    case .goServer: "Go net/http"
    case .kestrel: "Kestrel"
    case .phpFPM: "PHP-FPM"
    case .natGateway: "AWS NAT gateway"
    case .azureLoadBalancer: "Azure load balancer"
    case .ipvs: "IPVS (kube-proxy)"
    case .conntrack: "Linux conntrack"
    }
  }
}
