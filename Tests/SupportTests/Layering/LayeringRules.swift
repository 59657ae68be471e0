/// The rules of the house as functions from text to violations, so that each can be shown to fail.
enum LayeringRules {
  /// The layers, from the ground up. A target depends on its own layer and on those before it.
  enum Layer: String, CaseIterable, Comparable {
    case core = "Core"
    case analysis = "Analysis"
    case wire = "Protocol"
    case transport = "Transport"
    case host = "Host"
    case app = "App"
    case support = "Support"

    static func < (left: Layer, right: Layer) -> Bool {
      allCases.firstIndex(of: left)! < allCases.firstIndex(of: right)!  // Both are cases.
    }

    /// Core, Analysis and Protocol take time and randomness as parameters and touch nothing outside themselves.
    var isPure: Bool { self <= .wire }

    /// The layer in whose folder under Sources/ `path` lies.
    init?(path: String) {
      let parts = path.split(separator: "/")
      guard parts.count >= 2, parts[0] == "Sources" else { return nil }
      self.init(rawValue: String(parts[1]))
    }
  }

  struct Violation: Equatable, CustomStringConvertible {
    var place: String
    /// The name that it is about, for lists of exceptions.
    var subject = ""
    var fact: String
    var description: String { "\(place): \(fact)" }
  }

  /// Modules of other packages that a pure layer may import: data structures that do no I/O.
  static let pureProducts: Set<String> = [
    "Collections", "BasicContainers", "BitCollections", "DequeModule", "HashTreeCollections", "HeapModule",
    "OrderedCollections",
  ]

  /// Files whose very subject is memory: they keep the rules of `unsafe` for the whole file, and say so at its head.
  static let filesAboutMemory: Set<String> = ["Sources/Core/Bytes/ByteBuffer.swift"]

  // MARK: - The manifest

  static func violations(of manifest: Manifest) -> [Violation] {
    var found: [Violation] = []
    for target in manifest.targets where target.kind != .test {
      let place = "Package.swift, target \(target.name)"
      guard let layer = Layer(path: target.path) else {
        found.append(Violation(place: place, fact: "its path \(target.path) is in no layer"))
        continue
      }
      for name in target.targets {
        guard let other = manifest.target(named: name) else {
          found.append(Violation(place: place, fact: "it depends on \(name), which is no target"))
          continue
        }
        if let otherLayer = Layer(path: other.path), otherLayer > layer {
          found.append(
            Violation(
              place: place, fact: "\(layer.rawValue) depends on \(name) of \(otherLayer.rawValue), a later layer"))
        }
      }
      for product in target.products where layer.isPure && !pureProducts.contains(product) {
        found.append(
          Violation(place: place, fact: "the pure layer \(layer.rawValue) depends on the product \(product)"))
      }
    }
    return found
  }

  /// Every target that holds Swift is held to the settings named `strict`.
  static func laxTargets(of manifest: Manifest, holdingSwift: (Manifest.Target) -> Bool) -> [Violation] {
    manifest.targets.filter { holdingSwift($0) && !$0.isStrict }
      .map { Violation(place: "Package.swift, target \($0.name)", fact: "it lacks `swiftSettings: strict`") }
  }

  // MARK: - Imports and purity

  static func importViolations(in source: SourceText, path: String, manifest: Manifest) -> [Violation] {
    guard let layer = Layer(path: path) else {
      return [Violation(place: path, fact: "the file is in no layer")]
    }
    return source.lines.compactMap { line in
      guard let module = importedModule(line.code) else { return nil }
      let place = "\(path):\(line.number)"
      if let target = manifest.target(named: module) {
        guard let other = Layer(path: target.path), other <= layer else {
          return Violation(place: place, fact: "\(layer.rawValue) imports \(module), of a later layer")
        }
        if layer.isPure && !other.isPure {
          return Violation(place: place, fact: "the pure layer \(layer.rawValue) imports \(module)")
        }
        return nil
      }
      guard layer.isPure, !pureProducts.contains(module) else { return nil }
      return Violation(place: place, fact: "the pure layer \(layer.rawValue) imports \(module)")
    }
  }

