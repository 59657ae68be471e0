import Testing

@testable import Core

/// Every order of events that a host can meet, up to a depth, against a model that knows only the replay policy's
/// words.
@Suite("All orders of events of one exchange")
struct ExchangeOrderTests {
  private enum Phase: Equatable {
    case acquiring
    case attempting
    case judging
    case answering
    case passingOn
    case over
  }

  /// What the policy's words need to be known.
  private struct Model {
    var idempotent: Bool
    var policy: ReplayPolicy
    var phase = Phase.acquiring
    var wrote = false
    var passedOn = false
    var passedInterim = false
    var recordLost = false
    var replays = 0
    var freshLosses = 0
    var isFresh = false
    var unasked = false

    /// Whether the words allow a replay on this verdict.
    func mayReplay(_ verdict: Verdict) -> Bool {
      if passedOn || passedInterim || recordLost || replays >= Int(policy.maximumReplays) { return false }
      if freshLosses >= Int(policy.maximumFreshLosses) { return false }
      if idempotent { return true }
      guard policy.nonIdempotent == .proven else { return false }
      return verdict == .neverSent || verdict == .neverDelivered
    }

    /// The evidence rule in the words of DESIGN.md, written again.
    func verdict(_ observation: Observation, final: Bool) -> Verdict? {
      if !wrote { return .neverSent }
      if observation.acknowledgement == .moved { return .delivered }
      if observation.acknowledgement == .unmoved, observation.error == .brokenPipe { return .neverDelivered }
      let finSeen = observation.reading == .endOfFile && observation.error == nil
      if observation.acknowledgement == .unmoved, finSeen || (unasked && observation.error == nil) {
        return final ? .unknown : nil
      }
      return .unknown
    }
  }

  private static let observations = [
    Scene.crossedFin, Scene.crossedFinConfirmed, Scene.closedAfterReading, Scene.bareReset,
    Scene.observation(.failed, .brokenPipe, .unmoved), Scene.observation(.endOfFile, nil, .unavailable),
  ]

  @Test("Replays are exactly those that the policy's words allow", arguments: [false, true])
  func allOrders(idempotent: Bool) {
    var nodes = 0
    for nonIdempotent in ReplayPolicy.NonIdempotent.allCases {
      let policy = ReplayPolicy(nonIdempotent: nonIdempotent, maximumReplays: 2)
      let exchange = Exchange(isIdempotent: idempotent, policy: policy)
      explore(exchange, Model(idempotent: idempotent, policy: policy), depth: 7, path: [], nodes: &nodes)
    }
    #expect(nodes > 50_000, "the world is not too small: \(nodes)")
  }

  private func explore(_ exchange: Exchange, _ model: Model, depth: Int, path: [String], nodes: inout Int) {
    nodes += 1
    #expect(exchange.isFinished == (model.phase == .over), "\(path)")
    #expect(Int(exchange.replays) == model.replays, "\(path)")
    guard depth > 0 else { return }
    switch model.phase {
    case .acquiring: acquire(exchange, model, depth, path, &nodes)
    case .attempting: attempt(exchange, model, depth, path, &nodes)
    case .judging: judge(exchange, model, depth, path, &nodes)
    case .answering, .passingOn: answer(exchange, model, depth, path, &nodes)
    case .over: break
    }
    guard model.phase != .over else { return }
    var left = exchange
    let departure = left.clientLeft()
    #expect((departure == .stopAcquiring) == (model.phase == .acquiring), "\(path)")
    #expect(left.isFinished)
  }

  private func acquire(_ exchange: Exchange, _ model: Model, _ depth: Int, _ path: [String], _ nodes: inout Int) {
    for lease in [Scene.fresh, Scene.reused] {
      // A replay always takes a fresh connection.
      if exchange.needsFreshConnection, lease.isReused { continue }
      var exchange = exchange
      var model = model
      exchange.leased(lease)
      _ = exchange.lookedAgain(.quiet)
      model.phase = .attempting
      model.isFresh = !lease.isReused
      model.wrote = false
      model.unasked = false
      explore(exchange, model, depth: depth - 1, path: path + ["leased"], nodes: &nodes)
    }
    for othersLeft in [true, false] {
      var failed = exchange
      var after = model
      let end = failed.connectFailed(.connectRefused, othersLeft: othersLeft, now: Scene.now)
      let path = path + ["connectFailed"]
      // Bodies, methods, replays and their budget play no part: nothing was sent.
      #expect((end == .askAnother) == othersLeft, "\(path)")
      if !othersLeft { after.phase = .over }
      explore(failed, after, depth: depth - 1, path: path, nodes: &nodes)
    }
  }

