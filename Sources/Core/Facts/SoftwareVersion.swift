/// A version of some software, as its numbers: `1.29.7` is [1, 29, 7].
package struct SoftwareVersion: Sendable, Hashable, Comparable {
  package var numbers: [Int]

  package init(_ numbers: Int...) { self.numbers = numbers }

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
      guard !digits.isEmpty, let number = Int(String(decoding: digits, as: UTF8.self)) else { break }
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
