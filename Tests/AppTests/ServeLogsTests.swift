import Core
import Foundation
import Host
import Support
import Testing

/// The logs of `serve` as a program: reloads, rotation, and places that cannot be written to.
struct ServeLogsTests {
  private let directory: TemporaryDirectory
  private static let start = "listen: 127.0.0.1:0\nupstreams: {app: \"http://127.0.0.3:9\"}\nthreads: 1\n"

  init() throws { directory = try TemporaryDirectory() }

  private func write(_ logs: String) throws {
    try (Self.start + "logs: \(logs)\n").write(
      toFile: "\(directory.path)/app.yaml", atomically: true, encoding: .utf8)
  }

  private func text(_ name: String) -> String { BuiltProgram.text(ofFile: "\(directory.path)/\(name)") ?? "" }

  /// - Parameter shell: what stands behind the command.
  private func serve(_ shell: String = "") throws -> ChildProcess {
    try ChildProcess(
      [
        "sh", "-c",
        "SWIFT_BACKTRACE=enable=no exec \(BuiltProgram.photofinish) serve -c \(directory.path)/app.yaml 2>\(directory.path)/log \(shell)",
      ],
      output: .file(path: "\(directory.path)/out"))
  }

  private func wait(for text: String, times: Int = 1, in name: String = "log") throws {
    try #require(
      eventually(atMost: .seconds(60)) { self.text(name).components(separatedBy: text).count > times },
      "'\(text)' did not come: \(self.text(name))")
  }

  private func port() throws -> UInt16 {
    try wait(for: "listens on")
    let digits = text("log").components(separatedBy: "listens on 127.0.0.1:").last?.prefix { $0.isNumber }
    return try #require(digits.flatMap { UInt16($0) })
  }

  /// 502: the upstream is not there.
  private func request(_ target: String, _ port: UInt16) throws {
    let socket = try BlockingSocket(to: #require(SocketAddress(literal: "127.0.0.1", port: port)))
    #expect(try socket.get(target).status == 502)
  }

  /// An optimised program dies of a trap without a word of its own.
  @Test func aFaultThatEndsItLeavesALine() throws {
    try write("{level: info}")
    let proxy = try serve()
    _ = try port()
    proxy.signal(SIGILL)
    try wait(for: "ends by a fault of its own: SIGILL in thread ")
    #expect(text("log").contains(" of the program; please report this line\n"))
    #expect(proxy.wait(atMost: .seconds(60)) != nil)
  }

  @Test func formatFileAndLevelChangeWithAReload() throws {
    try write("{access: '{path} {status}', access-file: \(directory.path)/one, level: info}")
    let proxy = try serve()
    let port = try port()
    try request("/a", port)
    try wait(for: "/a 502\n", in: "one")

    try write("{access: common, access-file: \(directory.path)/two, level: error}")
    proxy.signal(SIGHUP)
    #expect(
      try eventually(atMost: .seconds(60)) {
        try request("/b", port); return !text("two").isEmpty
      })
    try wait(for: #""GET /b HTTP/1.1" 502 "#, in: "two")
    #expect(!text("one").contains("HTTP/1.1"))
    #expect(!text("log").contains("is taken over"), "that is said by a line of level info")

    try write("{access: json, access-file: \(directory.path)/none/three, level: info}")
    proxy.signal(SIGHUP)
    try wait(for: "app.yaml is refused, the old settings stay: open '\(directory.path)/none/three': No such file")
    let length = text("two").utf8.count
    try request("/c", port)
    #expect(eventually(atMost: .seconds(60)) { text("two").utf8.count > length })
    #expect(text("two").contains(#""GET /c HTTP/1.1" 502 "#))

    try write("{access: off, level: info}")
    proxy.signal(SIGHUP)
    try wait(for: "is taken over")
    try write("{access: '{path}'}")
    proxy.signal(SIGHUP)
    try wait(for: "is taken over", times: 2)
    try request("/d", port)
    try wait(for: "/d\n", in: "out")
    proxy.signal(SIGTERM)
    #expect(proxy.wait(atMost: .seconds(60)) == 0)
  }

  @Test func aRotatedFileIsLetGoOf() throws {
    try write("{access: '{path}', access-file: \(directory.path)/one}")
    let proxy = try serve()
    let port = try port()
    try request("/a", port)
    try wait(for: "/a\n", in: "one")
    try FileManager.default.moveItem(atPath: "\(directory.path)/one", toPath: "\(directory.path)/one.1")
    proxy.signal(SIGUSR1)
    try wait(for: "logs are opened anew")
    try request("/b", port)
    try wait(for: "/b\n", in: "one")
    #expect(text("one.1") == "/a\n")
    proxy.signal(SIGTERM)
    #expect(proxy.wait(atMost: .seconds(60)) == 0)
  }

  @Test func aReaderOfStandardOutputThatLeavesIsNoMatter() throws {
    try write("{access: '{path}'}")
    let proxy = try serve("| true")
    let port = try port()
    for _ in 0..<20 { try request("/a", port) }
    try wait(for: "the access log loses lines: Broken pipe; requests are served all the same.")
    for _ in 0..<20 { try request("/a", port) }
    #expect(text("log").components(separatedBy: "loses lines").count == 2, "it is said once")
    // To all of the pipeline: the shell ends at once.
    proxy.signal(SIGTERM)
    try wait(for: "stopped")
  }

  @Test func aFullDiskIsNoMatter() throws {
    try write("{access: json, access-file: /dev/full}")
    let proxy = try serve()
    let port = try port()
    for _ in 0..<20 { try request("/a", port) }
    try wait(for: "the access log loses lines: No space left on device;")
    proxy.signal(SIGUSR2)
    try wait(for: "photofinish_access_log_lines_lost_total ")
    proxy.signal(SIGTERM)
    #expect(proxy.wait(atMost: .seconds(60)) == 0)
  }
}
