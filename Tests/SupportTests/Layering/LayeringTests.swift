import Testing

/// Holds the tree to its layers, and shows for each rule that it can fail.
@Suite struct LayeringTests {
  // MARK: - The tree as it stands

  @Test func targetsDependOnlyOnTheirLayerAndThoseBefore() throws {
    let manifest = try SourceTree.manifest()
    let names = Set(manifest.targets.map(\.name))
    #expect(
      names.isSuperset(of: ["Core", "Analysis", "Host", "photofinish", "Support"]), "the manifest was not understood")
    #expect(LayeringRules.violations(of: manifest) == [])
  }

  @Test func everySwiftTargetIsStrict() throws {
    let manifest = try SourceTree.manifest()
    let files = try SourceTree.swiftFiles(under: ["Sources", "Tests"]).map(\.path)
    let lax = LayeringRules.laxTargets(of: manifest) { target in
      files.contains { $0.hasPrefix(target.path + "/") }
    }
    #expect(lax == [])
  }

  @Test func everyFolderOfSourcesIsALayer() throws {
    let folders = try SourceTree.folders(under: "Sources")
    #expect(Set(folders).isSubset(of: Set(LayeringRules.Layer.allCases.map(\.rawValue))))
    #expect(folders.contains("Core"))
  }

  @Test func filesImportOnlyTheirLayerAndThoseBefore() throws {
    let manifest = try SourceTree.manifest()
    for file in try SourceTree.swiftFiles(under: ["Sources"]) {
      #expect(LayeringRules.importViolations(in: file.source, path: file.path, manifest: manifest) == [])
    }
  }

  @Test func pureLayersAskForNothing() throws {
    for file in try SourceTree.swiftFiles(under: ["Sources/Core", "Sources/Analysis"]) {
      #expect(LayeringRules.impurities(in: file.source, path: file.path) == [])
    }
  }

  @Test func everyUnsafeUseHasItsReason() throws {
    for file in try SourceTree.swiftFiles(under: ["Sources"]) {
      #expect(LayeringRules.unreasonedUnsafety(in: file.source, path: file.path) == [])
    }
  }

  @Test func noDescriptorIsLeftToProgramsThatAreStarted() throws {
    for file in try SourceTree.swiftFiles(under: ["Sources"]) {
      #expect(LayeringRules.inheritedDescriptors(in: file.source, path: file.path) == [])
    }
    let inC = try SourceTree.paths(under: "Sources").filter { $0.hasSuffix(".c") || $0.hasSuffix(".h") }
    #expect(inC.contains { $0.hasSuffix("CTransport.c") }, "the C files were not found")
    for path in inC {
      #expect(LayeringRules.inheritedDescriptors(in: SourceText(try SourceTree.text(path)), path: path) == [])
    }
  }

  @Test func nothingIsUnfinishedOrSwitchedOff() throws {
    for file in try SourceTree.swiftFiles(under: ["Sources", "Tests"]) {
      #expect(LayeringRules.unfinishedWork(in: file.source, path: file.path) == [])
    }
  }

  @Test func everyCommandFileIsOneSubcommand() throws {
    for file in try SourceTree.swiftFiles(under: ["Sources/App"]) {
      #expect(LayeringRules.commandViolations(in: file.source, path: file.path) == [])
    }
  }

  // MARK: - The rules can fail

  private let manifest = Manifest(
    """
    targets: [
      // .target(name: "Ghost")
      .target(
        name: "Core",
        dependencies: [.product(name: "HeapModule", package: "swift-collections")],
        path: "Sources/Core",
        swiftSettings: strict),
      .target(name: "Analysis", dependencies: ["Core"], path: "Sources/Analysis", swiftSettings: strict),
      .target(name: "CLinux", path: "Sources/Host/CLinux"),
      .target(name: "Host", dependencies: ["Core", .target(name: "CLinux")], path: "Sources/Host"),
      .testTarget(name: "CoreTests", dependencies: ["Core"], swiftSettings: strict),
    ]
    """)

  @Test func readsTheManifest() {
    #expect(manifest.targets.map(\.name) == ["Core", "Analysis", "CLinux", "Host", "CoreTests"])
    #expect(manifest.target(named: "Core")?.products == ["HeapModule"])
    #expect(manifest.target(named: "Core")?.targets == [])
    #expect(manifest.target(named: "Host")?.targets == ["Core", "CLinux"])
    #expect(manifest.target(named: "CoreTests")?.path == "Tests/CoreTests")
    #expect(LayeringRules.violations(of: manifest) == [])
  }

  @Test(arguments: [
    ("dependencies: [\"Host\"], path: \"Sources/Core\"", "Core depends on Host of Host, a later layer"),
    ("dependencies: [\"CLinux\"], path: \"Sources/Analysis\"", "Analysis depends on CLinux of Host, a later layer"),
    ("dependencies: [\"Nowhere\"], path: \"Sources/Host\"", "it depends on Nowhere, which is no target"),
    ("path: \"Sources/Utilities\"", "its path Sources/Utilities is in no layer"),
    (
      "dependencies: [.product(name: \"Logging\", package: \"swift-log\")], path: \"Sources/Core/More\"",
      "the pure layer Core depends on the product Logging"
    ),
  ])
  func noticesAWrongDependency(_ declaration: String, _ fact: String) {
    let bad = Manifest(
      """
      .target(name: "CLinux", path: "Sources/Host/CLinux"),
      .target(name: "Host", path: "Sources/Host"),
      .target(name: "Bad", \(declaration)),
      """)
    #expect(LayeringRules.violations(of: bad).map(\.fact) == [fact])
  }

  @Test func noticesALaxTarget() {
    let lax = LayeringRules.laxTargets(of: manifest) { $0.name != "CLinux" }
    #expect(lax.map(\.place) == ["Package.swift, target Host"])
  }

  @Test(arguments: [
    ("import Core", nil),
    ("package import Core", nil),
    ("import HeapModule", nil),
    ("// import Foundation", nil),
    ("let text = \"import Foundation\"", nil),
    ("import Foundation", "the pure layer Analysis imports Foundation"),
    ("@preconcurrency private import struct Foundation.Date", "the pure layer Analysis imports Foundation"),
    ("import Glibc", "the pure layer Analysis imports Glibc"),
    ("import Synchronization", "the pure layer Analysis imports Synchronization"),
    ("package import Host", "Analysis imports Host, of a later layer"),
  ])
  func noticesAWrongImport(_ line: String, _ fact: String?) {
    let found = LayeringRules.importViolations(
      in: SourceText("\n" + line), path: "Sources/Analysis/Reader.swift", manifest: manifest)
    #expect(found == (fact.map { [.init(place: "Sources/Analysis/Reader.swift:2", fact: $0)] } ?? []))
  }

  @Test func noticesAnImportIntoALowerLayer() {
    let found = LayeringRules.importViolations(
      in: SourceText("import Analysis"), path: "Sources/Core/Pool.swift", manifest: manifest)
    #expect(found.map(\.fact) == ["Core imports Analysis, of a later layer"])
  }

  @Test(arguments: [
    ("let now = ContinuousClock.now", "ContinuousClock"),
    ("let when = Date()", "Date"),
    ("Task { await run() }", "Task"),
    ("let state = Mutex<Int>(0)", "Mutex"),
    ("let port = Int.random(in: 0..<10)", ".random"),
    ("let one = list.randomElement()", "randomElement"),
    ("print(state)", "print"),
  ])
  func noticesImpurity(_ line: String, _ word: String) {
    let path = "Sources/Core/Pool.swift"
    #expect(
      LayeringRules.impurities(in: SourceText(line), path: path).map(\.fact).contains(
        "the pure layer Core uses \(word)"))
    #expect(LayeringRules.impurities(in: SourceText(line), path: "Sources/Host/Loop.swift") == [])
    #expect(LayeringRules.impurities(in: SourceText("// " + line), path: path) == [])
  }

  @Test func randomnessThatIsHandedInIsPure() {
    let source = SourceText("let jitter = Int.random(in: 0..<10, using: &generator)")
    #expect(LayeringRules.impurities(in: source, path: "Sources/Core/Pool.swift") == [])
  }

  @Test(arguments: [
    ("unsafe read(pointer)", [1]),
    ("// Safe: it is ours.\n\nunsafe read(pointer)", [3]),
    ("/// Reads it.\nfunc read() { unsafe read(pointer) }", [2]),
    ("unsafe list.with { buffer in\n  unsafe read(buffer)\n}", [1, 2]),
    ("unsafe read(pointer)\n// Safe: too late.", [1]),
    ("final class Shared: @unchecked Sendable {}", [1]),
    ("// Safe: it is ours.\nunsafe read(pointer)", []),
    ("unsafe read(pointer)  // Safe: it is ours.", []),
    ("// Safe: both are ours.\nunsafe read(pointer)\ncount += 1\nunsafe write(pointer)", []),
    ("unsafe list.with { buffer in\n  // Safe: it is ours.\n  unsafe read(buffer)\n}", []),
    ("let text = \"unsafe\"", []),
    ("withUnsafeBytes(of: value)", []),
  ])
  func noticesUnsafetyWithoutReason(_ text: String, _ lines: [Int]) {
    let found = LayeringRules.unreasonedUnsafety(in: SourceText(text), path: "Sources/Host/Socket.swift")
    #expect(found.map(\.place) == lines.map { "Sources/Host/Socket.swift:\($0)" })
  }

  @Test(arguments: [
    ("let copy = dup(0)", [1]),
    ("let copy = fcntl(0, F_DUPFD, 3)", [1]),
    ("let copy = fcntl(0, F_DUPFD_CLOEXEC, 3)", []),
    ("unsafe pipe(ends)", [1]),
    ("unsafe pipe2(ends, O_CLOEXEC)", []),
    ("let number = socket(family, kind, 0)", [1]),
    ("let kind = SOCK_STREAM | SOCK_CLOEXEC\nlet number = socket(family, kind, 0)", []),
    ("let number = Glibc.socket(AF_UNIX, SOCK_DGRAM, 0)", [1]),
    ("let number = unsafe open(path, O_RDONLY)", [1]),
    ("let number = unsafe open(path, O_RDONLY | O_CLOEXEC)", []),
    ("let flags = O_WRONLY | O_CREAT", [1]),
    ("int number = eventfd(0, EFD_NONBLOCK);", [1]),
    ("do result = recvmsg(socket, &message, 0);", [1]),
    ("let next = lists.pipe(first)\nprivate func socket(_ name: String)\nlet own = my_dup(0)", []),
    ("// dup(0)\nlet text = \"pipe()\"", []),
  ])
  func noticesADescriptorThatIsInherited(_ text: String, _ numbers: [Int]) {
    let found = LayeringRules.inheritedDescriptors(in: SourceText(text), path: "A.swift")
    #expect(found.map(\.place) == numbers.map { "A.swift:\($0)" })
  }

  @Test(arguments: [
    "fatal" + "Error(\"later\")", "// TO" + "DO: later", "/* FIX" + "ME */", "@Test(.dis" + "abled(\"flaky\"))",
    "withKnown" + "Issue {", "throw XCT" + "Skip()",
  ])
  func noticesUnfinishedWork(_ line: String) {
    #expect(LayeringRules.unfinishedWork(in: SourceText(line), path: "Tests/X.swift").count == 1)
    #expect(LayeringRules.unfinishedWork(in: SourceText("let text = #\"\(line)\"#"), path: "Tests/X.swift") == [])
  }

  @Test(arguments: [
    ("Sources/App/ServeCommand.swift", "struct ServeCommand: AsyncParsableCommand {}", 0),
    ("Sources/App/ServeCommand.swift", "struct ServeCommand {}\nextension ServeCommand: ParsableCommand {}", 0),
    ("Sources/App/ServeCommand.swift", "struct ServeCommand {}", 1),
    ("Sources/App/ServeCommand.swift", "struct ProbeCommand: ParsableCommand {}", 1),
    ("Sources/App/ServeCommand.swift", "struct ServeCommand: ParsableCommand {}\nstruct A: ParsableCommand {}", 1),
    ("Sources/App/Photofinish.swift", "@main struct Photofinish: AsyncParsableCommand {}", 0),
    ("Sources/App/Output.swift", "struct Hidden: ParsableCommand {}", 1),
    ("Sources/App/Output.swift", "struct Options: ParsableArguments {}", 0),
  ])
  func noticesAWrongCommandFile(_ path: String, _ text: String, _ count: Int) {
    #expect(LayeringRules.commandViolations(in: SourceText(text), path: path).count == count)
  }

  @Test func splitsCodeFromCommentsAndStrings() {
    let source = SourceText(
      #"""
      let a = "x // y"  // one
      /* two /* three */ four */ let b = #"he said "unsafe""#
      let c = """
        unsafe // text
        """
      let d = "sum \(list.map { "unsafe \($0)" }) end" + rest
      """#)
    #expect(
      source.lines.map(\.code) == [
        "let a = \"\"  ", " let b = \"\"", "let c = \"\"", "", "", "let d = \"\" + rest",
      ])
    #expect(source.lines.map(\.comment) == [" one", " two /* three  four ", nil, nil, nil, nil])
  }
}
