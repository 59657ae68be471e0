/// Something that a run must have met at times, or it proves nothing.
package enum Scene: UInt8, Sendable, CaseIterable {
  // How attempts without an answer ended in truth: the rows of the evidence table, and what else there is.
  case finCrossedRequest
  case readThenClosed
  case halfClosedReadOn
  case closedWithRequestUnread
  case readThenAborted
  case abortCrossedRequest
  case farewellCrossedRequest
  case forgottenConnection
  case restartMetRequest
  case responseCutOff
  // What the proxy made of it.
  case verdictNeverSent
  case verdictNeverDelivered
  case verdictDelivered
  case verdictUnknown
  case resetAwaited
  case resetCame
  case resetStayedAway
  case farewellDiscarded
  /// A farewell that acknowledges the request: nobody can tell it from an answer.
  case farewellToUnreadRequest
  case replayOfIdempotent
  case replayOfNonIdempotent
  case secondReplay
  case failedNotIdempotent
  case failedSwitchedOff
  case failedBodyNotKept
  case failedTooManyReplays
  case failedTooManyFreshLosses
  case failedBudgetExhausted
  case failedConnect
  case failedTimeout
  case responseBrokenOff
  // Connections.
  case connectionOpened
  case connectionReused
  case finUnreadAtWrite
  case staleAtLook
  case closedWhileIdle
  case waitedForConnection
  case waitExpired
  case queueWasFull
  case handedOver
  case evicted
  case sweptByAge
  case sentinelSurvived
  case connectRefused
  case connectTimedOut
  case connectFailedOver
  case connectAwaited
  // Reloads.
  case reloaded
  case reloadBelowLeased
  case reloadWhileJudging
  case reloadWhileWaiting
  case reloadWhileConnectAwaited
  case reloadMadeRoom
  case reloadClosedIdle
  case serverUnnamed
  case clientLeft
  // Learning.
  case windowLearned
  case windowHinted
  case windowConverged
  case windowConvergedWithJitter
  case windowConvergedAnew
  case nonIdempotentTookFresh
  case idleTimeoutChanged
  case serverRestarted
  case segmentLost
  case earlyResponse
  case interimResponse
  case poolDrained
  case blindSocket
  case maximumRequestsReached
  case maximumAgeReached
}

/// How often each scene occurred, over any number of runs.
package struct Coverage: Sendable {
  private var counts = [Int](repeating: 0, count: Scene.allCases.count)
  package var runs = 0
  package var requests = 0
  package var events = 0

  package init() {}

  package subscript(_ scene: Scene) -> Int { counts[Int(scene.rawValue)] }

  package mutating func saw(_ scene: Scene) { counts[Int(scene.rawValue)] += 1 }

  package mutating func add(_ other: Coverage) {
    for index in counts.indices { counts[index] += other.counts[index] }
    runs += other.runs
    requests += other.requests
    events += other.events
  }

  /// What never happened.
  package var missing: [Scene] { Scene.allCases.filter { self[$0] == 0 } }
}
