import Core
import Foundation
import Host
import Support
import Testing

/// Any bytes as settings: an answer with a place, in bounded time and memory.
struct HostileSettingsTests {
  /// Generous: other work shares the machine. What is not bounded takes hours.
  private static let longestTime = Duration.seconds(60)

  private func check(_ bytes: [UInt8], _ what: @autoclosure () -> String) {
    let clock = ContinuousClock()
    var result: Result<SettingsFile.Loaded, SettingsErrors>?
    let time = clock.measure { result = SettingsFixtures.parse(bytes) }
    #expect(time < Self.longestTime, "\(what())")
    guard case .failure(let errors)? = result else { return }
    #expect(!errors.problems.isEmpty && errors.problems.count <= SettingsProblem.limit, "\(what())")
    let lineCount = bytes.count { $0 == 0x0a || $0 == 0x0d } + 1
    for problem in errors.problems {
      #expect(problem.place == .whole || (1...lineCount + 1).contains(problem.place.line), "\(what()): \(problem)")
      #expect(problem.place == .whole || problem.place.column >= 1, "\(what()): \(problem)")
      #expect(!problem.fact.isEmpty && !problem.fix.isEmpty && problem.message.utf8.count < 4_096, "\(what())")
    }
  }

  private static func repeated(_ text: String, _ count: Int) -> String { String(repeating: text, count: count) }

  private static func numbered(_ count: Int, _ line: (Int) -> String) -> String { (0..<count).map(line).joined() }

  private static let upstream = "upstreams: {a: \"http://h\"}\n"

  private static let files: [String: String] = {
    var files: [String: String] = [:]
    files["brackets"] = "a: " + repeated("[", 900_000)
    files["braces"] = repeated("{a: ", 200_000)
    files["dashes"] = repeated("- ", 500_000)
    files["question marks"] = repeated("? ", 500_000)
    files["indented maps"] = numbered(1_000) { repeated(" ", $0) + "a:\n" }
    files["indented dashes"] = numbered(100) { repeated("- ", 90) + repeated(" ", $0) + "a:\n" }
    files["scalars"] = "a: [" + repeated("a,", 500_000) + "]"
    files["keys"] = numbered(90_000) { "key\($0): 1\n" }
    files["routes"] = upstream + "routes:\n" + repeated("- {to: a, paths: [/a, /b]}\n", 30_000)
    let hosts = numbered(20_000) { "h\($0)," }
    let paths = numbered(20_000) { "/\($0)," }
    files["ways"] = upstream + "routes:\n- {to: a, hosts: [\(hosts)], paths: [\(paths)]}\n"
    files["upstreams"] = "upstreams:\n" + numbered(30_000) { "  u\($0): \"http://h\"\n" } + "routes: [{to: u1}]\n"
    files["servers"] = "upstreams:\n  a:\n" + numbered(30_000) { "  - http://h\($0)\n" }
    files["listeners"] = "listen:\n" + numbered(30_000) { "- :\($0)\n" } + upstream
    files["one long line"] = "a: " + repeated("x", 1_000_000)
    files["one long key"] = repeated("x", 1_000_000) + ": a"
    files["a long quoted text"] = "a: \"" + repeated("x\\n", 300_000) + "\""
    files["anchors"] = numbered(30_000) { "k\($0): &a\($0) x\n" }
    files["aliases as keys"] =
      numbered(40) { "a\($0): &a\($0) [*a\(max(0, $0 - 1)), *a\(max(0, $0 - 1))]\n" } + "? *a39\n: x\n"
    files["documents"] = repeated("---\na\n", 150_000)
    files["directives"] = repeated("%TAG ! !\n", 100_000)
    files["tags"] = "a: !!binary aGVsbG8=\nb: !<tag:x> y\n"
    files["line ends"] = repeated("\r", 1_000_000)
    files["block text"] = "a: |\n" + repeated("  x\n", 250_000)
    files["variables"] = "a: \"" + repeated("${NUMBER}", 100_000) + "\""
    files["unset variables"] = "listen: \"" + repeated("${N}", 100_000) + "\""
    return files
  }()

  @Test(arguments: files.keys.sorted())
  func bounds(_ name: String) throws {
    check(Array(try #require(Self.files[name]).utf8), name)
  }

  @Test func refusesWhatIsTooLarge() {
    check([UInt8](repeating: 0x20, count: 2_000_000), "spaces")
  }

  @Test func takesAnyBytes() {
    let seed = UInt64.random(in: .min ... .max)
    var generator = SeededGenerator(seed: seed)
    for _ in 0..<300 {
      let count = Int.random(in: 0...400, using: &generator)
      check((0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }, "seed \(seed)")
    }
  }

  /// Changes of valid files: bytes swapped for others, runs cut out, doubled and moved.
  @Test func takesAnyChangeOfValidFiles() throws {
    let seed = UInt64.random(in: .min ... .max)
    var generator = SeededGenerator(seed: seed)
    let files = [
      Array(SettingsExample.text.utf8), try SettingsFixtures.bytes("everything"), try SettingsFixtures.bytes("fields"),
    ]
    let special = Array("{}[]:,-#&*!|>'\"%@`? \t\n\r$~<=.0\u{0}\u{7f}\u{e9}\u{feff}".utf8)
    for round in 0..<1_500 {
      var bytes = files[round % files.count]
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        guard !bytes.isEmpty else { break }
        let start = Int.random(in: 0..<bytes.count, using: &generator)
        let end = min(bytes.count, start + Int.random(in: 1...20, using: &generator))
        switch Int.random(in: 0..<5, using: &generator) {
        case 0: bytes[start] = special.randomElement(using: &generator) ?? 0
        case 1: bytes.insert(special.randomElement(using: &generator) ?? 0, at: start)
        case 2: bytes.removeSubrange(start..<end)
        case 3: bytes.insert(contentsOf: bytes[start..<end], at: Int.random(in: 0...bytes.count, using: &generator))
        default: bytes[start] = UInt8.random(in: .min ... .max, using: &generator)
        }
      }
      check(bytes, "seed \(seed), round \(round)")
    }
  }
}
