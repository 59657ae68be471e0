import Core
import Foundation
import Host
import Support
import Testing

struct SettingsFileTests {
  private func settings(_ text: String) throws -> ProxySettings { try SettingsFixtures.parse(text).get().settings }

  private static let app = "upstreams:\n  app: http://127.0.0.1:3000\n"

  // MARK: - What a file comes to

  @Test func takesDefaultsForWhatIsLeftOut() throws {
    var expected = ProxySettings()
    expected.listeners = [ListenerSettings(.tcp(host: "127.0.0.1", port: 8080))]
    expected.threads = Machine.availableProcessors
    expected.upstreams[0].name = "app"
    expected.upstreams[0].origins = [.tcp(host: "127.0.0.1", port: 3000)]
    #expect(try settings(Self.app) == expected)
  }

  @Test(arguments: [
    ("", 75, 65), ("timeouts: {client-idle: 40s}", 40, 30), ("timeouts: {client-idle: 4s}", 4, 0),
    ("timeouts: {advertised-idle: 90s}", 100, 90), ("timeouts: {advertised-idle: off}", 75, 0),
    ("behind: aws-alb", 80, 70), ("behind: envoy", 3_620, 3_610),
    ("behind: caddy\ntimeouts: {client-idle: 200s}", 200, 190),
    ("behind: caddy\ntimeouts: {advertised-idle: off}", 140, 0),
  ])
  func holdsClientsLongerThanItTells(_ text: String, _ clientIdle: Int64, _ advertised: UInt32) throws {
    let timeouts = try settings(Self.app + text).timeouts
    #expect(timeouts.clientIdle == .seconds(clientIdle))
    #expect(timeouts.advertisedIdleSeconds == advertised)
  }

  @Test(arguments: FrontProxy.known)
  func holdsClientsLongerThanWhatStandsBefore(_ front: FrontProxy) throws {
    let settings = try settings(Self.app + "behind: \(front.name)")
    #expect(settings.timeouts.clientIdle > front.keepsIdle + FrontProxy.leastGrace)
    let undercut = SettingsFixtures.parse(
      Self.app + "behind: \(front.name)\ntimeouts: {client-idle: \(front.keepsIdle.text)}")
    #expect(SettingsFixtures.messages(undercut).first?.contains("is no longer than \(front.title) keeps") == true)
  }

  @Test(arguments: [
    ("node", 4_500), ("gunicorn", 1_500), ("60s", 57_000), ("200ms", 100), ("nginx", 60_000),
  ])
  func usesNoConnectionThatItsServersAreKnownToClose(_ keeps: String, _ milliseconds: Int64) throws {
    let text = "upstreams:\n  app: {servers: \"http://127.0.0.1:3000\", keeps-idle: \(keeps)}\n"
    #expect(try settings(text).upstream.pool.idleAge == .milliseconds(milliseconds))
  }

