import Testing

@testable import Core

struct NearestNameTests {
  private let names = ["balance", "servers", "client-idle", "idle-connections", "to"]

  @Test(
    arguments: [
      ("blance", "balance"), ("server", "servers"), ("srevers", "servers"), ("Balance", "balance"),
      ("client_idle", "client-idle"),
      ("clientidle", "client-idle"), ("connections", "idle-connections"), ("tp", "to"), ("colour", nil), ("", nil),
      ("x", nil),
      (String(repeating: "a", count: 1_000), nil),
    ] as [(String, String?)])
  func findsWhatWasMeant(_ typed: String, _ meant: String?) {
    #expect(NearestName.find(typed, among: names) == meant)
  }

  @Test(arguments: [
    ("", "", 0), ("a", "", 1), ("ab", "ba", 1), ("kitten", "sitting", 3), ("abc", "abc", 0), ("ca", "abc", 3),
  ])
  func countsEdits(_ left: String, _ right: String, _ count: Int) {
    #expect(NearestName.distance(Array(left), Array(right)) == count)
    #expect(NearestName.distance(Array(right), Array(left)) == count)
  }
}
