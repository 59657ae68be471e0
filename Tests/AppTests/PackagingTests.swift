import Foundation
import Host
import Support
import Testing

/// The image's files and the manifests, as script/packaging-check and a proxy see them.
struct PackagingTests {
  private static let root = URL(filePath: BuiltProgram.fixtures).deletingLastPathComponent()
    .deletingLastPathComponent().path

  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func run(_ arguments: [String]) throws -> (status: Int32?, output: String) {
    let log = directory.path + "/log"
    let program = try ChildProcess(arguments, output: .file(path: log))
    let status = program.wait(atMost: .seconds(300))
    return (status, BuiltProgram.text(ofFile: log) ?? "")
  }

  private func check(_ root: String) throws -> (status: Int32?, output: String) {
    try run([Self.root + "/script/packaging-check", "--photofinish", BuiltProgram.photofinish, "--root", root])
  }

  @Test func fitTogether() throws {
    let (status, output) = try check(Self.root)
    #expect(status == 0, "\(output)")
  }

  /// What each change of a manifest has to be told as.
  @Test(arguments: [
    ("readinessProbe:", "readynessProbe:", "'readynessProbe' was unexpected"),
    ("GracePeriodSeconds: 45", "GracePeriodSeconds: 40", "the pod would be killed while it drains"),
    ("balance: least-requests", "balance: least", "'least' is no way to balance"),
    ("path: /-/health, port: http", "path: /other, port: http", "which no route of the settings answers by itself"),
    ("targetPort: http", "targetPort: web", "no container has the port web"),
    (
      "name: settings, mountPath: /etc/photofinish,", "name: settings, mountPath: /etc/photofinish, subPath: x,",
      "never renewed"
    ),
  ])
  func areToldOfMistakes(_ from: String, _ to: String, _ complaint: String) throws {
    for path in ["Dockerfile", "Package.swift", "packaging", "Sources", "Tests"] {
      let (status, output) = try run(["cp", "-r", "\(Self.root)/\(path)", directory.path])
      #expect(status == 0, "\(output)")
    }
    let path = directory.path + "/packaging/kubernetes/photofinish.yaml"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(text.contains(from))
    try text.replacing(from, with: to).write(toFile: path, atomically: true, encoding: .utf8)
    let (status, output) = try check(directory.path)
    #expect(status == 1 && output.contains(complaint), "\(output)")
  }

  /// Without Swift's libraries a build that links them dynamically does not start, and no archive may be made of it.
  @Test func aReleaseThatNeedsSwiftIsRefused() throws {
    let (status, output) = try run([
      Self.root + "/script/release", "--binary", BuiltProgram.photofinish, "--into", directory.path + "/release",
    ])
    #expect(status == 1 && output.contains("libswiftCore.so => not found"), "\(output)")
    #expect(!FileManager.default.fileExists(atPath: directory.path + "/release"))
  }

  // MARK: - The image's scripts

  private func wait(_ log: String, for text: String, times: Int = 1) throws {
    for _ in 0..<600 {
      if (BuiltProgram.text(ofFile: log) ?? "").split(separator: text, omittingEmptySubsequences: false).count > times {
        return
      }
      Thread.sleep(forTimeInterval: 0.1)
    }
    Issue.record("'\(text)' did not come \(times) time(s): \(BuiltProgram.text(ofFile: log) ?? "")")
  }

  private func port(_ log: String) throws -> String {
    try wait(log, for: "listens on")
    let text = try #require(BuiltProgram.text(ofFile: log))
    return String(try #require(text.split(separator: "127.0.0.1:").dropFirst().first).prefix { $0.isNumber })
  }

  @Test func theHealthCheckAsksTheProxy() throws {
    let settings = try String(contentsOfFile: Self.root + "/packaging/container/photofinish.yaml", encoding: .utf8)
    #expect(settings.contains("listen: \":8080\""))
    try settings.replacing("listen: \":8080\"", with: "listen: 127.0.0.1:0")
      .write(toFile: directory.path + "/app.yaml", atomically: true, encoding: .utf8)
    let log = directory.path + "/serve"
    let proxy = try ChildProcess(
      // A server that nobody is, whatever listens on this machine.
      [
        "env", "UPSTREAM=unix:\(directory.path)/nobody", BuiltProgram.photofinish, "serve", "-c",
        directory.path + "/app.yaml",
      ],
      output: .file(path: log))
    let port = try port(log)
    let health = Self.root + "/packaging/container/photofinish-health"
    #expect(try run([health, port]).status == 0)
    #expect(try run([health, port, "/elsewhere"]).status == 1)
    proxy.signal(SIGTERM)
    #expect(proxy.wait(atMost: .seconds(60)) == 0)
    #expect(try run([health, port]).status == 1)
  }

  /// A ConfigMap's file is a link through a folder that is a link; a change swaps the latter.
  @Test func theReloaderSeesASwappedFolder() throws {
    let settings = "listen: 127.0.0.1:0\nupstreams: {app: \"http://127.0.0.1:9\"}\n"
    let path = directory.path
    for (folder, text) in [("one", settings), ("two", settings + "timeouts: {connect: 3s}\n"), ("bad", "x: 1\n")] {
      try FileManager.default.createDirectory(atPath: "\(path)/\(folder)", withIntermediateDirectories: true)
      try text.write(toFile: "\(path)/\(folder)/app.yaml", atomically: true, encoding: .utf8)
    }
    func mount(_ folder: String) throws {
      #expect(try run(["ln", "-sfn", folder, path + "/next"]).status == 0)
      #expect(try run(["mv", "-T", path + "/next", path + "/data"]).status == 0)
    }
    try mount("one")
    #expect(try run(["ln", "-s", "data/app.yaml", path + "/app.yaml"]).status == 0)
    let log = path + "/serve"
    let proxy = try ChildProcess(
      [BuiltProgram.photofinish, "serve", "-c", path + "/app.yaml"], output: .file(path: log))
    // It finds 'photofinish' on the PATH, and only a proxy that serves this test's file.
    let reloader = try ChildProcess(
      [
        "env", "PATH=\(BuiltProgram.directory):/usr/bin:/bin",
        Self.root + "/packaging/container/photofinish-reloader", path + "/app.yaml", "0.2",
      ], output: .file(path: path + "/reloader"))
    try wait(log, for: "is taken over")
    try mount("two")
    try wait(log, for: "is taken over", times: 2)
    try mount("bad")
    try wait(path + "/reloader", for: "is not valid: the proxy keeps the settings that it has")
    reloader.signal(SIGTERM)
    _ = reloader.wait(atMost: .seconds(60))
    #expect(BuiltProgram.text(ofFile: log)?.contains("refused") == false)
    proxy.signal(SIGTERM)
    #expect(proxy.wait(atMost: .seconds(60)) == 0)
  }
}