  @Test func readsTextsAsTheyAre() throws {
    let text = """
      upstreams: {app: "http://h"}
      routes:
        - respond:
            status: 200
            body: |
              {"a": [1, 2]}  # no comment
                & *not an alias
        - {paths: /t, to: app, request-fields: {set: {A: "{{x}} ${E:-e} $${{E}} {host}-{host}"}}}
      """
    let routes = try settings(text).routes
    guard case .respond(let response) = routes[0].action else { throw TestFailure("no response") }
    #expect(String(decoding: response.body, as: UTF8.self) == "{\"a\": [1, 2]}  # no comment\n  & *not an alias\n")
    #expect(
      routes[1].requestEdits == [.set(name: "A", value: [.text("{x} e ${E} "), .host, .text("-"), .host])])
  }

  private struct TestFailure: Error {
    init(_ text: String) {}
  }

  // MARK: - Reading

  @Test func readsAFileByItsPath() throws {
    let path = "\(SettingsFixtures.directory)/five-lines.yaml"
    let loaded = try SettingsFile.load(path: path).get()
    #expect(loaded.settings.upstream.name == "app" && loaded.warnings.isEmpty && loaded.file == path)
  }

  @Test(arguments: [
    ("/no/such/file", "/no/such/file: the file cannot be read: No such file or directory; check the path"),
    ("/tmp", "/tmp: the file cannot be read: Is a directory; name a file in it"),
    ("/dev/zero", "/dev/zero: the file is larger than 1048576 bytes; settings are not so large"),
  ])
  func saysWhyAFileCannotBeRead(_ path: String, _ message: String) {
    #expect(SettingsFixtures.messages(SettingsFile.load(path: path)) == [message])
  }

  @Test func tellsNoMoreThanTheLimit() {
    let text = (0..<250).map { "unknown-\($0): 1\n" }.joined()
    guard case .failure(let errors) = SettingsFixtures.parse(text) else {
      Issue.record("it was taken")
      return
    }
    #expect(errors.problems.count == SettingsProblem.limit)
    // One more: there is no upstream.
    #expect(errors.untoldCount == 151 && errors.lines.last == "test.yaml: and 151 more")
  }

  // MARK: - Completeness

  /// A field that is added to the settings and has no key fails here.
  @Test func everyFieldHasAKey() throws {
    func count(_ value: Any) -> Int { Mirror(reflecting: value).children.count }
    func keys(_ path: String...) throws -> Int {
      var level = SettingsParser.keys
      for name in path { level = try #require(level.first { $0.name == name }?.keys) }
      return level.count
    }
    #expect(try keys() == count(ProxySettings()))
    #expect(try keys("timeouts") == count(ProxySettings.Timeouts()))
    #expect(try keys("limits") == count(ProxySettings.Limits()))
    #expect(try keys("forwarding") == count(ForwardingSettings()))
    #expect(try keys("guards") == count(GuardSettings()))
    #expect(try keys("errors") == count(ErrorSettings()))
    #expect(try keys("logs") == count(LogSettings()))
    #expect(try keys("resolver") == count(ResolverSettings()))
    #expect(try keys("admin") == count(AdminSettings(.unix(path: "/a"))))
    #expect(try keys("listen") == count(ListenerSettings(.tcp(host: "", port: 0))))
    // The name of an upstream is the key above it.
    #expect(try keys("upstreams") == count(UpstreamSettings()) - 1)
    // The scheme of a URL says whether TLS is spoken.
    #expect(try keys("upstreams", "servers") == count(ServerSettings(origin: .unix(path: "/"))) - 2)
    #expect(try keys("upstreams", "tls") == count(UpstreamTLS()))
    // Who issues the certificates of clients has a key of its own.
    #expect(try keys("listen", "tls") == count(ListenerTLS()) + 1)
    #expect(try keys("upstreams", "pool") == count(UpstreamSettings.PoolLimits()))
    #expect(try keys("upstreams", "replay") == count(UpstreamSettings.ReplaySettings()))
    #expect(try keys("upstreams", "retry") == count(RetrySettings()))
    #expect(try keys("upstreams", "health") == count(ActiveHealthSettings()))
    #expect(try keys("upstreams", "ejection") == count(EjectionSettings()))
    #expect(try keys("upstreams", "sticky") == count(StickyCookie(name: "a")))
    // Matches are spread out, paths of two kinds; actions are three keys, and three ways to rewrite.
    let route = RouteSettings(name: "a", action: .forward(upstream: 0, rewrite: .none))
    #expect(try keys("routes") == count(route) - 1 + count(route.match) + 1 - 1 + 3 + 3)
    #expect(try keys("routes", "timeouts") == count(RouteSettings.Timeouts()))
    #expect(try keys("routes", "redirect") == count(Redirect()) + 2)
    #expect(try keys("routes", "respond") == count(FixedResponse(status: 200)))
  }

  // MARK: - Errors

  @Test func readsErrorPages() throws {
    let text = """
      errors:
        details: trusted
        pages:
          502: down {request-id}
          5xx: {html: "<b>{status}</b>", json: '{"a": 1}'}
      """
    let errors = try settings(Self.app + text).errors
    var own = ErrorPage(.one(502))
    own.text = Array("down {request-id}".utf8)
    var others = ErrorPage(.all(ofClass: 5))
    others.html = Array("<b>{status}</b>".utf8)
    others.json = Array(#"{"a": 1}"#.utf8)
    #expect(errors.details == .trusted && errors.pages == [own, others])
    let shown = SettingsText.write(SettingsParser.show(try settings(Self.app + text)))
    #expect(try settings(shown).errors == errors)
  }

  @Test(arguments: [
    ("errors: {pages: {200: a}}", "'200' is no status of an error"),
    ("errors: {pages: {6xx: a}}", "'6xx' is no status"),
    ("errors: {pages: {502: {}}}", "has no content"), ("errors: {pages: {502: {body: a}}}", "did you mean 'text'?"),
    ("errors: {details: none}", "details"),
    ("routes: [{to: app, response-fields: {set: {Proxy-Status: a}}}]", "take it away by 'remove'"),
    ("routes: [{to: app, request-fields: {remove: [Proxy-Status]}}]", "leave it out"),
    ("routes: [{to: app, request-fields: {remove: [CDN-Loop]}}]", "is what ends a loop"),
  ])
  func saysWhatIsWrongWithErrors(text: String, message: String) {
    let messages = SettingsFixtures.messages(SettingsFixtures.parse(Self.app + text))
    #expect(messages.first?.contains(message) == true, "\(messages)")
  }

  @Test func whatTheProxySaysOfItselfMayBeRemoved() throws {
    let route = try settings(Self.app + "routes: [{to: app, response-fields: {remove: [Proxy-Status, Via]}}]").routes[0]
    #expect(route.responseEdits == [.remove(name: "Proxy-Status"), .remove(name: "Via")])
  }

  // MARK: - Example and reference

  @Test func theExampleIsValid() throws {
    let loaded = try SettingsFixtures.parse(SettingsExample.text).get()
    #expect(loaded.warnings == [])
  }

  /// Taking the marks off all settings leaves a valid file, and it has every key.
  @Test func theExampleShowsEveryKey() throws {
    let lines = SettingsExample.text.split(separator: "\n", omittingEmptySubsequences: false).map { line -> String in
      guard let mark = line.firstIndex(of: "#"), line[..<mark].allSatisfy({ $0 == " " }) else { return String(line) }
      let rest = line[line.index(after: mark)...]
      let isProse = rest.hasPrefix(" ") && !rest.hasPrefix("  ")
      return isProse ? String(line) : String(line[..<mark]) + rest
    }
    let text = lines.joined(separator: "\n")
    let loaded = try SettingsFixtures.parse(text).get()
    #expect(loaded.settings.routes.count == 4 && loaded.settings.behind != nil)
    let root = try YAMLReader.read(Array(text.utf8)).get()
    for key in SettingsParser.keys { #expect(keys(of: root).contains(key.name), "\(key.name)") }
    let pool = try #require(SettingsParser.keys.first { $0.name == "upstreams" }?.keys.first { $0.name == "pool" })
    for key in pool.keys { #expect(text.contains("      \(key.name): "), "\(key.name)") }
  }

  private func keys(of node: SettingsNode) -> [String] {
    guard case .map(let entries) = node.content else { return [] }
    return entries.map(\.key)
  }

  @Test func theManualHasTheReference() throws {
    let root = URL(filePath: BuiltProgram.fixtures).deletingLastPathComponent().deletingLastPathComponent()
    let page = try String(contentsOf: root.appending(path: "docs/manual/settings.md"), encoding: .utf8)
    #expect(page == SettingsReference.text, "run 'photofinish settings --reference > docs/manual/settings.md'")
  }

  @Test func theManualHasTheFiguresOfWhatStandsBefore() throws {
    let root = URL(filePath: BuiltProgram.fixtures).deletingLastPathComponent().deletingLastPathComponent()
    let page = try String(contentsOf: root.appending(path: "docs/manual/behind.md"), encoding: .utf8)
    for front in FrontProxy.known {
      #expect(page.contains("| `\(front.name)` | \(front.keepsIdle.milliseconds / 1_000) s"), "\(front.name)")
    }
  }
}
