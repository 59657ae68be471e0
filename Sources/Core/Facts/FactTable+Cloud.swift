extension FactTable {
  static let cloud: [TimerFact] = [
    TimerFact(
      .alb, .upstreamIdle, .time(.seconds(60)), .seconds,
      set: "idle_timeout", in: "aws_lb; attribute idle_timeout.timeout_seconds",
      source: "AWS, Application Load Balancers"),
    TimerFact(
      .alb, .clientIdle, .time(.seconds(3_600)), .seconds,
      set: "client_keep_alive", in: "aws_lb; attribute client_keep_alive.seconds",
      source: "AWS, Application Load Balancers"),
    TimerFact(
      .classicELB, .upstreamIdle, .time(.seconds(60)), .seconds,
      set: "idle_timeout", in: "aws_elb", source: "AWS, Classic Load Balancers"),
    TimerFact(
      .cloudFront, .upstreamIdle, .time(.seconds(5)), .seconds,
      set: "origin_keepalive_timeout", in: "aws_cloudfront_distribution, custom_origin_config",
      source: "AWS, CloudFront origins"),
    TimerFact(
      .googleLoadBalancer, .upstreamIdle, .time(.seconds(600)), .fixed,
      set: "", in: "cannot be changed", source: "Google Cloud, request distribution"),
    TimerFact(
      .googleLoadBalancer, .clientIdle, .time(.seconds(610)), .seconds,
      set: "http_keep_alive_timeout_sec", in: "target proxy", source: "Google Cloud, target proxies"),
    TimerFact(
      .azureGateway, .upstreamIdle, .time(.seconds(120)), .fixed,
      set: "", in: "cannot be changed", source: "Azure, Application Gateway", isVerified: false),
    TimerFact(
      .heroku, .upstreamIdle, .time(.seconds(90)), .fixed,
      set: "", in: "cannot be changed", source: "Heroku, router 2.0"),
    TimerFact(
      .cloudflare, .upstreamIdle, .time(.seconds(900)), .fixed,
      set: "", in: "cannot be changed", source: "Cloudflare, connection limits"),
    TimerFact(
      .oracleLoadBalancer, .upstreamIdle, .time(.seconds(300)), .fixed,
      set: "", in: "cannot be changed", source: "Oracle Cloud, load balancers: servers must hold for at least 310 s"),
  ]

  static let paths: [TimerFact] = [
    TimerFact(
      .nlb, .pathIdle, .time(.seconds(350)), .seconds,
      set: "tcp_idle_timeout_seconds", in: "aws_lb_listener", source: "AWS, Network Load Balancers"),
    TimerFact(
      .natGateway, .pathIdle, .time(.seconds(350)), .fixed,
      set: "", in: "cannot be changed", source: "AWS, NAT gateways"),
    TimerFact(
      .azureLoadBalancer, .pathIdle, .time(.seconds(240)), .seconds,
      set: "idle_timeout_in_minutes", in: "azurerm_lb_rule", source: "Azure, load balancers: 4 minutes"),
    TimerFact(
      .ipvs, .pathIdle, .time(.seconds(900)), .duration,
      set: "ipvs.tcpTimeout", in: "KubeProxyConfiguration", source: "Linux, IPVS: 900 s"),
    TimerFact(
      .conntrack, .pathIdle, .time(.seconds(432_000)), .seconds,
      set: "net.netfilter.nf_conntrack_tcp_timeout_established", in: "sysctl", source: "Linux, nf_conntrack"),
  ]
}
