import Core
import Foundation
import Host
import Support
import Testing

/// The life of a `serve` process, as signals, the control socket and the service manager shape it.
struct LifecycleCommandTests {
  private let directory: TemporaryDirectory
  private let origin: Origin

  init() throws {
    directory = try TemporaryDirectory()
    origin = try Origin.start(OriginScript(verbs: ["idle=60s"]))
  }

  private var control: String { directory.path + "/control" }
  private var log: String { directory.path + "/log" }
  private var logged: String { BuiltProgram.text(ofFile: log) ?? "" }

  private func run(_ arguments: String...) throws -> (status: Int32?, output: String) {
    let output = directory.path + "/output-\(arguments[0])"
    let program = try ChildProcess([BuiltProgram.photofinish] + arguments, output: .file(path: output))
    return (program.wait(atMost: .seconds(120)), BuiltProgram.text(ofFile: output) ?? "")
  }

  private func write(_ text: String, _ name: String) throws {
    try text.write(toFile: "\(directory.path)/\(name)", atomically: true, encoding: .utf8)
  }

  /// A proxy of its own file; its address comes from its log.
  private func serve(
    _ more: String = "", environment: [String: String] = [:], isWatched: Bool = false
  ) throws -> (process: ChildProcess, address: SocketAddress) {
    try write(
      """
      listen: 127.0.0.1:0
      upstreams: {app: "http://\(origin.address)"}
      control: \(control)
      threads: 2
      \(more)
      """, "app.yaml")
    let command = [BuiltProgram.photofinish, "serve", "-c", directory.path + "/app.yaml"]
    let watched = ["sh", "-c", "export WATCHDOG_PID=$$; exec \"$0\" \"$@\""]
    let process = try ChildProcess(
      isWatched ? watched + command : command, environment: environment, output: .file(path: log))
    try wait(for: "listens on")
    let place = try #require(logged.firstMatch(of: /listens on 127\.0\.0\.1:(\d+)/))
    return (process, SocketAddress(.ipv4(0x7f00_0001, port: try #require(UInt16(place.1)))))
  }

  private func wait(for text: String) throws {
    #expect(eventually(atMost: .seconds(60)) { logged.contains(text) }, "'\(text)' did not come: \(logged)")
  }

  private func processID(_ status: String) throws -> Int32 {
    try #require(status.firstMatch(of: /"pid":(\d+)/).flatMap { Int32($0.1) })
  }

  /// For processes that were started by the one that a test has started.
  private func end(_ process: Int32) {
    kill(process, SIGTERM)
    _ = eventually(atMost: .seconds(60)) { kill(process, 0) != 0 }
  }

  // MARK: Reload and status

  @Test func reloadsAndSaysHowItWent() throws {
    let (process, _) = try serve()
    defer { process.end() }
    #expect(try run("reload", "--control", control) == (0, "the settings are applied, generation 1\n"))
    let good = try #require(BuiltProgram.text(ofFile: directory.path + "/app.yaml"))
    try write(good + "\nthreds: 3\n", "app.yaml")
    let (status, output) = try run("reload", "--control", control)
    #expect(status == 1)
    #expect(
      output.contains("app.yaml:6:1: 'threds' is an unknown key of the settings; did you mean 'threads'?")
        && output.hasSuffix("app.yaml is refused, the old settings stay\n"), "\(output)")
    let (_, text) = try run("status", "--control", control)
    #expect(text.contains("serving, up for") && text.contains("generation 1"), "\(text)")
    #expect(text.contains("reloads       1 succeeded (last 2") && text.contains("1 failed (last 2"), "\(text)")
    #expect(text.contains("'threds' is an unknown key of the settings"), "\(text)")
    try write(good.replacing("threads: 2", with: "threads: 3"), "app.yaml")
    let (_, notes) = try run("reload", "--control", control)
    #expect(notes.contains("threads: 3 is taken up at the next start or upgrade"), "\(notes)")
    #expect(try run("log-level", "error", "--control", control) == (0, "log level error, it was info\n"))
    #expect(try run("log-level", "loud", "--control", control).status == 2)
    let (_, json) = try run("status", "--control", control, "--output", "json")
    let object = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any]
    #expect(object?["log_level"] as? String == "error" && object?["pid"] as? Int == Int(process.processID))
  }

  @Test func saysThatThereIsNoProxy() throws {
    for command in ["status", "reload", "drain", "upgrade"] {
      let (status, output) = try run(command, "--control", control)
      #expect(status == 1 && output == "there is no \(control); is a proxy running with --control \(control)?\n")
    }
    let (status, output) = try run("serve", "--upstream", "http://127.0.0.1:9", "--take-over", control)
    #expect(status == 1 && output.contains("cannot take over: there is no \(control)"), "\(output)")
  }

  // MARK: The end

  @Test func aSecondSignalEndsItAtOnce() throws {
    let (process, address) = try serve()
    let client = try BlockingSocket(to: address)
    try client.send("GET /?delay=60s HTTP/1.1\r\nHost: a\r\n\r\n")
    #expect(eventually(atMost: .seconds(20)) { origin.counters.requests > 0 })
    process.signal(SIGTERM)
    try wait(for: "stopping: no new connections; what is under way has 30s")
    process.signal(SIGHUP)
    try wait(for: "the proxy is draining and takes no other settings any more")
    process.signal(SIGTERM)
    #expect(process.wait(atMost: .seconds(20)) == 1)
    try wait(for: "ended at once by a second signal")
  }

  @Test func drainsWhenTold() throws {
    let (process, address) = try serve("timeouts: {drain: 70s, drain-grace: 30s}")
    let client = try BlockingSocket(to: address)
    _ = try client.get()
    #expect(
      try run("drain", "--control", control) == (0, "no new connections any more; what is under way has 70s\n"))
    #expect(try run("drain", "--control", control) == (0, "it was draining already\n"))
    #expect(try run("status", "--control", control).status == 3)
    // What a service manager sends behind its stop command is no second signal.
    process.signal(SIGTERM)
    #expect(try client.get()["Connection"] == "close")
    #expect(process.wait(atMost: .seconds(60)) == 0)
    #expect(SocketFile(control) == nil)
  }

