import Core
import Testing

/// What logs show of queries.
struct QueryPolicyTests {
  private func shown(_ link: String, _ policy: LogSettings.QueryPolicy) -> String {
    String(decoding: policy.shown(Array(link.utf8)), as: UTF8.self)
  }

  @Test(arguments: [
    ("/", "/"), ("/a?", "/a?"), ("/a?b=c", "/a?b=..."), ("/a?b=c&d=e;f=g", "/a?b=...&d=...;f=..."),
    ("/a?token", "/a?..."), ("/a?c2VjcmV0==", "/a?..."), ("/a?b=", "/a?..."), ("/a?b==c", "/a?b=..."),
    ("/a?b=c?d=e", "/a?b=..."), ("/a?=b", "/a?=..."), ("/a?&&b=c&", "/a?&&b=...&"),
    ("https://a/b#access_token=x", "https://a/b#access_token=..."), ("/a?b=c#d", "/a?b=...#..."),
    ("/a?01234567890123456789012345678901234567890=b", "/a?..."), ("", ""), ("?", "?"),
    ("/a=b&c=d", "/a=b&c=d"),
  ])
  func hidesValues(_ link: String, _ expected: String) {
    #expect(shown(link, .hideValues) == expected)
  }

  @Test(arguments: [("/a?b=c", "/a"), ("/a#b", "/a"), ("/a", "/a"), ("?", "")])
  func drops(_ link: String, _ expected: String) {
    #expect(shown(link, .drop) == expected)
  }

  @Test func keeps() {
    #expect(shown("/a?b=c#d", .keep) == "/a?b=c#d")
  }

  @Test func valuesAreHiddenUnlessAskedFor() {
    #expect(LogSettings().query == .hideValues)
  }

  /// However it is taken apart, no value of eight letters is left.
  @Test func noValueEverStays() {
    var random = SeededNumbers(seed: 7)
    for _ in 0..<2_000 {
      var link = "/path"
      for _ in 0..<Int(random.next() % 6) {
        let separator = ["?", "&", ";", "#", "=", "?a="][Int(random.next() % 6)]
        link += separator + (separator.hasSuffix("=") ? "secretly" : "n")
      }
      let result = shown(link, .hideValues)
      let isInPath = link.prefix { $0 != "?" && $0 != "#" }.contains("secretly")
      if !isInPath { #expect(!result.contains("secretly"), "\(link) -> \(result)") }
    }
  }
}
