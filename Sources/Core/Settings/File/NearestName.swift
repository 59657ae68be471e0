/// Finds what somebody meant who mistyped a name.
enum NearestName {
  /// Longer names are not compared.
  static let longestName = 64

  /// The name of `names` that is nearest to `text`, when it is near enough to be meant; the first of several.
  static func find(_ text: String, among names: [String]) -> String? {
    let typed = Array(text.lowercased().map { $0 == "_" ? "-" : $0 })
    guard typed.count <= longestName else { return nil }
    var best: (name: String, distance: Int)?
    for name in names where name.count <= longestName {
      let distance = distance(typed, Array(name.lowercased()))
      if distance < best?.distance ?? .max { best = (name, distance) }
    }
    guard let best, best.distance <= max(1, max(typed.count, best.name.count) / 3) else {
      // A part of a longer name: `idle` for `client-idle`.
      return typed.count >= 3 ? names.first { $0.lowercased().contains(String(typed)) } : nil
    }
    return best.name
  }

  /// `did you mean 'x'?`, or all the names there are.
  static func fix(_ text: String, among names: [String], called plural: String) -> String {
    if let name = find(text, among: names) { return "did you mean '\(name)'?" }
    return "\(plural) \(names.joined(separator: ", "))"
  }

  /// Insertions, deletions, replacements and swaps of neighbours that turn one into the other.
  static func distance(_ left: [Character], _ right: [Character]) -> Int {
    var beforeLast = [Int](repeating: 0, count: right.count + 1)
    var last = Array(0...right.count)
    for i in 0..<left.count {
      var current = [i + 1] + [Int](repeating: 0, count: right.count)
      for j in 0..<right.count {
        let replaced = last[j] + (left[i] == right[j] ? 0 : 1)
        current[j + 1] = min(replaced, last[j + 1] + 1, current[j] + 1)
        if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
          current[j + 1] = min(current[j + 1], beforeLast[j - 1] + 1)
        }
      }
      beforeLast = last
      last = current
    }
    return last[right.count]
  }
}
