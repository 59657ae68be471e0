import Analysis
import Core
import Glibc
import Host
import Support
import Testing

@Suite(.onThreads)
struct ControlServerTests {
  private let directory: TemporaryDirectory
  private var path: String { directory.path + "/control" }

  init() throws { directory = try TemporaryDirectory() }

  private static let echo: ControlServer.Handler = { request, _ in .line(.success([("got", .string(request.text))])) }

  @Test func answersOnlyItsOwner() throws {
    let server = try ControlServer(path: path, handler: Self.echo)
    defer { server.stop() }
    let directory = try ChildProcess(["sh", "-c", "test \"$(stat -c %a '\(path)')\" = 600"])
    #expect(directory.wait(atMost: .seconds(20)) == 0)
    let channel = try ControlChannel(path: path)
    for number in 0..<3 {
      let answer = try channel.ask(.object([("n", .number(Int64(number)))]), atMost: .seconds(20))
      #expect(answer["got"]?.string == "{\"n\":\(number)}")
    }
  }

  @Test func whatIsNoRequestIsRefusedAndEndsTheConnection() throws {
    let server = try ControlServer(path: path, handler: Self.echo)
    defer { server.stop() }
    for (line, fact) in [
      ("reload", "no value at byte 0"), ("take-over", "an unknown word at byte 0"), ("", "the end at byte 1"),
      ("{\"do\":\"status\"", "no comma and no end at byte 15"),
      (String(repeating: "[", count: 100_000), "too deep a value at byte 64"), ("\u{0}\u{1}", "no value at byte 0"),
    ] {
      let client = try BlockingSocket(to: SocketAddress(.unix(path: path)))
      try client.send(line + "\n")
      #expect(try client.receiveAll(atMost: .seconds(20)) == "{\"ok\":false,\"error\":\"no JSON: \(fact)\"}\n")
    }
    _ = try ControlChannel(path: path).ask(.object([]), atMost: .seconds(20))
  }

  @Test func whatADeadProcessLeftBehindIsReplaced() throws {
    // Stopped and not only closed: a child that another test has just forked may hold it for a moment.
    try BlockingListener(on: SocketAddress(.unix(path: path))).stop()
    #expect(SocketFile(path) != nil)
    let server = try ControlServer(path: path, handler: Self.echo)
    _ = try ControlChannel(path: path).ask(.object([]), atMost: .seconds(20))
    server.stop()
    #expect(SocketFile(path) == nil)
  }

  @Test func aLivingOneIsLeftAlone() throws {
    let server = try ControlServer(path: path, handler: Self.echo)
    defer { server.stop() }
    let error = #expect(throws: ControlServer.StartError.self) { try ControlServer(path: path, handler: Self.echo) }
    #expect(error?.description.contains("another process answers there") == true)
    _ = try ControlChannel(path: path).ask(.object([]), atMost: .seconds(20))
  }

  @Test func whatIsNoSocketIsLeftAlone() throws {
    #expect(try ChildProcess(["touch", path]).wait(atMost: .seconds(20)) == 0)
    let error = #expect(throws: ControlServer.StartError.self) { try ControlServer(path: path, handler: Self.echo) }
    #expect(error?.description.contains("something that is no socket is in its place") == true)
    #expect(BuiltProgram.text(ofFile: path) == "")
  }

  @Test func saysWhyNobodyAnswers() throws {
    let absent = #expect(throws: ControlChannel.Failure.self) { try ControlChannel(path: path) }
    #expect(absent?.description == "there is no \(path); is a proxy running with --control \(path)?")
    // Stopped and not only closed: a child that another test has just forked may hold it for a moment.
    try BlockingListener(on: SocketAddress(.unix(path: path))).stop()
    let stale = #expect(throws: ControlChannel.Failure.self) { try ControlChannel(path: path) }
    #expect(stale?.description == "nobody listens at \(path) any more; the proxy that made it is gone")
    let long = String(repeating: "x", count: 200)
    #expect(throws: ControlChannel.Failure.self) { try ControlChannel(path: long) }
    #expect(throws: ControlServer.StartError.self) { try ControlServer(path: long, handler: Self.echo) }
  }

  // MARK: What a proxy answers

  @Test func tellsHowTheProxyIs() throws {
    try story(answering: { _ in "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=7\r\nContent-Length: 0\r\n\r\n" }) {
      proxy, server in
      var settings = proxy.proxy.settings
      settings.listeners = [ListenerSettings(.tcp(host: "127.0.0.1", port: 0))]
      let generation = try Generation(settings, control: path)
      let client = try BlockingSocket(to: generation.proxy.addresses[0])
      _ = try client.get()
      let channel = try ControlChannel(path: path)
      let status = try channel.ask(.object([("do", .string("status"))]), atMost: .seconds(20))
      #expect(status["pid"]?.integer == Int(getpid()) && status["state"]?.string == "serving")
      #expect(status["client_connections"]?.integer == 1 && status["exchanges_in_flight"]?.integer == 0)
      #expect(status["listeners"] == .array([.string(generation.proxy.addresses[0].description)]))
      let shown = status["upstreams"]?.array?.first?["servers"]?.array?.first
      #expect(shown?["address"]?.string == server.address.description)
      #expect(shown?["connections"]?["idle"]?.integer == 1)
      #expect(shown?["idle_window"]?["hint_s"]?.integer == 7)
      #expect(status["counters"]?["photofinish_requests_total"]?.integer == 1)
      #expect(status["generation"]?.integer == 0)
      _ = try channel.ask(.object([("do", .string("reload"))]), atMost: .seconds(20))
      let after = try channel.ask(.object([("do", .string("status"))]), atMost: .seconds(20))
      #expect(after["generation"]?.integer == 1)
      let drained = try channel.ask(.object([("do", .string("drain"))]), atMost: .seconds(20))
      #expect(drained["began"]?.bool == true)
      #expect(
        try channel.ask(.object([("do", .string("status"))]), atMost: .seconds(20))["state"]?.string == "draining")
      let refused = #expect(throws: ControlChannel.Failure.self) {
        try channel.ask(.object([("do", .string("reload"))]), atMost: .seconds(20))
      }
      #expect(refused?.description.hasPrefix("the proxy is draining") == true)
      #expect(try client.get()["Connection"] == "close")
      #expect(generation.ends())
    }
  }

  @Test func changesTheLogLevel() throws {
    try story(answering: { _ in "" }) { proxy, _ in
      let generation = try Generation(proxy.proxy.settings.listeningElsewhere, control: path)
      let channel = try ControlChannel(path: path)
      let ask = { (level: String) in
        try channel.ask(.object([("do", .string("log-level")), ("level", .string(level))]), atMost: .seconds(20))
      }
      let answer = try ask("debug")
      #expect(answer["level"]?.string == "debug" && answer["before"]?.string == "info")
      #expect(generation.control.level.level == .debug)
      let refused = #expect(throws: ControlChannel.Failure.self) { try ask("loud") }
      #expect(refused?.description.contains("'loud' is no level") == true)
      #expect(throws: ControlChannel.Failure.self) {
        try channel.ask(.object([("do", .string("sing"))]), atMost: .seconds(20))
      }
      #expect(generation.drain())
    }
  }
}

extension ProxySettings {
  /// The same on another port.
  var listeningElsewhere: ProxySettings {
    var settings = self
    settings.listeners = [ListenerSettings(.tcp(host: "127.0.0.1", port: 0))]
    return settings
  }
}