  /// The module that a line imports, whatever attributes, access and kind of declaration stand around its name.
  static func importedModule(_ code: String) -> String? {
    let words = code.split { $0.isWhitespace || $0 == ";" }.map(String.init)
    guard let keyword = words.firstIndex(of: "import") else { return nil }
    let leading = words[..<keyword]
    let access: Set<String> = ["public", "package", "internal", "fileprivate", "private"]
    guard leading.allSatisfy({ $0.hasPrefix("@") || access.contains($0) }) else { return nil }
    let kinds: Set<String> = ["typealias", "struct", "class", "enum", "protocol", "let", "var", "func", "actor"]
    let name = words[(keyword + 1)...].first { !kinds.contains($0) }
    return name.map { String($0.prefix { $0 != "." }) }
  }

  /// Ways by which code asks for time, randomness, other threads or the outside world.
  private static let impureWords: Set<String> = [
    "ContinuousClock", "SuspendingClock", "Date", "DispatchTime", "SystemRandomNumberGenerator", "UUID", "Mutex",
    "Task",
    "TaskGroup", "withTaskGroup", "MainActor", "actor", "async", "await", "print", "debugPrint", "readLine",
    "ProcessInfo",
    "CommandLine", "FileHandle", "getenv", "clock_gettime", "Logger", "randomElement", "shuffled", "shuffle",
  ]

  static func impurities(in source: SourceText, path: String) -> [Violation] {
    guard let layer = Layer(path: path), layer.isPure else { return [] }
    return source.lines.flatMap { line in
      var found = words(of: line.code).filter(impureWords.contains)
      if asksForRandomness(line.code) { found.append(".random") }
      return found.map {
        Violation(place: "\(path):\(line.number)", fact: "the pure layer \(layer.rawValue) uses \($0)")
      }
    }
  }

  /// `Int.random(in:)` and its like, unless the generator is handed in.
  private static func asksForRandomness(_ code: String) -> Bool {
    code.contains(".random(") && !code.contains("using:")
  }

  // MARK: - Unsafe code

  /// Each `unsafe`, `@unchecked` and `nonisolated(unsafe)` carries its reason: on its line, above it in the same paragraph
  /// (no blank line between), or as the first line of the block that it opens. Documentation is no reason.
  static func unreasonedUnsafety(in source: SourceText, path: String) -> [Violation] {
    guard !filesAboutMemory.contains(path) else { return [] }
    return source.lines.indices.compactMap { index in
      guard isUnsafe(source.lines[index].code), !hasReason(source.lines, index) else { return nil }
      return Violation(place: "\(path):\(source.lines[index].number)", fact: "`unsafe` without its reason")
    }
  }

  private static func isUnsafe(_ code: String) -> Bool {
    words(of: code).contains { $0 == "unsafe" || $0 == "unchecked" }
  }

  private static func hasReason(_ lines: [SourceText.Line], _ index: Int) -> Bool {
    let paragraph = lines[...index].reversed().prefix { !$0.isBlank }
    if paragraph.contains(where: \.isReason) { return true }
    guard let last = words(of: lines[index].code).last, index + 1 < lines.count else { return false }
    let opensBlock = last == "in" || lines[index].code.last { !$0.isWhitespace } == "{"
    return opensBlock && lines[index + 1].isReason
  }

  // MARK: - Descriptors

  /// Calls that make a descriptor which every program started from here inherits, whatever their arguments.
  private static let inheritedMakers = ["dup", "pipe", "creat", "epoll_create", "inotify_init", "mkstemp"]
  /// Calls that make one which is inherited unless they are told otherwise.
  private static let askedMakers = [
    "socket", "socketpair", "accept4", "pipe2", "dup3", "epoll_create1", "eventfd", "timerfd_create", "signalfd",
    "memfd_create", "inotify_init1", "recvmsg", "mkostemp",
  ]