  private func attempt(_ exchange: Exchange, _ model: Model, _ depth: Int, _ path: [String], _ nodes: inout Int) {
    if !model.wrote {
      var exchange = exchange
      var model = model
      exchange.requestBytesWritten(52)
      model.wrote = true
      explore(exchange, model, depth: depth - 1, path: path + ["wrote"], nodes: &nodes)
    }
    if model.wrote, !model.recordLost {
      var exchange = exchange
      var model = model
      exchange.recordLost()
      model.recordLost = true
      explore(exchange, model, depth: depth - 1, path: path + ["recordLost"], nodes: &nodes)
    }
    for isInterim in [false, true] {
      for couldAnswer in [false, true] {
        var exchange = exchange
        var model = model
        let fate = exchange.responseHeadArrived(
          isInterim: isInterim, couldAnswer: couldAnswer, observation: Scene.quiet, now: Scene.now)
        let isAnswer = couldAnswer && model.wrote
        #expect((fate == .passOn) == isAnswer, "\(path)")
        if isAnswer {
          // After an interim response the final one is still to come.
          model.phase = isInterim ? .attempting : .answering
          if isInterim {
            exchange.interimPassedOn()
            model.passedInterim = true
          }
        } else {
          model.phase = .judging
          model.unasked = true
        }
        explore(exchange, model, depth: depth - 1, path: path + ["head \(isInterim) \(couldAnswer)"], nodes: &nodes)
      }
    }
    for observation in Self.observations {
      var exchange = exchange
      var budget = ReplayBudget()
      let end = exchange.connectionEnded(observation, budget: &budget, now: Scene.now)
      conclude(
        exchange, model, end, expected: model.verdict(observation, final: false), depth, path + ["ended"], &nodes)
    }
    var late = exchange
    if case .fail(let failure) = late.timedOut(
      .responseTimeout(after: .seconds(1)), waited: .seconds(1), observation: Scene.quiet)
    {
      #expect(failure.notReplayed == .timedOut)
    } else {
      Issue.record("a timeout is not replayed: \(path)")
    }
    #expect(late.isFinished)
  }

  private func judge(_ exchange: Exchange, _ model: Model, _ depth: Int, _ path: [String], _ nodes: inout Int) {
    for observation in Self.observations {
      for isOver in [false, true] {
        var exchange = exchange
        var budget = ReplayBudget()
        let end = exchange.resetWaitEnded(
          observation, isOver: isOver, until: Scene.now, budget: &budget, now: Scene.now)
        conclude(
          exchange, model, end, expected: model.verdict(observation, final: isOver), depth, path + ["judged"], &nodes)
      }
    }
  }

  private func answer(_ exchange: Exchange, _ model: Model, _ depth: Int, _ path: [String], _ nodes: inout Int) {
    if !model.passedOn {
      var exchange = exchange
      var model = model
      exchange.responsePassedOn()
      model.passedOn = true
      model.phase = .passingOn
      explore(exchange, model, depth: depth - 1, path: path + ["passedOn"], nodes: &nodes)
    }
    var whole = exchange
    whole.responseEnded()
    #expect(whole.isFinished)
    var exchange = exchange
    var budget = ReplayBudget()
    let end = exchange.connectionEnded(Scene.closedAfterReading, budget: &budget, now: Scene.now)
    if model.passedOn {
      guard case .abortClient(let failure) = end else {
        Issue.record("a client that has bytes of a response must see it broken off: \(path), \(end)")
        return
      }
      #expect(failure.notReplayed == .responsePassedOn)
    } else {
      conclude(exchange, model, end, expected: .delivered, depth, path + ["ended"], &nodes)
    }
  }

  private func conclude(
    _ exchange: Exchange, _ model: Model, _ end: Exchange.AttemptEnd, expected: Verdict?, _ depth: Int,
    _ path: [String], _ nodes: inout Int
  ) {
    var model = model
    switch (end, expected) {
    case (.awaitReset, nil):
      model.phase = .judging
    case (_, nil):
      Issue.record("the evidence was still open: \(path), \(end)")
      return
    case (.awaitReset, .some):
      Issue.record("the evidence was complete: \(path)")
      return
    case (.replayAfresh(let verdict), .some(let wanted)):
      #expect(verdict == wanted, "\(path)")
      if model.isFresh, !wanted.provesNoDelivery { model.freshLosses += 1 }
      #expect(model.mayReplay(wanted), "\(path)")
      #expect(exchange.needsFreshConnection, "\(path)")
      model.replays += 1
      model.phase = .acquiring
    case (.fail(let failure), .some(let wanted)):
      #expect(failure.verdict == wanted, "\(path)")
      if model.isFresh, !wanted.provesNoDelivery { model.freshLosses += 1 }
      #expect(!model.mayReplay(wanted), "not replayed because \(String(describing: failure.notReplayed)): \(path)")
      model.phase = .over
    case (.abortClient, .some):
      Issue.record("nothing was passed on: \(path)")
      return
    }
    explore(exchange, model, depth: depth - 1, path: path, nodes: &nodes)
  }
}
