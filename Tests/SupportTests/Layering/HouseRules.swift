/// The rules about rooms and names: which folder may use which, one meaning for a name, nothing that nobody uses.
extension LayeringRules {
  // MARK: - Rooms

  /// - Parameter arrows: for each room the rooms of its layer that it may use.
  static func roomViolations(of house: House, arrows: [String: Set<String>]) -> [Violation] {
    var found: [Violation] = []
    var used: [String: Set<String>] = [:]
    for use in house.uses(rooms: Set(arrows.keys)) {
      used[use.room, default: []].insert(use.other)
      guard let allowed = arrows[use.room], !allowed.contains(use.other) else { continue }
      found.append(
        Violation(place: "\(use.path):\(use.line)", fact: "\(use.room) may not use \(use.other), as in \(use.name)"))
    }
    for room in house.rooms(Set(arrows.keys)) where arrows[room] == nil {
      let others = used[room, default: []].sorted()
      found.append(
        Violation(
          place: "Sources/\(room)", fact: "the folder is not in the list of rooms; it uses \(others)"))
    }
    for (room, allowed) in arrows.sorted(by: { $0.key < $1.key }) {
      guard house.rooms(Set(arrows.keys)).contains(room) else {
        found.append(Violation(place: "the list of rooms", fact: "there is no folder Sources/\(room)"))
        continue
      }
      for other in allowed.subtracting(used[room] ?? []).sorted() {
        found.append(Violation(place: "the list of rooms", fact: "\(room) uses nothing of \(other) any more"))
      }
    }
    return found
  }

  /// One violation for each room that can be reached from itself.
  ///
  /// - Parameter exceptions: arrows that are not followed. Each must be needed.
  static func circles(in arrows: [String: Set<String>], except exceptions: [String: Set<String>]) -> [Violation] {
    var followed = arrows
    for (room, others) in exceptions { followed[room]?.subtract(others) }
    var found = followed.keys.sorted().compactMap { room in
      way(from: room, to: room, followed).map {
        Violation(place: "the list of rooms", fact: "a circle: \($0.joined(separator: " -> "))")
      }
    }
    for (room, others) in exceptions.sorted(by: { $0.key < $1.key }) {
      for other in others.sorted() {
        let isNeeded =
          arrows[room]?.contains(other) == true && (room == other || way(from: other, to: room, followed) != nil)
        guard !isNeeded else { continue }
        found.append(
          Violation(place: "the list of rooms", fact: "the exception \(room) -> \(other) is needed no more"))
      }
    }
    return found
  }

  /// The shortest way along arrows, both ends included.
  private static func way(from start: String, to end: String, _ arrows: [String: Set<String>]) -> [String]? {
    var ways = [[start]]
    var seen: Set<String> = []
    while !ways.isEmpty {
      var longer: [[String]] = []
      for way in ways {
        for next in (arrows[way[way.count - 1]] ?? []).sorted() {
          if next == end { return way + [next] }
          if seen.insert(next).inserted { longer.append(way + [next]) }
        }
      }
      ways = longer
    }
    return nil
  }

  // MARK: - Names

  /// Types at the top level, other than private ones, that have the name of another in any layer.
  static func ambiguousTypes(in house: House) -> [Violation] {
    var places: [String: [String]] = [:]
    for file in house.files {
      for name in file.declarations.names where name.isType && name.isTopLevel && name.isShared {
        places[name.name, default: []].append("\(file.path):\(name.line)")
      }
    }
    return places.sorted { $0.key < $1.key }.filter { $0.value.count > 1 }.map {
      Violation(place: $0.value.joined(separator: ", "), subject: $0.key, fact: "several types are called \($0.key)")
    }
  }

  /// Names that the language, its library or a package calls: nobody needs to write them.
  private static let calledByOthers: Set<String> = [
    "_", "description", "debugDescription", "hash", "errorDescription", "configuration", "run", "validate",
    "commandName", "defaultValueDescription", "allValueStrings", "main", "next", "metadata", "logLevel", "log",
    "metadataProvider", "buildBlock",
  ]

  /// Names that the product declares and does not use. Only names that are unused under every declaration are seen, and
  /// neither cases nor what is private to a type: the first are made from text, the second are the compiler's matter.
  static func unusedNames(in house: House) -> [Violation] {
    var counts: [String: Int] = [:]
    var declared: [String: [(path: String, name: Declarations.Name)]] = [:]
    for file in house.files where file.layer != Layer.support.rawValue {
      counts.merge(file.declarations.counts, uniquingKeysWith: +)
      for name in file.declarations.names { declared[name.name, default: []].append((file.path, name)) }
    }
    var found: [Violation] = []
    for (name, places) in declared.sorted(by: { $0.key < $1.key }) where counts[name] == places.count {
      guard !calledByOthers.contains(name) else { continue }
      for place in places where place.name.kind != "case" {
        let whole = (place.name.within + [name]).joined(separator: ".")
        found.append(
          Violation(
            place: "\(place.path):\(place.name.line)", subject: whole, fact: "nobody in the product uses \(whole)"))
      }
    }
    return found
  }

  // MARK: - Links in documentation

  /// ``Name``, ``Type/member`` and ``member(of:)`` in comments that name nothing.
  static func deadSymbolLinks(in source: SourceText, path: String, house: House) -> [Violation] {
    let own = house.files.first { $0.path == path }
    return source.lines.flatMap { line in
      symbolLinks(line.comment ?? "").filter { !resolves($0, from: own, in: house) }.map {
        Violation(place: "\(path):\(line.number)", fact: "the link to \($0) points nowhere")
      }
    }
  }

  private static func symbolLinks(_ comment: String) -> [String] {
    let parts = comment.split(separator: "``", omittingEmptySubsequences: false)
    return parts.indices.filter { $0 % 2 == 1 && $0 < parts.count - 1 }.map { String(parts[$0]) }
  }

  /// A link means a type at the top level, a member of a type around it, or a way through types that begins at either. The
  /// labels of a function or a case are part of its name.
  private static func resolves(_ link: String, from file: House.File?, in house: House) -> Bool {
    let steps = link.split(separator: "/")
    guard !steps.isEmpty else { return false }
    let around = Set((file?.declarations.names ?? []).flatMap { $0.within + ($0.isType ? [$0.name] : []) })
    func declares(_ name: String, _ labels: [String]?, in type: String?) -> Bool {
      house.files.contains { file in
        file.declarations.names.contains { found in
          guard found.name == name, labels == nil || labels == found.labels else { return false }
          guard let type else { return found.isTopLevel || found.within.contains(where: around.contains) }
          return found.within.last == type
        }
      }
    }
    var type: String?
    for step in steps {
      let name = String(step.prefix { $0 != "(" })
      let labels = step.contains("(") ? step.dropFirst(name.count + 1).dropLast().split(separator: ":") : nil
      guard name == "init" || name == "subscript" || declares(name, labels?.map(String.init), in: type) else {
        return false
      }
      type = name
    }
    return true
  }
}
