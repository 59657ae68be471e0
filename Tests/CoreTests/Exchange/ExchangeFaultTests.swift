import Testing

@testable import Core

/// An event that the state does not allow costs the exchange that is told it, and no more.
struct ExchangeFaultTests {
  private static let points: [(ExchangeFault.Point, @Sendable () -> Exchange)] = [
    (.acquiring, { Exchange(isIdempotent: true, policy: ReplayPolicy()) }),
    (.attempting, { Scene.attempt(idempotent: true).exchange }),
    (
      .judging,
      {
        let driven = Scene.attempt(idempotent: true)
        _ = driven.exchange.connectionEnded(Scene.crossedFin, budget: &driven.budget, now: Scene.now)
        return driven.exchange
      }
    ),
    (.answering, { answering().exchange }),
    (
      .passingOn,
      {
        let driven = answering()
        driven.exchange.responsePassedOn()
        return driven.exchange
      }
    ),
    (
      .failed,
      {
        let driven = Scene.attempt(idempotent: false)
        _ = driven.exchange.connectionEnded(Scene.bareReset, budget: &driven.budget, now: Scene.now)
        return driven.exchange
      }
    ),
    (
      .finished,
      {
        var exchange = Exchange(isIdempotent: true, policy: ReplayPolicy())
        _ = exchange.clientLeft()
        return exchange
      }
    ),
  ]

  private static func answering() -> DrivenExchange {
    let driven = Scene.attempt(idempotent: true)
    _ = driven.headArrived(couldAnswer: true)
    return driven
  }

  /// What each event is allowed in, in the words of the drawing above ``Exchange``.
  private static let allowed: [ExchangeFault.Event: Set<ExchangeFault.Point>] = [
    .leased: [.acquiring], .lookedAgain: [], .spokenToFirst: [], .connectFailed: [.acquiring], .refused: [.acquiring],
    .requestBytesWritten: [.attempting, .answering, .passingOn],
    .connectionEnded: [.attempting, .answering, .passingOn], .resetWaitEnded: [.judging],
    .responseHeadArrived: [.attempting, .passingOn], .interimPassedOn: [.attempting],
    .responsePassedOn: [.attempting, .answering, .passingOn], .responseEnded: [.answering, .passingOn],
    .responseInvalid: [.attempting, .answering, .passingOn],
    .timedOut: [.attempting, .judging, .answering, .passingOn],
  ]

  @Test(arguments: points.indices) func everyOtherEventEndsTheExchange(place: Int) {
    let (point, make) = Self.points[place]
    for (event, points) in Self.allowed {
      var exchange = make()
      let end = Self.tell(event, &exchange)
      guard !points.contains(point) else {
        #expect(exchange.fault == nil, "\(event) while \(point)")
        continue
      }
      #expect(exchange.fault == ExchangeFault(event: event, point: point))
      #expect(exchange.isFinished)
      // Whatever comes now ends it, or is of no consequence; the first fault stays the one that is named.
      for next in Self.allowed.keys { _ = Self.tell(next, &exchange) }
      #expect(exchange.fault == ExchangeFault(event: event, point: point))
      switch end {
      case .abortClient(let failure):
        #expect(failure.cause == .proxyError(detail: "the exchange was told \(event) while \(point)"))
      case .awaitReset, .replayAfresh, .fail: Issue.record("\(event) while \(point): \(String(describing: end))")
      case nil: break
      }
    }
  }

  /// What the host does with a head that arrives nowhere: it sees to the end of the connection, and that ends the exchange.
  @Test func aHeadThatArrivesNowhereEndsIt() {
    let driven = DrivenExchange(idempotent: true)
    #expect(driven.headArrived(couldAnswer: true) == .discard(until: Scene.now))
    guard
      case .abortClient = driven.exchange.resetWaitEnded(
        Scene.quiet, isOver: false, until: Scene.now, budget: &driven.budget, now: Scene.now)
    else {
      Issue.record("it goes on")
      return
    }
  }

  private static func tell(_ event: ExchangeFault.Event, _ exchange: inout Exchange) -> Exchange.AttemptEnd? {
    var budget = ReplayBudget()
    switch event {
    case .leased: exchange.leased(Scene.reused)
    case .lookedAgain: _ = exchange.lookedAgain(.quiet)
    case .spokenToFirst: return exchange.spokenToFirst(.unaskedResponse, budget: &budget, now: Scene.now)
    case .connectFailed: _ = exchange.connectFailed(.connectRefused, othersLeft: true, now: Scene.now)
    case .refused: _ = exchange.refused(.poolDraining)
    case .requestBytesWritten: exchange.requestBytesWritten(1)
    case .connectionEnded: return exchange.connectionEnded(Scene.crossedFinConfirmed, budget: &budget, now: Scene.now)
    case .resetWaitEnded:
      return exchange.resetWaitEnded(
        Scene.crossedFinConfirmed, isOver: true, until: Scene.now, budget: &budget, now: Scene.now)
    case .responseHeadArrived:
      _ = exchange.responseHeadArrived(
        isInterim: false, couldAnswer: true, observation: Scene.quiet, now: Scene.now)
    case .interimPassedOn: exchange.interimPassedOn()
    case .responsePassedOn: exchange.responsePassedOn()
    case .responseEnded: exchange.responseEnded()
    case .responseInvalid:
      return exchange.responseInvalid(
        .invalidResponse(detail: ""), couldAnswer: true, observation: Scene.quiet, now: Scene.now)
    case .timedOut:
      return exchange.timedOut(.responseTimeout(after: .zero), waited: .zero, observation: Scene.quiet)
    }
    return nil
  }
}
