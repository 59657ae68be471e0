internal import Core

/// HTTP servers in JavaScript and TypeScript: which there are, and what is set on which object.
struct NodeReader {
  /// What a variable holds.
  enum Kind {
    case httpServer
    case express
    case fastify
    case nest
    case koa
    case nextApp

    /// An application is no server: a timer that is set on it is a property that nobody reads.
    var isApplication: Bool { self != .httpServer }

    var title: String {
      switch self {
      case .httpServer: "http.Server"
      case .express: "the Express application"
      case .fastify: "the Fastify instance"
      case .nest: "the Nest application"
      case .koa: "the Koa application"
      case .nextApp: "the Next.js application"
      }
    }
  }

  struct Setting {
    var timer: String
    var receiver: String
    var kind: Kind?
    /// The receiver's kind was concluded from what is done with it.
    var isGuess = false
    var place: CheckPlace
    var valuePlace: CheckPlace
    var written: String
    var value: CodeValue
  }

  static let timers: Set<String> = ["keepAliveTimeout", "headersTimeout", "requestTimeout", "keepAliveTimeoutBuffer"]

  let source: CodeSource
  let context: CheckContext
  var kinds: [String: Kind] = [:]
  var settings: [Setting] = []
  /// Where servers are made or begin to listen.
  var creations: [Int] = []
  var listens: [Int] = []

  init(_ file: CheckedFile, _ context: CheckContext) {
    source = CodeSource(file, .javaScript)
    self.context = context
  }

  /// Whether a file is worth the tokens.
  static func isCandidate(_ file: CheckedFile) -> Bool {
    file.contains("createServer") || file.contains("keepAliveTimeout") || file.contains("headersTimeout")
      || file.contains("NestFactory")
      || (file.contains(".listen(") && (file.contains("express") || file.contains("fastify") || file.contains("koa")))
  }

  mutating func read(into reading: inout CheckReading) {
    findKinds()
    findSettings()
    let isServer = !creations.isEmpty || !listens.isEmpty || kinds.values.contains(.nest)
    guard isServer || !settings.isEmpty else { return }
    reading.understood.insert(source.file.path)
    let version = context.version(of: .node, near: source.file.path)
    reading.findings += NodeRules.wrongObject(settings)
    reading.findings += NodeRules.heads(settings, version)
    reading.findings += NodeRules.drain(self, version)
    if let server = server(version, isServer) { reading.servers.append(server) }
  }

  // MARK: - What variables hold

  private mutating func findKinds() {
    // Twice: `const server = app.listen()` may stand above what tells what `app` is.
    for _ in 0..<2 {
      for index in source.tokens.indices where source.isMark(index, "=") {
        guard let name = assignedName(index), let kind = kind(from: index + 1) else { continue }
        kinds[name] = kind
      }
    }
    for index in source.tokens.indices {
      if source.isWord(index, "createServer"), source.isMark(index + 1, "("), !isForeign(index) {
        creations.append(index)
      }
      if source.isWord(index, "listen"), source.isMark(index - 1, "."), source.isMark(index + 1, "("),
        isListening(index)
      {
        listens.append(index)
      }
    }
    guessApplications()
  }

  /// `net.createServer`, `tls.createServer` and Vite's speak no HTTP that matters here.
  private func isForeign(_ index: Int) -> Bool {
    // `require("http").createServer`
    if source.isMark(index - 1, "."), source.isMark(index - 2, ")"), source.isWord(index - 5, "require") {
      return !["http", "https", "http2", "spdy", "node:http", "node:https", "node:http2"].contains(
        source.text(index - 3))
    }
    guard source.isMark(index - 1, ".") else {
      return !source.tokens.contains {
        $0.kind == .string
          && ["http", "https", "node:http", "node:https", "http2", "node:http2", "spdy"].contains($0.text)
      }
    }
    return !["http", "https", "http2", "spdy", "Http", "HTTP", "https_1", "http_1", "default", "node_http"].contains(
      source.text(index - 2))
  }

  private func isListening(_ index: Int) -> Bool {
    let name = source.text(index - 2)
    if let kind = kinds[name] { return kind != .nextApp || true }
    return source.isMark(index - 2, ")") && source.text(index - 4) == "express"
  }

