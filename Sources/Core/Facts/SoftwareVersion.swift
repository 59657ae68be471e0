/// A version of some software, as its numbers: `1.29.7` is [1, 29, 7].
package struct SoftwareVersion: Sendable, Hashable, Comparable {
  package var numbers: [Int]

  package init(_ numbers: Int...) { self.numbers = numbers }

  package init(_ numbers: [Int]) { self.numbers = numbers }

  /// Reads what a tag of an image or a package manager gives: `1.29.7-alpine`, `v20.11`, `^18`, `>=2.7`.
  ///
  /// nil when there is no number at its start, as in `latest`.
  package init?(_ text: String) {
    var numbers: [Int] = []
    let start = text.utf8.drop {
      !(0x30...0x39).contains($0) && (0x20..<0x40).contains($0) || $0 == 0x5e || $0 == 0x7e || $0 == 0x76
    }
    for part in start.split(separator: UInt8(ascii: "."), maxSplits: 4) {
      let digits = part.prefix { (0x30...0x39).contains($0) }
      guard !digits.isEmpty, digits.count < 9, let number = Int(String(decoding: digits, as: UTF8.self)) else { break }
      numbers.append(number)
      guard digits.count == part.count else { break }
    }
    guard !numbers.isEmpty else { return nil }
    self.numbers = numbers
  }

  package var text: String { numbers.map(String.init).joined(separator: ".") }

  /// Missing numbers are zeros: 18 and 18.0.0 are the same place in the order.
  package static func < (left: SoftwareVersion, right: SoftwareVersion) -> Bool {
    for index in 0..<max(left.numbers.count, right.numbers.count) {
      let one = index < left.numbers.count ? left.numbers[index] : 0
      let other = index < right.numbers.count ? right.numbers[index] : 0
      if one != other { return one < other }
    }
    return false
  }
}

/// From a version on, below another; without both, every version.
package struct VersionRange: Sendable, Hashable {
  package var from: SoftwareVersion?
  package var below: SoftwareVersion?

  package init(from: SoftwareVersion? = nil, below: SoftwareVersion? = nil) {
    self.from = from
    self.below = below
  }

  package static let all = VersionRange()

  package func contains(_ version: SoftwareVersion) -> Bool {
    if let from, version < from { return false }
    if let below, !(version < below) { return false }
    return true
  }

  /// `1.29.7 and later`, `below 7`, `any`.
  package var text: String {
    switch (from, below) {
    case (nil, nil): "any"
    case (let from?, nil): "\(from.text) and later"
    case (nil, let below?): "below \(below.text)"
    case (let from?, let below?): "\(from.text) to below \(below.text)"
    }
  }
}

extension VersionRange {
  /// Some version lies in both.
  package func overlaps(_ other: VersionRange) -> Bool {
    if let from, let end = other.below, !(from < end) { return false }
    if let below, let start = other.from, !(start < below) { return false }
    return true
  }

  /// Every version of this range lies in the other.
  package func isWithin(_ other: VersionRange) -> Bool {
    if let start = other.from {
      guard let from, !(from < start) else { return false }
    }
    if let end = other.below {
      guard let below, !(end < below) else { return false }
    }
    return true
  }

  /// What a tag or a requirement leaves open: `20` is from 20 to below 21, `>=18` is 18 and later, `latest` is any.
  package init(requirement text: String) {
    self = .all
    let text = text.split(whereSeparator: { $0 == " " || $0 == "|" || $0 == "," }).first.map(String.init) ?? ""
    guard let version = SoftwareVersion(text) else { return }
    if text.hasPrefix("<") {
      below = version
      return
    }
    from = version
    guard !text.hasPrefix(">") else { return }
    if text.hasPrefix("^") || (text.hasPrefix("~>") && version.numbers.count == 2) {
      below = SoftwareVersion([version.numbers[0] + 1])
    } else if let last = version.numbers.last, last < Int.max {
      below = SoftwareVersion(version.numbers.dropLast() + [last + 1])
    }
  }
}
