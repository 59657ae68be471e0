internal import Core

/// SARIF 2.1.0, for code scanning.
package enum CheckSARIF {
  package static func document(_ report: CheckReport, version: String) -> String {
    let used = CheckRule.allCases.filter { rule in report.findings.contains { $0.rule == rule } }
    let driver: [(String, JSONText)] = [
      ("name", .string("photofinish")), ("version", .string(version)), ("rules", .array(used.map(rule))),
    ]
    let run: [(String, JSONText)] = [
      ("tool", .object([("driver", .object(driver))])), ("columnKind", .string("unicodeCodePoints")),
      ("results", .array(report.findings.map { result($0, used) })),
    ]
    return JSONText.object([
      ("$schema", .string("https://json.schemastore.org/sarif-2.1.0.json")), ("version", .string("2.1.0")),
      ("runs", .array([.object(run)])),
    ]).text + "\n"
  }

  private static func text(_ text: String) -> JSONText { .object([("text", .string(text))]) }

  private static func rule(_ rule: CheckRule) -> JSONText {
    .object([
      ("id", .string(rule.rawValue)), ("shortDescription", text(rule.title)),
      ("fullDescription", text(rule.explanation)),
      ("help", text(rule.remedy)),
    ])
  }

  private static func result(_ finding: CheckFinding, _ rules: [CheckRule]) -> JSONText {
    let message = finding.message + finding.spokenChanges
    var members: [(String, JSONText)] = [
      ("ruleId", .string(finding.rule.rawValue)),
      ("ruleIndex", .number(Int64(rules.firstIndex(of: finding.rule) ?? 0))),
      ("level", .string(finding.level.rawValue)), ("message", text(message)),
      ("locations", .array([location(finding.place, nil)])),
      ("partialFingerprints", .object([("photofinish/v1", .string(CheckBaseline.fingerprint(finding)))])),
      ("properties", .object([("confidence", .string(finding.confidence.rawValue))])),
    ]
    let related = finding.evidence.compactMap { item in item.place.map { location($0, item.text) } }
    if !related.isEmpty { members.append(("relatedLocations", .array(related))) }
    return .object(members)
  }

  private static func location(_ place: CheckPlace, _ message: String?) -> JSONText {
    let region: [(String, JSONText)] = [
      ("startLine", .number(Int64(place.line))), ("startColumn", .number(Int64(place.column))),
    ]
    var members: [(String, JSONText)] = [
      (
        "physicalLocation",
        .object([("artifactLocation", .object([("uri", .string(address(place.file)))])), ("region", .object(region))])
      )
    ]
    if let message { members.append(("message", text(message))) }
    return .object(members)
  }

  /// A relative reference as RFC 3986 has it.
  static func address(_ path: String) -> String {
    var result = ""
    for byte in path.utf8 {
      let isPlain = (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte | 0x20) || "-._~/".utf8.contains(byte)
      if isPlain {
        result.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        let digits = String(byte, radix: 16, uppercase: true)
        result += "%" + (digits.count == 1 ? "0" : "") + digits
      }
    }
    return result.hasPrefix("/") ? "file://" + result : result
  }
}