  /// The variable that the `=` at `index` fills: `const x: Type =`, `x =`, `this.x =`, `exports.x =`.
  private func assignedName(_ index: Int) -> String? {
    var at = index - 1
    guard at >= 0 else { return nil }
    // `const app: express.Application = ...`: back to the colon, within the line.
    var back = at
    while back > 0, back > index - 8, source.tokens[back].indentation == nil {
      if source.isMark(back, ":") {
        at = back - 1
        break
      }
      back -= 1
    }
    guard at >= 0, source.tokens[at].kind == .word, !Self.timers.contains(source.text(at)) else { return nil }
    return source.text(at)
  }

  private func kind(from start: Int) -> Kind? {
    var index = start
    while source.isWord(index, "await") || source.isWord(index, "new") || source.isMark(index, "(") { index += 1 }
    var name = source.text(index)
    // `require('fastify')()`, `require("http").createServer()`
    if name == "require", source.isMark(index + 1, "("), source.isMark(index + 3, ")") {
      name = source.text(index + 2)
      index += 3
    }
    if source.reads(index + 1, "(") {
      switch name {
      case "express": return .express
      case "fastify", "Fastify": return .fastify
      case "Koa": return .koa
      case "next": return .nextApp
      case "createServer": return isForeign(index) ? nil : .httpServer
      default: break
      }
    }
    // A chain of members up to a call: `http.createServer(`, `app.listen(`, `NestFactory.create<T>(`.
    var member = index
    while source.isMark(member + 1, "."), member - index < 12 { member += 2 }
    switch source.text(member) {
    case "createServer" where !isForeign(member) && source.isMark(member + 1, "("): return .httpServer
    case "createSecureServer" where source.isMark(member + 1, "("): return .httpServer
    case "Server" where ["http", "https"].contains(source.text(member - 2)): return .httpServer
    case "create" where source.text(member - 2) == "NestFactory": return .nest
    case "getHttpServer": return .httpServer
    case "server" where kinds[source.text(member - 2)] == .fastify: return .httpServer
    case "listen" where member > index:
      switch kinds[source.text(member - 2)] {
      case .express, .koa, .nest, .httpServer: return .httpServer
      case .fastify, .nextApp, nil: return source.text(member - 2).hasPrefix("app") ? .httpServer : nil
      }
    default: return nil
    }
  }

  /// A name that gets routes and middleware is an application, even where it was imported.
  private mutating func guessApplications() {
    let verbs: Set<String> = ["use", "get", "post", "all", "set", "disable", "engine"]
    for index in source.tokens.indices where source.tokens[index].kind == .word && source.isMark(index + 1, ".") {
      let name = source.text(index)
      guard kinds[name] == nil, !source.isMark(index - 1, "."), verbs.contains(source.text(index + 2)),
        source.isMark(index + 3, "("),
        ["app", "server", "api", "application", "expressApp"].contains(name)
      else { continue }
      guessed.insert(name)
    }
  }

  private(set) var guessed: Set<String> = []

  // MARK: - What is set

  private mutating func findSettings() {
    for index in source.tokens.indices
    where source.tokens[index].kind == .word && Self.timers.contains(source.text(index)) {
      if source.isMark(index + 1, "="),
        source.isMark(index - 1, ".") || source.isMark(index - 1, "?.") || source.isMark(index - 2, "!")
      {
        add(index, value: index + 2, receiver: receiver(before: index))
      } else if source.isMark(index + 1, ":"), let call = callAround(index) {
        add(index, value: index + 2, receiver: (call.name, call.kind, false))
      }
    }
  }

  private mutating func add(_ index: Int, value start: Int, receiver: (name: String, kind: Kind?, isGuess: Bool)) {
    let expression = source.expression(from: start)
    guard let first = expression.first, let last = expression.last else { return }
    let end = min(last.offset + last.text.utf8.count, source.file.bytes.count)
    let written = String(decoding: source.file.bytes[first.offset..<max(first.offset, end)], as: UTF8.self)
    settings.append(
      Setting(
        timer: source.text(index), receiver: receiver.name, kind: receiver.kind, isGuess: receiver.isGuess,
        place: source.place(index),
        valuePlace: source.file.place(at: first.offset), written: written,
        value: CodeValue(expression, in: source, context)))
  }

