internal import Core

/// Findings that are known and accepted: in a file, or by a comment beside them.
package enum CheckBaseline {
  /// What makes a finding the same after lines were added above it: rule, file, message.
  package static func fingerprint(_ finding: CheckFinding) -> String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in "\(finding.rule.rawValue)\u{0}\(finding.place.file)\u{0}\(finding.message)".utf8 {
      hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
    }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  /// A line each: the fingerprint, and for people the rule and the file.
  package static func text(_ report: CheckReport) -> String {
    "# photofinish check: accepted findings\n"
      + report.findings.map { "\(fingerprint($0)) \($0.rule.rawValue) \(CheckText.clean($0.place.file))\n" }.joined()
  }

  package static func fingerprints(_ text: String) -> Set<String> {
    Set(
      text.split(separator: "\n").compactMap { line in
        line.hasPrefix("#") ? nil : line.split(separator: " ").first.map(String.init)
      })
  }
}

extension CheckReport {
  /// Drops what a baseline knows.
  package mutating func drop(_ known: Set<String>) {
    let kept = findings.filter { !known.contains(CheckBaseline.fingerprint($0)) }
    suppressed += findings.count - kept.count
    findings = kept
  }

  /// Drops what a comment keeps quiet: `photofinish: ignore` or `photofinish: ignore RULE` on the line, or alone on the line above.
  package mutating func dropCommented(_ files: [CheckedFile]) {
    let byPath = Dictionary(
      files.filter { $0.contains("photofinish: ignore") }.map { ($0.path, $0) }, uniquingKeysWith: { first, _ in first }
    )
    guard !byPath.isEmpty else { return }
    let kept = findings.filter { finding in
      guard let file = byPath[finding.place.file] else { return true }
      return ![finding.place.line, finding.place.line - 1].contains { Self.ignores(file.line($0), finding.rule) }
    }
    suppressed += findings.count - kept.count
    findings = kept
  }

  private static func ignores(_ line: String?, _ rule: CheckRule) -> Bool {
    guard let line, let start = line.ranges(of: "photofinish: ignore").first else { return false }
    let rest = line[start.upperBound...]
    let names = rest.split { !($0.isLetter || $0 == "-") }.map(String.init).filter { CheckRule(rawValue: $0) != nil }
    return names.isEmpty || names.contains(rule.rawValue)
  }
}
