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
}