  private func receiver(before index: Int) -> (name: String, kind: Kind?, isGuess: Bool) {
    let at = index - 2
    guard at >= 0 else { return ("", nil, false) }
    // `app.getHttpServer().keepAliveTimeout`, `app.listen(3000).keepAliveTimeout`
    if source.isMark(at, ")") { return ("", .httpServer, false) }
    let name = source.text(at)
    if name == "server", source.isMark(at - 1, "."), let outer = kinds[source.text(at - 2)], outer == .fastify {
      return ("\(source.text(at - 2)).server", .httpServer, false)
    }
    if let kind = kinds[name] { return (name, kind, false) }
    if guessed.contains(name), !source.isMark(at - 1, ".") { return (name, .express, true) }
    return (name, nil, false)
  }

  /// The call whose options the member at `index` is among: `createServer({ keepAliveTimeout: 1 })`, `fastify({ ... })`.
  private func callAround(_ index: Int) -> (name: String, kind: Kind)? {
    var depth = 0
    var at = index - 1
    while at >= 0, index - at < 400 {
      if source.tokens[at].kind == .mark {
        switch source.tokens[at].text {
        case ")", "]", "}": depth += 1
        case "(", "[":
          if depth == 0 {
            let name = source.text(at - 1)
            if name == "createServer" || name == "createSecureServer" { return (name, .httpServer) }
            if name == "fastify" || name == "Fastify" { return (name, .httpServer) }
            // `require("fastify")({ keepAliveTimeout: 1 })`
            if source.isMark(at - 1, ")"), source.text(at - 2) == "fastify", source.isWord(at - 4, "require") {
              return ("fastify", .httpServer)
            }
            return nil
          }
          depth -= 1
        case "{":
          if depth > 0 { depth -= 1 }
        default: break
        }
      }
      at -= 1
    }
    return nil
  }

  // MARK: - The server

  private func server(_ version: VersionRange, _ isServer: Bool) -> CheckedServer? {
    let isFastify = kinds.values.contains(.fastify) && !kinds.values.contains(.express)
    let software = isFastify ? Software.fastify : .node
    let effective = settings.last { $0.timer == "keepAliveTimeout" && !($0.kind?.isApplication ?? false) }
    guard isServer || effective != nil else { return nil }
    var idle = CheckTimer(assumed: software, .clientIdle, version: software == .node ? version : .all)
    var place = (creations.first ?? listens.first).map { source.place($0) } ?? source.file.place(at: 0)
    if let effective {
      let time = effective.value.number.map { Nanoseconds.milliseconds(Int64(max(0, min($0, 1e12)))) }
      idle = CheckTimer(
        time.map { $0 == .zero ? .never : .time($0) } ?? .unknown, "keepAliveTimeout", at: effective.place,
        written: effective.written)
      place = effective.place
    } else if let nest = source.tokens.firstIndex(where: { $0.text == "NestFactory" && $0.indentation != 0 }),
      creations.isEmpty, listens.isEmpty
    {
      place = source.place(nest)
    }
    let name =
      kinds.values.contains(.nest)
      ? "Node.js (Nest)"
      : isFastify ? "Fastify" : kinds.values.contains(.express) ? "Node.js (Express)" : "Node.js"
    var server = CheckedServer(software, version: version, title: name, at: place, idle: idle, owner: source.file.path)
    server.ports = ports
    server.isHandedOn = listens.isEmpty && effective == nil && !source.mentions("listen")
    server.knowsAFront =
      source.tokens.contains { $0.kind == .string && $0.text == "trust proxy" } || source.mentions("trustProxy")
    server.remedy =
      isFastify
      ? .line("fastify({ keepAliveTimeout: $ })", unit: .milliseconds)
      : .line("server.keepAliveTimeout = $;", unit: .milliseconds)
    return server
  }

  /// Numbers that `listen` gets, or that stand as the default of what it gets.
  private var ports: Set<Int> {
    var found: Set<Int> = []
    for index in source.tokens.indices where source.isWord(index, "listen") && source.isMark(index + 1, "(") {
      var start = index + 2
      if source.isMark(start, "{") {
        let end = source.closing(start)
        guard
          let port = (start..<min(end, source.tokens.count)).first(where: {
            source.isWord($0, "port") && source.isMark($0 + 1, ":")
          })
        else { continue }
        start = port + 2
      }
      if let number = CodeValue(source.expression(from: start), in: source, context).number,
        (1...65_535).contains(number)
      {
        found.insert(Int(number))
      }
    }
    return found
  }
}
