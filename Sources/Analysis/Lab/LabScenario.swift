package import Core

/// A program and one of its variants; for the scripted origin its verbs.
package struct LabChoice: Hashable, Sendable, CustomStringConvertible {
  package var program: String
  package var variant: String
  package var verbs: [String]

  /// - Parameter text: `nginx/advised`, `nginx` (its default), or `origin idle=2s at-idle=abort`.
  package init(_ text: String) {
    let words = text.split(separator: " ").map(String.init)
    let parts = (words.first ?? "").split(separator: "/", maxSplits: 1).map(String.init)
    program = parts.first ?? ""
    variant = parts.count > 1 ? parts[1] : "default"
    verbs = Array(words.dropFirst())
  }

  package var description: String {
    if !verbs.isEmpty { return "\(program) \(verbs.joined(separator: " "))" }
    return variant == "default" ? program : "\(program)/\(variant)"
  }
}

/// The way between proxy and server.
package struct LabPath: Equatable, Sendable {
  package var delay = Nanoseconds.milliseconds(10)
  package var jitter = Nanoseconds.zero
  package var loss = 0.0
  package var reordering = 0.0
  /// A middlebox forgets flows that were quiet for this long.
  package var forgetAfter: Nanoseconds?
  /// The middlebox answers packets of forgotten flows with a RST, else it drops them.
  package var resets = false

  package init() {}

  package var text: String {
    var words = ["\(delay.text) one way"]
    if jitter > .zero { words.append("jitter \(jitter.text)") }
    if loss > 0 { words.append("loss \(Display.decimal(100 * loss, digits: 1)) %") }
    if reordering > 0 { words.append("reordering \(Display.decimal(100 * reordering, digits: 1)) %") }
    if let forgetAfter {
      words.append("a middlebox that forgets after \(forgetAfter.text), \(resets ? "with a RST" : "in silence")")
    }
    return words.joined(separator: ", ")
  }
}

/// One run of the lab: one proxy, one server, one method.
package struct LabRun: Equatable, Sendable {
  /// When the requests under test leave, after the connections have become idle.
  package enum Aim: Equatable, Sendable {
    /// As the server closes idle connections, which is measured first.
    case close
    case after(Nanoseconds)
  }

  package enum Traffic: String, CaseIterable, Sendable {
    /// Rounds of bursts at the aim.
    case race
    /// Some requests, one after the other, each on a connection of its own.
    case plain
    /// Requests at an even rate over keep-alive connections.
    case steady
    /// Commands of a client that pools connections to Redis.
    case redis
  }

  /// Number within the scenario, from 1 on.
  package var number: Int
  package var scenario: String
  /// Tells runs with the same programs apart: a remedy's name, for instance.
  package var label: String?
  package var server: LabChoice?
  package var proxy: LabChoice?
  /// Photofinish stands between the proxy and the server, at the server's side of the path.
  package var isGuarded = false
  package var traffic = Traffic.race
  package var method = "GET"
  package var count = 400
  package var connections = 80
  package var path = LabPath()
  package var aim = Aim.close
  package var spread = Nanoseconds.milliseconds(25)
  package var patience = Nanoseconds.seconds(10)
  package var clientRetries = 0
  /// Requests a second of steady traffic.
  package var rate = 200
  /// The server is ended and started again, this often.
  package var restartEvery: Nanoseconds?
  /// The pool's own idle limit and other values for the proxy's template.
  package var values: [String: String] = [:]
  /// Left out by --quick.
  package var isSlow = false
  package var expectations: [LabExpectation] = []

  package init(number: Int, scenario: String) {
    self.number = number
    self.scenario = scenario
  }

  /// Names the run among those of its scenario.
  package var title: String {
    var words: [String] = []
    if let proxy { words.append(proxy.description) }
    if isGuarded { words.append("photofinish") }
    if let server { words.append(server.description) }
    return words.joined(separator: " > ") + " \(method)" + (traffic == .steady ? ", steady" : "")
      + (label.map { " (\($0))" } ?? "")
  }
}