  // MARK: Upgrade

  /// Traffic that keeps its connections, counted on both sides, while one process after the other serves it.
  @Test func anUpgradeUnderLoadLosesNothing() throws {
    let (process, address) = try serve("timeouts: {drain: 70s, drain-grace: 30s}")
    var settings = DriveSettings(target: address, host: "a")
    settings.count = 4_000
    settings.connections = 20
    settings.spread = .zero
    settings.idle = .milliseconds(5)
    settings.rest = .milliseconds(5)
    settings.patience = .seconds(30)
    let drive = try BackgroundDrive(settings)
    var processes = [process.processID]
    for _ in 0..<3 {
      let before = origin.counters.requests
      #expect(eventually(atMost: .seconds(60)) { origin.counters.requests > before + 200 })
      let (status, output) = try run("upgrade", "--control", control)
      #expect(status == 0 && output.contains("serves; the old one drains"), "\(output)\n\(logged)")
      processes.append(try processID(try run("status", "--control", control, "--output", "json").output))
    }
    #expect(Set(processes).count == 4)
    let ledger = try #require(drive.wait())
    let report = DriveReport(ledger, upstream: UpstreamLedger(parsing: origin.ledger.map { $0.json + "\n" }.joined()))
    #expect(
      report.answered == 4_000 && report.failed == 0 && report.appliedTwice == 0 && report.lost == 0, "\(report.text)")
    #expect(report.failedWarmUps == 0)
    #expect(process.wait(atMost: .seconds(120)) == 0, "\(logged)")
    end(processes[3])
    #expect(!logged.contains(" error "), "\(logged)")
  }

  @Test func anUpgradeThatFailsLeavesTheOldOneAlone() throws {
    let (process, address) = try serve()
    defer { process.end() }
    let good = try #require(BuiltProgram.text(ofFile: directory.path + "/app.yaml"))
    try write(good + "\nthreads: none\n", "app.yaml")
    let (status, output) = try run("upgrade", "--control", control)
    #expect(status == 1)
    #expect(output.contains("the new process ended before it served"), "\(output)")
    // This one has the listeners in its hands when it fails.
    let other = try BlockingListener()
    let two = good.replacing("listen: 127.0.0.1:0", with: "listen: [\"127.0.0.1:0\", \"\(other.address)\"]")
    try write(two, "app.yaml")
    #expect(try run("upgrade", "--control", control).status == 1)
    try wait(for: "did not take over; this one goes on as before")
    #expect(try BlockingSocket(to: address).get().status == 200)
    #expect(logged.contains("cannot listen on \(other.address): the address is in use"), "\(logged)")
    other.stop()
    try write(good, "app.yaml")
    #expect(try run("reload", "--control", control).status == 0)
  }

  // MARK: Service manager

  @Test func theServiceManagerIsKeptInformed() throws {
    let path = directory.path + "/notify"
    let manager = try DatagramReceiver(path: path)
    let (process, address) = try serve(
      environment: ["NOTIFY_SOCKET": path, "WATCHDOG_USEC": "60000000"], isWatched: true)
    #expect(manager.receive() == ["READY=1", "STATUS=serving on \(address), settings generation 0"])
    #expect(manager.receive() == ["WATCHDOG=1"])
    #expect(try run("reload", "--control", control).status == 0)
    #expect(manager.receive()?.first == "RELOADING=1")
    #expect(manager.receive() == ["READY=1", "STATUS=serving on \(address), settings generation 1"])
    // One after the other, so that the watchdog goes on with each of them, not with the first alone.
    var successor: Int32 = 0
    for _ in 0..<2 {
      #expect(try run("upgrade", "--control", control).status == 0)
      successor = try processID(try run("status", "--control", control, "--output", "json").output)
      #expect(manager.receive() == ["MAINPID=\(successor)", "WATCHDOG=1"])
      #expect(
        manager.receive() == [
          "READY=1", "STATUS=serving on \(address), settings generation 0", "MAINPID=\(successor)",
        ])
      #expect(manager.receive() == ["WATCHDOG=1"])
    }
    #expect(process.wait(atMost: .seconds(60)) == 0)
    kill(successor, SIGTERM)
    #expect(manager.receive()?.first == "STOPPING=1")
    end(successor)
  }
}
