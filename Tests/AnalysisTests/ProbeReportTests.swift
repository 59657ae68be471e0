import Analysis
import Core
import Testing

@Suite struct ProbeReportTests {
  private func report(_ seen: [ProbeObservation], interrupted: Bool = false, proxyIdle: Nanoseconds) -> ProbeReport {
    var result = ProbeResult(target: "http://a/", isHTTP: true, observations: seen, waited: .seconds(60))
    result.wasInterrupted = interrupted
    return ProbeReport(result, proxyIdle: proxyIdle)
  }

  private func idle(answers: Int, watched: Nanoseconds) -> ProbeObservation {
    var seen = ProbeObservation(plan: .idle(requests: 1))
    seen.requests = 1
    seen.answers = answers
    seen.watched = watched
    return seen
  }

  /// A server that took 50 s to answer was idle for 10 s only, however long the probe took.
  @Test func onlyIdleTimeThatWasSeenCountsAsSafe() {
    let seen = [idle(answers: 1, watched: .seconds(10))]
    #expect(report(seen, proxyIdle: .seconds(7)).verdict == .safe)
    #expect(report(seen, proxyIdle: .seconds(30)).verdict == .unknown)
    #expect(report(seen, proxyIdle: .seconds(30)).exitCode == 3)
    #expect(report(seen, proxyIdle: .seconds(30)).text(ink: Ink(isColoured: false)).contains("none within 10"))
  }

  @Test func anInterruptionBeforeTheFirstAnswerTellsNothing() {
    let seen = [idle(answers: 0, watched: .seconds(2))]
    let report = report(seen, interrupted: true, proxyIdle: .seconds(1))
    #expect(report.verdict == nil)
    #expect(report.exitCode == 2)
    #expect(report.text(ink: Ink(isColoured: false)).contains("before the server had answered"))
  }

  private func closed(_ plan: ProbePlan, answers: Int, age: Nanoseconds, announced: Bool = false) -> ProbeObservation {
    var seen = ProbeObservation(plan: plan)
    seen.connectTime = .milliseconds(1)
    seen.requests = answers
    seen.answers = answers
    seen.ending = .fin
    seen.age = age
    seen.closeWasAnnounced = announced
    return seen
  }

  private func text(_ report: ProbeReport) -> String { report.text(ink: Ink(isColoured: false)) }

  /// A server that closes without notice after five answers has an idle timeout, and it is not 0.
  @Test func aLimitOfRequestsIsNoIdleTimeout() {
    let seen = [
      closed(.idle(requests: 1), answers: 1, age: .seconds(6)),
      closed(.idle(requests: 3), answers: 3, age: .seconds(6)),
      closed(.idle(requests: 5), answers: 5, age: .microseconds(80)),
      closed(.requests(limit: 110), answers: 5, age: .microseconds(90)),
    ]
    let report = report(seen, proxyIdle: .seconds(4))
    #expect(report.timeout == .seconds(6))
    #expect(report.result.unannouncedRequestLimit == 5)
    #expect(report.verdict == .race)
    #expect(text(report).contains("closes idle connections after 6.000 s"), "\(text(report))")
    #expect(text(report).contains("also closes after 5 requests without announcing it"), "\(text(report))")
    #expect(report.json().contains("\"unannounced_request_limit\":5"))
  }

  /// Without an idle close: the limit is told, and what was survived.
  @Test func aLimitOfRequestsIsToldWithoutATimeout() {
    let seen = [
      idle(answers: 1, watched: .seconds(20)), closed(.idle(requests: 5), answers: 5, age: .zero),
      closed(.requests(limit: 110), answers: 5, age: .zero),
    ]
    let report = report(seen, proxyIdle: .seconds(4))
    #expect(report.timeout == nil)
    #expect(text(report).contains("none within 20") && text(report).contains("after 5 requests"), "\(text(report))")
  }

  /// Each answer is ended by the close, that to HEAD has no content: nothing is to be waited for.
  @Test func anAnswerThatTheCloseEndsIsAnAnnouncement() {
    let seen = [
      closed(.idle(requests: 1), answers: 1, age: .zero, announced: true),
      closed(.requests(limit: 110), answers: 1, age: .zero, announced: true),
      closed(.lateRequest, answers: 1, age: .zero, announced: true),
      closed(.head, answers: 1, age: .zero), closed(.version10(keepAlive: true), answers: 1, age: .zero),
    ]
    let report = report(seen, proxyIdle: .seconds(4))
    #expect(report.closesAfterEachAnswer)
    #expect(report.verdict == .safe)
    #expect(!text(report).contains("none within"), "\(text(report))")
  }

  @Test func aTimeOfNothingIsSaidInWords() {
    let seen = [1, 2, 3].map { closed(.idle(requests: $0), answers: $0, age: .milliseconds(150 + Int64($0) * 40)) }
    let report = report(seen, proxyIdle: .seconds(4))
    #expect(!report.canHold)
    #expect(text(report).contains("no proxy should hold them"), "\(text(report))")
    #expect(!text(report).contains("at most 0"), "\(text(report))")
    #expect(report.json().contains("\"connections_can_be_held\":false"))
  }
}
