import Testing

@testable import Core

struct EnvironmentValuesTests {
  private func fill(_ text: String) -> (text: String, facts: [String]) {
    let variables = ["A": "1", "B_2": "two", "EMPTY": "", "NESTED": "${A}", "BRACE": "}"]
    var reader = SettingsReader()
    var node = SettingsNode.text(text)
    EnvironmentValues { variables[$0] }.fill(&node, &reader)
    guard case .scalar(let scalar) = node.content else { return ("", []) }
    #expect(scalar.written == text)
    return (scalar.text, reader.problems.map(\.fact))
  }

  @Test(arguments: [
    ("plain", "plain"), ("${A}", "1"), ("x${A}y${B_2}z", "x1ytwoz"), ("${NO:-default}", "default"),
    ("${A:-default}", "1"),
    ("${EMPTY}", ""), ("${EMPTY:-default}", "default"), ("${NO:-}", ""), ("$A", "$A"), ("$", "$"), ("$$", "$$"),
    ("$${A}", "${A}"), ("$$${A}", "$${A}"), ("${NESTED}", "${A}"), ("${NO:-a:-b}", "a:-b"), ("{A}", "{A}"),
    ("${BRACE}", "}"),
  ])
  func fills(_ text: String, _ result: String) {
    #expect(fill(text) == (result, []))
  }

  @Test(arguments: [
    ("${NO}", "the environment variable NO is not set"), ("${", "'${' has a '${' that no '}' closes"),
    ("${}", "'${}' names no environment variable"), ("${1A}", "'${1A}' names no environment variable"),
    ("${A B}", "'${A B}' names no environment variable"), ("${A-b}", "'${A-b}' names no environment variable"),
  ])
  func saysWhatIsMissing(_ text: String, _ fact: String) {
    #expect(fill(text) == (text, [fact]))
  }

  @Test func boundsWhatComesOut() {
    var reader = SettingsReader()
    var node = SettingsNode.text(String(repeating: "${A}", count: 100))
    EnvironmentValues { _ in String(repeating: "x", count: 100_000) }.fill(&node, &reader)
    #expect(reader.problems.count == 1)
  }
}
