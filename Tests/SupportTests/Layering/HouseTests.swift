import Testing

/// Holds folders to their arrows, names to one meaning and a use, and links to a target, and shows for each rule that it
/// can fail.
@Suite struct HouseTests {
  // MARK: - The tree as it stands

  @Test func foldersUseOnlyTheFoldersThatTheyMay() throws {
    let found = LayeringRules.roomViolations(of: try SourceTree.house(), arrows: Rooms.arrows)
    #expect(found == [])
  }

  @Test func foldersGoInNoCircle() {
    #expect(LayeringRules.circles(in: Rooms.arrows, except: Rooms.backward) == [])
  }

  @Test func aTypeNameMeansOneThing() throws {
    let names = LayeringRules.ambiguousTypes(in: try SourceTree.house())
    #expect(names.filter { !KnownFaults.ambiguousTypes.contains($0.subject) } == [])
    #expect(KnownFaults.ambiguousTypes.subtracting(names.map(\.subject)) == [], "mended: take it off the list")
  }

  @Test func theProductUsesWhatItDeclares() throws {
    let names = LayeringRules.unusedNames(in: try SourceTree.house())
    #expect(names.filter { !KnownFaults.unusedNames.contains($0.subject) } == [])
  }

  @Test func linksInCommentsPointSomewhere() throws {
    let house = try SourceTree.house()
    for file in try SourceTree.swiftFiles(under: ["Sources"]) {
      #expect(LayeringRules.deadSymbolLinks(in: file.source, path: file.path, house: house) == [])
    }
  }

  @Test func pagesThatAreNamedAreThere() throws {
    // What this folder holds up as examples is not there.
    for file in try SourceTree.swiftFiles(under: ["Sources", "Tests"]) where !file.path.contains("/Layering/") {
      let dead = LayeringRules.deadPaths(in: file.text, path: file.path, isThere: SourceTree.isThere)
      #expect(dead.filter { !KnownFaults.deadPaths.contains($0.subject) } == [])
    }
  }

  @Test func linksBetweenPagesPointSomewhere() throws {
    let pages = try SourceTree.pages()
    #expect(pages.contains { $0.path == "docs/ARCHITECTURE.md" }, "the pages were not found")
    let anchors = Dictionary(uniqueKeysWithValues: pages.map { ($0.path, LayeringRules.anchors(ofPage: $0.text)) })
    for page in pages {
      let dead = LayeringRules.deadLinks(inPage: page.text, path: page.path) { path in
        anchors[path] ?? (SourceTree.isThere(path) ? [] : nil)
      }
      #expect(dead == [])
    }
  }

  // MARK: - The rules can fail

  private func house(_ files: [(path: String, text: String)]) -> House {
    House(files.map { ($0.path, SourceText($0.text)) })
  }

  private let pool = (path: "Sources/Core/Pool/Pool.swift", text: "package struct Pool { enum Answer { case no } }")