  /// A descriptor that is not closed when another program is started lives on in it: a connection stays open, a file
  /// cannot be unmounted. CLOEXEC (or CMSG_CLOEXEC) stands with the call that makes one, or on one of the two lines before.
  ///
  /// `dup2` is left out: it is how a program that is being started gets its own descriptors.
  static func inheritedDescriptors(in source: SourceText, path: String) -> [Violation] {
    source.lines.indices.compactMap { index in
      let code = source.lines[index].code
      let isAsked = source.lines[max(0, index - 2)...index].contains { $0.code.contains("CLOEXEC") }
      let opens = words(of: code).contains { ["O_RDONLY", "O_WRONLY", "O_RDWR"].contains($0) }
      let isInherited =
        inheritedMakers.contains { calls($0, in: code) } || code.contains("F_DUPFD,")
        || (!isAsked && (opens || askedMakers.contains { calls($0, in: code) }))
      return isInherited
        ? Violation(place: "\(path):\(source.lines[index].number)", fact: "a descriptor without CLOEXEC") : nil
    }
  }

  /// Whether a C function is called: neither a method, nor declared here.
  private static func calls(_ name: String, in code: String) -> Bool {
    var rest = code[...]
    while let found = rest.firstRange(of: name + "(") {
      let before = rest[..<found.lowerBound]
      let isWord = before.last.map { $0.isLetter || $0.isNumber || $0 == "_" } ?? false
      let isMethod = before.last == "." && !before.hasSuffix("Glibc.")
      if !isWord, !isMethod, !before.hasSuffix("func ") { return true }
      rest = rest[found.upperBound...]
    }
    return false
  }

  // MARK: - Unfinished work

  // Written in two pieces, so that a search of the tree for them does not find this file.
  private static let unfinishedCode = ["fatal" + "Error(", ".dis" + "abled(", "withKnown" + "Issue", "XCT" + "Skip"]
  private static let unfinishedNotes: Set<String> = ["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"]

  static func unfinishedWork(in source: SourceText, path: String) -> [Violation] {
    source.lines.flatMap { line in
      let code = unfinishedCode.filter { line.code.contains($0) }
      let notes = words(of: line.comment ?? "").filter(unfinishedNotes.contains)
      return (code + notes).map {
        Violation(place: "\(path):\(line.number)", fact: "unfinished or switched off: \($0)")
      }
    }
  }

  // MARK: - Subcommands

  /// A file of the App layer named ...Command.swift declares one subcommand, of that name; no other file but the root
  /// command's declares any.
  static func commandViolations(in source: SourceText, path: String) -> [Violation] {
    guard path.hasPrefix("Sources/App/"), let file = path.split(separator: "/").last else { return [] }
    let name = String(file.dropLast(".swift".count))
    let commands = declaredCommands(source)
    if name == "Photofinish" || !name.hasSuffix("Command") {
      let allowed = name == "Photofinish" ? ["Photofinish"] : []
      return commands.filter { !allowed.contains($0) }
        .map { Violation(place: path, fact: "it declares the subcommand \($0), which wants a file of its own") }
    }
    guard commands == [name] else {
      return [
        Violation(
          place: path, fact: "it declares \(commands.isEmpty ? "no subcommand" : "\(commands)") and not just \(name)")
      ]
    }
    return []
  }

  private static func declaredCommands(_ source: SourceText) -> [String] {
    let words = source.code.split { !($0.isLetter || $0.isNumber || $0 == "_" || $0 == "{" || $0 == ":") }
    var commands: [String] = []
    for (index, word) in words.enumerated() where word == "struct" || word == "extension" || word == "enum" {
      let head = words[(index + 1)...].prefix { $0 != "{" }
      guard head.contains(where: { $0 == "ParsableCommand" || $0 == "AsyncParsableCommand" }) else { continue }
      commands += head.first.map { [String($0.prefix { $0 != ":" })] } ?? []
    }
    return commands
  }

  // MARK: -

  private static func words(of text: String) -> [String] {
    text.split { !($0.isLetter || $0.isNumber || $0 == "_") }.map(String.init)
  }
}

extension SourceText.Line {
  /// A comment that is no documentation.
  fileprivate var isReason: Bool { comment.map { !$0.hasPrefix("/") } ?? false }
}
