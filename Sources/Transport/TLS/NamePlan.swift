/// Which certificates serve which names.
struct NamePlan: Equatable {
  /// Certificates by their number, at most one of each kind of key; the first set serves where no name fits.
  private(set) var sets: [[Int]] = []
  /// In ascending order of their bytes, with the number of the set.
  private(set) var names: [(name: String, set: Int)] = []

  init(_ certificates: [(names: [String], kind: Int32)]) {
    var members: [String: [Int]] = [:]
    for (number, certificate) in certificates.enumerated() {
      for name in certificate.names {
        // The first of a kind serves.
        let isTaken = members[name, default: []].contains { certificates[$0].kind == certificate.kind }
        if !isTaken { members[name, default: []].append(number) }
      }
    }
    if let first = certificates.first {
      sets.append(first.names.first.flatMap { members[$0] } ?? [0])
    }
    var numbers: [[Int]: Int] = [:]
    for (number, set) in sets.enumerated() { numbers[set] = number }
    for name in members.keys.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
      let set = members[name] ?? []
      let number = numbers[set] ?? sets.count
      if number == sets.count {
        sets.append(set)
        numbers[set] = number
      }
      names.append((name, number))
    }
  }

  static func == (left: NamePlan, right: NamePlan) -> Bool {
    left.sets == right.sets && left.names.elementsEqual(right.names) { $0 == $1 }
  }
}
