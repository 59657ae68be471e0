package import Core

/// What readers know beyond their own file: the other files, variables, versions.
package struct CheckContext: Sendable {
  package var files: [CheckedFile]
  package var environment = EnvironmentTable()
  /// What static files of Traefik say; dynamic ones go by it.
  var traefik: [ConfigurationNode] = []
  private var versions: [Software: [(range: VersionRange, place: CheckPlace)]] = [:]

  package init(files: [CheckedFile]) { self.files = files }

  package mutating func note(_ software: Software, _ range: VersionRange, at place: CheckPlace) {
    guard range != .all else { return }
    versions[software, default: []].append((range, place))
  }

  /// What is known of the version of software that is configured in `file`: what stands nearest to it in the tree.
  package func version(of software: Software, near file: String) -> VersionRange {
    guard let known = versions[software], !known.isEmpty else { return .all }
    let depth = known.map { Self.common($0.place.file, file) }
    let deepest = depth.max() ?? 0
    let nearest = zip(known, depth).filter { $0.1 == deepest }.map(\.0.range)
    return Set(nearest).count == 1 ? nearest[0] : .all
  }

  /// Folders that two paths have in common.
  package static func common(_ one: String, _ other: String) -> Int {
    let left = one.split(separator: "/").dropLast()
    let right = other.split(separator: "/").dropLast()
    return zip(left, right).prefix { $0 == $1 }.count
  }

  package func file(at path: String) -> CheckedFile? { files.first { $0.path == path } }

  /// The file whose path ends as `path` does, the nearest to `origin`.
  package func file(endingWith path: String, near origin: String) -> CheckedFile? {
    let wanted = path.split(separator: "/").filter { $0 != "." && $0 != ".." }
    guard let name = wanted.last else { return nil }
    var best: (file: CheckedFile, score: Int)?
    for file in files where file.path.hasSuffix(name) {
      let parts = file.path.split(separator: "/")
      guard parts.last == name else { continue }
      let matching = zip(parts.reversed(), wanted.reversed()).prefix { $0 == $1 }.count
      let score = matching * 100 + Self.common(file.path, origin)
      if best.map({ score > $0.score }) ?? true { best = (file, score) }
    }
    return best?.file
  }
}
