import Core

/// A route as one event loop has it. An exchange holds on to the one that it began with, over a reload.
final class Route {
  enum Action {
    case forward(Upstream)
    case redirect(CompiledRedirect)
    case respond(LocalResponse)
  }

  let name: String
  var tally = RouteTally()
  let action: Action
  /// Where requests go; nil for a route that answers itself.
  let upstream: Upstream?
  let bounds: RouteBounds
  /// What becomes of the request on its way to the server. Its Host is the upstream's business.
  let requestChanges: RequestChanges
  let responseEdits: CompiledEdits
  /// Whether there are any: most routes have none, and requests should not pay for that.
  let changesRequests: Bool
  /// Whether servers get another target than clients send.
  let rewrites: Bool
  let changesResponses: Bool
  /// nil for the route that stands for there being none.
  let settings: RouteSettings?
  /// Made anew when servers come or go.
  private(set) var replayPolicy = ReplayPolicy()
  private(set) var retryPolicy = RetryPolicy.off

  /// All requests to one upstream.
  init(to upstream: Upstream, under settings: ProxySettings) {
    name = upstream.name
    action = .forward(upstream)
    self.upstream = upstream
    bounds = RouteBounds(settings)
    requestChanges = .none
    responseEdits = .none
    changesRequests = false
    rewrites = false
    changesResponses = false
    self.settings = nil
    refresh()
  }

  init(_ route: RouteSettings, upstreams: [Upstream], under settings: ProxySettings) {
    name = route.name
    var rewrite = PathRewrite.none
    switch route.action {
    case .forward(let index, let change):
      action = .forward(upstreams[index])
      upstream = upstreams[index]
      rewrite = change
    case .redirect(let redirect):
      action = .redirect(CompiledRedirect(redirect))
      upstream = nil
    case .respond(let response):
      action = .respond(LocalResponse(response))
      upstream = nil
    }
    requestChanges = RequestChanges(rewrite: rewrite, edits: route.requestEdits)
    responseEdits = CompiledEdits(route.responseEdits)
    changesRequests = !requestChanges.isEmpty
    rewrites = rewrite != .none
    changesResponses = !responseEdits.isEmpty
    bounds = RouteBounds(settings, route)
    self.settings = route
    refresh()
  }

  /// Servers came or went.
  func refresh() {
    guard let upstream else { return }
    replayPolicy = upstream.replayPolicy(settings?.replay ?? upstream.settings.replay)
    retryPolicy = RetryPolicy(settings?.retry ?? upstream.settings.retry)
  }
}

/// How long and how much: what holds for the exchanges of one route.
final class RouteBounds {
  let responseHead: Nanoseconds
  let bodyIdle: Nanoseconds
  let tunnelIdle: Nanoseconds
  /// From the first byte to the last, all attempts included; nil: any time.
  let exchange: Nanoseconds?
  /// Bytes of a request's content; nil: any number.
  let bodyBytes: UInt64?

  init(_ settings: ProxySettings, _ route: RouteSettings? = nil) {
    responseHead = route?.timeouts.responseHead ?? settings.timeouts.responseHead
    bodyIdle = route?.timeouts.bodyIdle ?? settings.timeouts.bodyIdle
    tunnelIdle = route?.timeouts.tunnelIdle ?? settings.timeouts.tunnelIdle
    exchange = route?.timeouts.exchange
    bodyBytes = route?.bodyBytes ?? settings.limits.bodyBytes
  }
}
