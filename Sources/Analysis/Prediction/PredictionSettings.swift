package import Core

/// Which idle connection a proxy gives to the next request.
package enum PoolOrder: String, CaseIterable, Sendable {
  /// The one that was used last. Most proxies and clients do so.
  case newest
  /// The one that has been idle for longest.
  case oldest
  case random
}

/// What a prediction is made from.
package struct PredictionSettings: Equatable, Sendable {
  /// Requests that may run at once in one pool: beyond that the model's matrices take too long.
  package static let concurrencyLimit = 500.0

  package var requestsPerSecond: Double
  /// Pools among which the requests are spread evenly: worker processes times servers.
  package var pools = 1
  /// Idle connections that a pool keeps at most.
  package var poolSize = 1_000
  package var order = PoolOrder.newest
  /// Idle time after which the server closes.
  package var serverIdle: Nanoseconds
  /// The server's time is drawn evenly from `serverIdle` plus or minus this.
  package var serverJitter = Nanoseconds.zero
  /// Idle time after which the proxy closes; nil for never.
  package var proxyIdle: Nanoseconds?
  /// One way, between proxy and server.
  package var pathDelay = Nanoseconds.microseconds(250)
  /// What server and proxy together take to send a FIN and to notice it.
  package var reaction = Nanoseconds.microseconds(50)
  /// From a request's leaving the proxy to the end of its response.
  package var responseTime = Nanoseconds.milliseconds(50)
  /// Share of the requests whose method is not idempotent, 0 to 1.
  package var notIdempotent = 0.2

  package init(requestsPerSecond: Double, serverIdle: Nanoseconds) {
    self.requestsPerSecond = requestsPerSecond
    self.serverIdle = serverIdle
  }

  /// Settings that cannot be predicted for: which, why, and what would do.
  package struct Misuse: Error, Equatable, Sendable, CustomStringConvertible {
    package var setting: String
    package var fact: String
    package var fix: String
    package var description: String { "\(setting) \(fact); \(fix)" }
  }

  package func check() throws(Misuse) {
    func refuse(_ isWrong: Bool, _ setting: String, _ fact: String, _ fix: String) throws(Misuse) {
      if isWrong { throw Misuse(setting: setting, fact: fact, fix: fix) }
    }
    try refuse(
      !(requestsPerSecond > 0 && requestsPerSecond <= 10_000_000), "the request rate",
      "is \(requestsPerSecond) a second", "give more than 0 and up to 10 million")
    try refuse(!(1...100_000).contains(pools), "the number of pools", "is \(pools)", "give 1 to 100000")
    try refuse(!(1...1_000_000).contains(poolSize), "the pool's size", "is \(poolSize)", "give 1 to 1000000")
    try refuse(serverIdle <= .zero, "the server's idle time", "is no time", "give for instance 5s")
    try refuse(
      serverJitter < .zero || serverJitter > serverIdle, "the server's jitter", "is longer than its idle time",
      "give at most \(serverIdle.text)")
    try refuse(proxyIdle.map { $0 <= .zero } ?? false, "the proxy's idle time", "is no time", "give for instance 60s")
    try refuse(pathDelay < .zero || reaction < .zero, "the path's delay", "is negative", "give for instance 1ms")
    try refuse(responseTime <= .zero, "the response time", "is no time", "give for instance 50ms")
    try refuse(
      !(0...1).contains(notIdempotent), "the share of methods that are not idempotent", "is \(notIdempotent)",
      "give 0 to 1")
    let concurrent = requestsPerSecond / Double(pools) * responseTime.inSeconds
    try refuse(
      concurrent > Self.concurrencyLimit, "a pool", "has \(Int(concurrent.rounded())) requests at once",
      "the model takes \(Int(Self.concurrencyLimit)); if there are several worker processes or servers, say so by the number of pools"
    )
  }

  /// The span of idle ages at which a request that is sent crosses the server's FIN: a round trip, and what both sides take.
  package var riskSpan: Nanoseconds { pathDelay * 2 + reaction }
}
