import Core
import Foundation
import Host
import Support
import Testing

/// `validate`, `settings` and `serve --settings` as programs.
struct SettingsCommandTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func run(_ arguments: String..., input: String = "") throws -> (status: Int32?, output: String) {
    let log = directory.path + "/log"
    try input.write(toFile: directory.path + "/input", atomically: true, encoding: .utf8)
    let quoted = arguments.map { "'\($0)'" }.joined(separator: " ")
    let program = try ChildProcess(
      ["sh", "-c", "cd \(directory.path); \(BuiltProgram.photofinish) \(quoted) < input"], output: .file(path: log))
    let status = program.wait(atMost: .seconds(60))
    return (status, BuiltProgram.text(ofFile: log) ?? "")
  }

  private func write(_ text: String, _ name: String) throws {
    try text.write(toFile: "\(directory.path)/\(name)", atomically: true, encoding: .utf8)
  }

  private static let valid = "listen: 127.0.0.1:0\nupstreams: {app: \"http://127.0.0.1:9\"}\n"

  /// As a start would, it reads the files of certificates.
  @Test func validateReadsCertificates() throws {
    let certificates = try TestCertificates()
    let files = try certificates.issue("www", for: ["www.example.test"])
    let other = try certificates.issue("other", for: ["other.example.test"])
    func settings(_ chain: String, _ key: String) -> String {
      "listen: [{address: \"127.0.0.1:0\", tls: {certificates: [{chain: \(chain), key: \(key)}]}}]\nupstreams: {app: \"http://127.0.0.1:9\"}\n"
    }
    try write(settings(files.chain, files.key), "good.yaml")
    #expect(try run("validate", "good.yaml").status == 0)
    try write(settings(files.chain, other.key), "mixed.yaml")
    let mixed = try run("validate", "mixed.yaml")
    #expect(mixed.status == 1)
    #expect(mixed.output.contains(other.key) && mixed.output.contains("does not belong"), "\(mixed.output)")
    try write(settings("/nowhere/chain.pem", files.key), "none.yaml")
    let none = try run("validate", "none.yaml")
    #expect(none.status == 1 && none.output.contains("/nowhere/chain.pem"), "\(none.output)")
  }

  @Test func validatesFiles() throws {
    try write(Self.valid, "good.yaml")
    try write("upstrems: 1\n" + Self.valid, "bad.yaml")
    #expect(try run("validate", "good.yaml") == (0, "good.yaml: valid\n"))
    let (status, output) = try run("validate", "good.yaml", "bad.yaml")
    #expect(status == 1)
    #expect(
      output == """
        good.yaml: valid
        bad.yaml:1:1: 'upstrems' is an unknown key of the settings; did you mean 'upstreams'?
        bad.yaml: not valid, 1 error

        """)
  }

  @Test func validatesStandardInput() throws {
    #expect(try run("validate", "-", input: Self.valid) == (0, "-: valid\n"))
    #expect(try run("validate", "-", input: "a: [").status == 1)
  }

  @Test func takesWarningsForErrorsWhenAsked() throws {
    let text = Self.valid + "logs: {sampling: 5}\n"
    #expect(try run("validate", "-", input: text).status == 0)
    #expect(try run("validate", "--strict", "-", input: text).status == 1)
  }

  @Test func validatesForPrograms() throws {
    let (status, output) = try run("validate", "--output", "json", "-", input: Self.valid + "threads: \"x\\\"\"\n")
    #expect(status == 1)
    let json = try #require(try JSONSerialization.jsonObject(with: Data(output.utf8)) as? [[String: Any]])
    let problem = try #require((json.first?["problems"] as? [[String: Any]])?.first)
    #expect(json.first?["valid"] as? Bool == false && json.first?["file"] as? String == "-")
    #expect(
      problem["line"] as? Int == 3 && problem["column"] as? Int == 10 && problem["subject"] as? String == "threads")
    #expect(problem["fact"] as? String == "'x\"' is not a number in digits")
    #expect(problem["severity"] as? String == "error" && problem["fix"] as? String == "write a whole number, 1 or more")
  }

  @Test func toldHowToBeUsed() throws {
    #expect(try run("validate").status == 2)
    #expect(try run("settings").status == 2)
    #expect(try run("settings", "--example", "--reference").status == 2)
  }

  @Test func printsAnExampleThatItTakes() throws {
    let (status, example) = try run("settings", "--example")
    #expect(status == 0)
    #expect(try run("validate", "--strict", "-", input: example) == (0, "-: valid\n"))
  }

  @Test func showsWhatAFileComesTo() throws {
    let (status, shown) = try run("settings", "--show", "-", input: Self.valid + "behind: heroku\n")
    #expect(status == 0 && shown.contains("  client-idle: 110s\n"), "\(shown)")
    #expect(try run("settings", "--show", "-", input: shown) == (0, shown))
    #expect(try run("settings", "--show", "nothing.yaml").status == 1)
  }

  @Test func refusesToServeWhatIsNotValid() throws {
    try write(Self.valid + "timeouts: {connect: 5}\n", "bad.yaml")
    let (status, output) = try run("serve", "-c", "bad.yaml")
    #expect(status == 1)
    #expect(output == "bad.yaml:3:21: timeouts.connect: '5' has no unit; write for instance 500ms, 5s, 2m or 1h\n")
  }

  @Test func explainsFlagsThatDoNotGoWithTheFile() throws {
    try write(Self.valid + "behind: aws-alb\n", "app.yaml")
    let (status, output) = try run("serve", "-c", "app.yaml", "--client-idle", "60s")
    #expect(status == 1)
    #expect(output.hasPrefix("app.yaml and the flags: timeouts.client-idle: 1m is no longer than"), "\(output)")
    try write("upstreams: {a: \"http://h\", b: \"http://i\"}\nroutes: [{to: a}, {paths: /b, to: b}]\n", "two.yaml")
    let (two, text) = try run("serve", "-c", "two.yaml", "--upstream", "http://j")
    #expect(two == 1 && text.contains("--upstream: the file has 2 upstreams"), "\(text)")
    #expect(try run("serve", "-c", "app.yaml", "--demo").status == 2)
  }

  @Test func readsTheFileAnewOnSIGHUP() throws {
    try write(Self.valid, "app.yaml")
    let log = directory.path + "/serve"
    let proxy = try ChildProcess(
      [BuiltProgram.photofinish, "serve", "-c", directory.path + "/app.yaml"], output: .file(path: log))
    try wait(log, for: "listens on")
    try write(Self.valid + "threads: none\n", "app.yaml")
    proxy.signal(SIGHUP)
    try wait(log, for: "app.yaml:3:10: threads: 'none' is not a number in digits")
    try wait(log, for: "app.yaml is refused, the old settings stay")
    try write(Self.valid + "logs: {sampling: 3}\n", "app.yaml")
    proxy.signal(SIGHUP)
    try wait(log, for: "warning: logs.sampling")
    try wait(log, for: "app.yaml is taken over")
    proxy.signal(SIGTERM)
    #expect(proxy.wait(atMost: .seconds(60)) == 0)
  }

  /// A step takes milliseconds; a busy machine takes longer.
  private func wait(_ log: String, for text: String) throws {
    for _ in 0..<600 {
      if BuiltProgram.text(ofFile: log)?.contains(text) == true { return }
      Thread.sleep(forTimeInterval: 0.1)
    }
    Issue.record("'\(text)' did not come: \(BuiltProgram.text(ofFile: log) ?? "")")
  }

  @Test func servesAFileWithFlagsThatWin() throws {
    try write(Self.valid + "threads: 1\nlogs: {level: error, sampling: 2}\n", "app.yaml")
    let log = directory.path + "/serve"
    let proxy = try ChildProcess(
      [BuiltProgram.photofinish, "serve", "-c", directory.path + "/app.yaml", "--log-level", "info", "--threads", "2"],
      output: .file(path: log))
    try wait(log, for: "listens on")
    let text = BuiltProgram.text(ofFile: log) ?? ""
    #expect(text.contains("2 thread(s), upstream http://127.0.0.1:9"), "\(text)")
    #expect(text.contains("app.yaml:4:22: warning: logs.sampling"), "\(text)")
    proxy.signal(SIGTERM)
    #expect(proxy.wait(atMost: .seconds(60)) == 0)
  }
}
