import Analysis
import Testing

/// The table of endings, over all that can be seen.
@Suite struct EndingRuleTests {
  private static var all: [EndingRule.Facts] {
    var all: [EndingRule.Facts] = []
    for sender in EndingRule.Sender.allCases {
      for saidGoodbye in [true, false] {
        for form in EndingRule.Form.allCases {
          for pace in EndingRule.Pace.allCases {
            for before in EndingRule.Before.allCases {
              all.append(
                EndingRule.Facts(sender: sender, saidGoodbye: saidGoodbye, form: form, pace: pace, before: before))
            }
          }
        }
      }
    }
    return all
  }

  private static func isHandling(_ judgement: EndingRule.Judgement) -> Bool {
    switch judgement {
    case .closedWhileHandling: true
    case .forgottenFlow, .resetUnread, .crossingHalfClose, .inconclusive: false
    }
  }

  @Test func whoSaidGoodbyeBeforeTheRequestDidNotHandleIt() {
    for facts in EndingRuleTests.all where facts.saidGoodbye {
      #expect(!EndingRuleTests.isHandling(EndingRule.judge(facts)), "\(facts)")
    }
  }

  @Test func aResetNeverProvesHandling() {
    for facts in EndingRuleTests.all where facts.form != .read {
      #expect(EndingRule.judge(facts) != .closedWhileHandling(.proved), "\(facts)")
    }
  }

  @Test func whatSomethingElseSentIsNotTheServers() {
    for facts in EndingRuleTests.all where facts.sender == .elsewhere && facts.form != .read {
      #expect(EndingRule.judge(facts) == .forgottenFlow, "\(facts)")
    }
  }

  /// Less knowledge must not make a verdict firmer.
  @Test func whatIsNotKnownProvesNothing() {
    for facts in EndingRuleTests.all where facts.pace == .atOnce && facts.before == .unknown && !facts.saidGoodbye {
      guard facts.sender == .server else { continue }
      #expect(EndingRule.judge(facts) == .inconclusive, "\(facts)")
    }
  }

  @Test func onlyALateOrBusyFINProvesHandling() {
    let proved = EndingRuleTests.all.filter { EndingRule.judge($0) == .closedWhileHandling(.proved) }
    #expect(!proved.isEmpty)
    #expect(proved.allSatisfy { $0.form == .read && ($0.pace == .later || $0.before == .busy) })
  }
}