/// A scenario: what it shows, and its runs.
package struct LabScenario: Equatable, Sendable {
  package var name: String
  package var title: String
  package var says: String
  package var runs: [LabRun]

  private static let runFields = [
    "label", "server", "proxy", "guarded", "traffic", "methods", "count", "connections", "path", "aim", "spread",
    "patience", "client-retries", "rate", "restart-every", "values", "slow", "expect",
  ]

  package init(_ node: LabNode, name: String, file: String) throws(LabError) {
    let fields = try LabFields(node, file: file, of: "a scenario", known: ["title", "says", "all", "runs"])
    self.name = name
    title = try fields.requiredText("title")
    says = try fields.requiredText("says")
    runs = []
    var common: [LabNode.Entry] = []
    if let all = fields.node("all") {
      common = try LabFields(all, file: file, of: "'all'", known: Self.runFields).all
    }
    guard let list = fields.node("runs"), case .list(let nodes) = list.content, !nodes.isEmpty else {
      throw fields.wrong(fields.node("runs"), "there are no 'runs'", "add a list of runs")
    }
    for node in nodes {
      guard case .map(let own) = node.content else {
        throw fields.wrong(node, "a run is no map", "write '- proxy: nginx' and what else it needs")
      }
      // What a run says itself replaces what is said for all.
      let entries = own + common.filter { entry in !own.contains { $0.key == entry.key } }
      let merged = LabNode(.map(entries), line: node.line)
      let run = try LabFields(merged, file: file, of: "a run", known: Self.runFields)
      runs += try Self.runs(run, scenario: name)
    }
    for index in runs.indices { runs[index].number = index + 1 }
  }

  /// One run for each combination of server, proxy and method.
  private static func runs(_ fields: LabFields, scenario: String) throws(LabError) -> [LabRun] {
    let template = try run(fields, scenario: scenario)
    var runs: [LabRun] = []
    for server in try choices("server", fields) {
      for proxy in try choices("proxy", fields) {
        for method in try fields.texts("methods") ?? ["GET", "POST"] {
          var run = template
          run.server = server
          run.proxy = proxy
          run.method = method
          runs.append(run)
        }
      }
    }
    return runs
  }

  private static func choices(_ name: String, _ fields: LabFields) throws(LabError) -> [LabChoice?] {
    let texts = try fields.texts(name) ?? ["none"]
    return texts.map { $0 == "none" ? nil : LabChoice($0) }
  }

  private static func run(_ fields: LabFields, scenario: String) throws(LabError) -> LabRun {
    var run = LabRun(number: 0, scenario: scenario)
    run.label = try fields.text("label")
    run.isGuarded = try fields.truth("guarded") ?? false
    run.isSlow = try fields.truth("slow") ?? false
    run.count = try fields.number("count", in: 1...1_000_000) ?? run.count
    run.connections = try fields.number("connections", in: 1...2_000) ?? run.connections
    run.clientRetries = try fields.number("client-retries", in: 0...10) ?? 0
    run.rate = try fields.number("rate", in: 1...10_000) ?? run.rate
    if let text = try fields.text("spread") { run.spread = try time(text, fields, "spread") }
    if let text = try fields.text("patience") { run.patience = try time(text, fields, "patience") }
    if let text = try fields.text("restart-every") { run.restartEvery = try time(text, fields, "restart-every") }
    if let text = try fields.text("aim"), text != "close" { run.aim = .after(try time(text, fields, "aim")) }
    if let text = try fields.text("traffic") {
      guard let traffic = LabRun.Traffic(rawValue: text) else {
        let all = LabRun.Traffic.allCases.map(\.rawValue).joined(separator: ", ")
        throw fields.wrong(fields.node("traffic"), "'\(text)' is no kind of traffic", "write one of \(all)")
      }
      run.traffic = traffic
    }
    for (name, value) in try fields.table("values") { run.values[name] = value }
    if let node = fields.node("path") { run.path = try path(node, fields.file) }
    for (name, text) in try fields.table("expect") {
      guard let expectation = LabExpectation(name, text) else {
        let all = LabExpectation.Measure.allCases.map(\.rawValue).joined(separator: ", ")
        throw fields.wrong(
          fields.node("expect"), "'\(name): \(text)' is no expectation",
          "expect 0, some, all, any, 'under N per 1000' or 'over N per 1000' of \(all)")
      }
      run.expectations.append(expectation)
    }
    return run
  }

  private static func path(_ node: LabNode, _ file: String) throws(LabError) -> LabPath {
    let fields = try LabFields(
      node, file: file, of: "'path'", known: ["delay", "jitter", "loss", "reordering", "forget-after", "reset"])
    var path = LabPath()
    if let text = try fields.text("delay") { path.delay = try time(text, fields, "delay") }
    if let text = try fields.text("jitter") { path.jitter = try time(text, fields, "jitter") }
    path.loss = try share("loss", fields)
    path.reordering = try share("reordering", fields)
    if let text = try fields.text("forget-after") { path.forgetAfter = try time(text, fields, "forget-after") }
    path.resets = try fields.truth("reset") ?? false
    return path
  }

  private static func share(_ name: String, _ fields: LabFields) throws(LabError) -> Double {
    guard let text = try fields.text(name) else { return 0 }
    guard let share = Double(text), (0...1).contains(share) else {
      throw fields.wrong(fields.node(name), "'\(name)' is no share", "give a number from 0 to 1")
    }
    return share
  }

  static func time(_ text: String, _ fields: LabFields, _ name: String) throws(LabError) -> Nanoseconds {
    guard let time = try? Nanoseconds(parsing: text) else {
      throw fields.wrong(fields.node(name), "'\(name)' is no length of time", "write for instance 500ms or 2s")
    }
    return time
  }
}
