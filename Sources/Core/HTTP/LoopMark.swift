/// By what a proxy knows a request that has come by it before: its own entry in CDN-Loop (RFC 8586).
///
/// Proxies that lead to each other would pass one request around until they have no connection left. Via could tell, but it can be
/// switched off, and its pseudonym is often the same in all proxies of a house. This entry is one of this process alone, it is
/// always written, and no setting takes it away.
package struct LoopMark: Sendable {
  /// `photofinish-` and sixteen digits: a pseudonym as RFC 8586 has it.
  package let text: [UInt8]

  /// - Parameter random: chosen once for the process.
  package init(_ random: UInt64) {
    let digits = String(random, radix: 16)
    text = Array("photofinish-\(String(repeating: "0", count: 16 - digits.count))\(digits)".utf8)
  }

  /// Whether a request has come by here before.
  @inline(__always)
  package func isIn(_ bytes: RawSpan, _ fields: borrowing FieldTable) -> Bool {
    fields.contains(.cdnLoop) ? isListed(bytes, fields) : false
  }

  @inline(never)
  private func isListed(_ bytes: RawSpan, _ fields: borrowing FieldTable) -> Bool {
    for index in 0..<fields.count where fields[index].known == .cdnLoop {
      var list = ListElements(fields[index].value)
      while let element = list.next(bytes) {
        // Parameters may follow.
        guard element.count >= text.count else { continue }
        if text.indices.allSatisfy({ bytes.byte(at: element.start + $0) == text[$0] }) { return true }
      }
    }
    return false
  }
}