  @Test func readsDeclarations() {
    let text = """
      @frozen package struct Outer<Value: Equatable>: Sendable {
        private(set) var first = 1, inside = 2
        package static let shared = Outer(first: 3)
        enum Inner: String { case one, two(Int, named: String), three = "x"
          var size: Int { let local = 1; return local } }
        func map<Other>(_ change: (Value) -> Other, by step: Int = 1) where Other: Equatable { struct Local {} }
        class func make() {}
      }
      package extension Outer.Inner { func extra() {} }
      private func alone(_ list: [Int: Int], named name: String) {}
      """
    let names = Declarations(SourceText(text)).names
    #expect(
      names.map { "\($0.access) \($0.kind) \(($0.within + [$0.name]).joined(separator: "."))" } == [
        "package struct Outer", "internal var Outer.first", "package let Outer.shared", "internal enum Outer.Inner",
        "internal case Outer.Inner.one", "internal case Outer.Inner.two", "internal case Outer.Inner.three",
        "internal var Outer.Inner.size", "internal func Outer.map", "internal func Outer.make",
        "package func Inner.extra", "private func alone",
      ])
    #expect(names.first { $0.name == "two" }?.labels == ["_", "named"])
    #expect(names.first { $0.name == "map" }?.labels == ["_", "by"])
    #expect(names.first { $0.name == "alone" }?.labels == ["_", "named"])
  }

  @Test(arguments: [
    ("let pool = Pool()", ["Core/HTTP may not use Core/Pool, as in Pool"]),
    ("let text = \"\\(Pool.self)\"", ["Core/HTTP may not use Core/Pool, as in Pool"]),
    ("extension Pool {}", ["Core/HTTP may not use Core/Pool, as in Pool"]),
    ("// Pool\nlet answer: Answer? = nil", []),
    ("let pool = Other.Pool()", []),
    ("struct Pool2 { struct Pool {}; let pool = Pool() }", []),
  ])
  func noticesAUseThatIsNotAllowed(_ text: String, _ facts: [String]) {
    let house = house([pool, ("Sources/Core/HTTP/Head.swift", text)])
    let arrows: [String: Set<String>] = ["Core/Pool": [], "Core/HTTP": []]
    #expect(LayeringRules.roomViolations(of: house, arrows: arrows).map(\.fact) == facts)
  }

  @Test func aFolderThatIsNotNamedBelongsToTheOneAbove() {
    let house = house([pool, ("Sources/Core/HTTP/Deep/Down/Head.swift", "let pool = Pool()")])
    #expect(
      LayeringRules.roomViolations(of: house, arrows: ["Core/Pool": [], "Core/HTTP": []]).map(\.fact) == [
        "Core/HTTP may not use Core/Pool, as in Pool"
      ])
  }

  @Test func noticesAFunctionOfAnotherFolder() {
    let helper = (path: "Sources/Core/Time/Spoken.swift", text: "func spoken() {}\nfunc size() {}")
    let user = (path: "Sources/Core/HTTP/Head.swift", text: "struct Head { var size = 1; let text = spoken() }")
    let arrows: [String: Set<String>] = ["Core/Time": [], "Core/HTTP": []]
    #expect(
      LayeringRules.roomViolations(of: house([helper, user]), arrows: arrows).map(\.fact) == [
        "Core/HTTP may not use Core/Time, as in spoken"
      ])
  }

  @Test func noticesAListThatIsNotTrue() {
    let house = house([pool, ("Sources/Core/HTTP/Head.swift", "struct Head {}")])
    let arrows: [String: Set<String>] = ["Core/Pool": [], "Core/Gone": [], "Core/Far": ["Core/Pool"]]
    #expect(
      LayeringRules.roomViolations(of: house, arrows: arrows).map(\.fact) == [
        "the folder is not in the list of rooms; it uses []", "there is no folder Sources/Core/Far",
        "there is no folder Sources/Core/Gone",
      ])
    #expect(
      LayeringRules.roomViolations(of: house, arrows: ["Core/Pool": ["Core/HTTP"], "Core/HTTP": []]).map(\.fact) == [
        "Core/Pool uses nothing of Core/HTTP any more"
      ])
  }

  @Test func noticesACircle() {
    let straight: [String: Set<String>] = ["a": ["b", "c"], "b": ["c"], "c": []]
    #expect(LayeringRules.circles(in: straight, except: [:]) == [])
    var round = straight
    round["c"] = ["a"]
    #expect(
      LayeringRules.circles(in: round, except: [:]).map(\.fact) == [
        "a circle: a -> c -> a", "a circle: b -> c -> a -> b", "a circle: c -> a -> c",
      ])
    #expect(LayeringRules.circles(in: round, except: ["c": ["a"]]) == [])
    #expect(LayeringRules.circles(in: ["a": ["a"]], except: [:]).map(\.fact) == ["a circle: a -> a"])
    #expect(
      LayeringRules.circles(in: straight, except: ["c": ["a"]]).map(\.fact) == [
        "the exception c -> a is needed no more"
      ])
  }

  @Test func noticesATypeNameWithTwoMeanings() {
    let house = house([
      pool, ("Sources/Host/Loop/Pool.swift", "actor Pool {}"), ("Sources/Host/A.swift", "private struct Local {}"),
      ("Sources/Host/B.swift", "private struct Local {}\nextension Pool { struct Answer {} }"),
    ])
    #expect(LayeringRules.ambiguousTypes(in: house).map(\.fact) == ["several types are called Pool"])
  }

  @Test func noticesANameThatNobodyUses() {
    let house = house([
      (
        "Sources/Core/A.swift",
        """
        package struct Used: CustomStringConvertible {
          package var description: String { "" }
          package var lonely = 1
          package func called() {}
          enum Kind: String { case fromText }
        }
        func unused() {}
        """
      ),
      ("Sources/App/B.swift", "let text = \"\\(Used().called(), text)\"; // unused()\nlet kind: Kind"),
      ("Sources/Support/C.swift", "let all = Used().lonely + unused()"),
    ])
    #expect(
      LayeringRules.unusedNames(in: house).map(\.fact) == [
        "nobody in the product uses kind", "nobody in the product uses Used.lonely",
        "nobody in the product uses unused",
      ])
  }

  @Test(arguments: [
    ("/// See ``Pool``.", 0), ("/// See ``Pool/leave(_:now:)`` and ``Pool/leave``.", 0), ("/// ``Pool/Answer/no``", 0),
    ("/// See ``leave(_:now:)``.", 1), ("/// See ``Pol``.", 1), ("/// See ``Pool/leave(now:)``.", 1),
    ("/// See ``Pool/arrive()``.", 1), ("/// See ``Answer``.", 1), ("let text = \"``Pol``\"", 0),
  ])
  func noticesALinkToNothing(_ line: String, _ count: Int) {
    let path = "Sources/Core/HTTP/Head.swift"
    let pool = "package struct Pool { func leave(_ a: Int, now b: Int) {}\nenum Answer { case no } }"
    let house = house([("Sources/Core/Pool/Pool.swift", pool), (path, line)])
    #expect(LayeringRules.deadSymbolLinks(in: SourceText(line), path: path, house: house).count == count)
  }

  @Test func aLinkMayNameAMemberOfTheTypeAround() {
    let path = "Sources/Core/Pool/Pool.swift"
    let text = "struct Pool {\n  /// As ``leave()``.\n  func enter() {}\n  func leave() {}\n}"
    let house = house([(path, text)])
    #expect(LayeringRules.deadSymbolLinks(in: SourceText(text), path: path, house: house) == [])
  }

  @Test(arguments: [
    ("[a](race.md)", 0), ("[a](race.md#the-race)", 0), ("[a](#here)", 0), ("[a](../README.md)", 0),
    ("[a](https://example.org/x.md)", 0), ("[a](picture.svg#x)", 0), ("[a](gone.md)", 1), ("[a](race.md#gone)", 1),
    ("[a](#gone) and [b](gone.md)", 2), ("[a](../../README.md)", 1),
  ])
  func noticesALinkBetweenPagesToNothing(_ line: String, _ count: Int) {
    let anchors: [String: Set<String>] = [
      "docs/race.md": ["the-race"], "README.md": [], "docs/picture.svg": [], "docs/a.md": ["here"],
    ]
    let found = LayeringRules.deadLinks(inPage: line, path: "docs/a.md") { anchors[$0] }
    #expect(found.count == count)
    #expect(LayeringRules.deadLinks(inPage: "```\n\(line)\n```", path: "docs/a.md") { anchors[$0] } == [])
  }

  @Test func knowsTheAnchorsOfHeadings() {
    let page = "# The `race`, again!\n```\n# no heading\n```\n## Same\n## Same\n## ÄÖ under_score"
    #expect(LayeringRules.anchors(ofPage: page) == ["the-race-again", "same", "same-1", "äö-under_score"])
  }

  @Test func noticesAPageThatIsNotThere() {
    let text = "/// See docs/manual/race.md.\nlet page = \"docs/manual/gone.md\""
    let found = LayeringRules.deadPaths(in: text, path: "A.swift") { $0 == "docs/manual/race.md" }
    #expect(found.map(\.fact) == ["there is no docs/manual/gone.md"])
  }
}
