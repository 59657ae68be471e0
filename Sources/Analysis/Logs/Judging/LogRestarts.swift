import Core

/// Tells a server's restart from the race: a cluster of closes around refused connections is a deploy.
enum LogRestarts {
  private static let window: Int64 = 5_000_000_000
  /// How long a restart may take.
  private static let longest: Int64 = 30_000_000_000
  /// So many closes within the window, and so many refusals while it lasts, at least.
  private static let least = 3

  /// Judges again what lies in such clusters. Returns how many there were.
  static func mark(_ failures: inout [LogFailure]) -> Int {
    var byServer: [Int32: [Int]] = [:]
    for (index, failure) in failures.enumerated() where failure.server >= 0 && failure.hasTime {
      byServer[failure.server, default: []].append(index)
    }
    var clusters = 0
    for server in byServer.keys.sorted() {
      let indices = byServer[server] ?? []
      let refusals = indices.filter { failures[$0].kind == .refused || failures[$0].kind == .noServer }
      guard refusals.count >= least else { continue }
      // A refusal took place when the request came; its line is written at the end.
      let times = refusals.map { failures[$0].time - max(0, failures[$0].duration) }.sorted()
      clusters += mark(indices, times, &failures)
    }
    return clusters
  }

  private static func mark(_ indices: [Int], _ refusals: [Int64], _ failures: inout [LogFailure]) -> Int {
    var clusters = 0
    var lastMarked = Int64.min
    let closes = indices.filter { failures[$0].kind == .race && failures[$0].reason != .statedByProxy }
    let closeTimes = closes.map { failures[$0].time }
    for index in closes {
      let time = failures[index].time
      guard count(refusals, around: time, window) > 0, count(refusals, around: time, longest) >= least,
        count(closeTimes, around: time, window) >= least
      else { continue }
      if lastMarked == .min || time - lastMarked > window { clusters += 1 }
      lastMarked = time
      failures[index].reason = .restart
    }
    for index in closes where failures[index].reason == .restart {
      failures[index].kind = .died
      failures[index].confidence = .medium
    }
    return clusters
  }

  private static func count(_ times: [Int64], around time: Int64, _ span: Int64) -> Int {
    // In order of time, since the failures are.
    let start = times.partitioningIndex { $0 >= time - span }
    let end = times.partitioningIndex { $0 > time + span }
    return end - start
  }
}
