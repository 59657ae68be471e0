import Core

/// The PROXY protocol's header, which a load balancer may send before what its client says (versions 1 and 2).
struct ProxyPreface: Sendable {
  private static let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10]
  private static let maximumLine = 107

  private var isDone = false
  private var line = 0
  private var remaining = 0

  /// Returns how many of the bytes, from the first on, belong to the header.
  mutating func take(_ bytes: RawSpan) -> Int {
    guard !isDone else { return 0 }
    if remaining > 0 { return takeRest(bytes) }
    if line > 0 || Speech.startsWith(bytes, "PROXY TCP") || Speech.startsWith(bytes, "PROXY UNKNOWN") {
      return takeLine(bytes)
    }
    isDone = true
    guard bytes.byteCount >= 16 else { return 0 }
    for (index, expected) in ProxyPreface.signature.enumerated() where bytes.byte(at: index) != expected { return 0 }
    isDone = false
    remaining = 16 + Int(bytes.number16(at: 14))
    return takeRest(bytes)
  }

  private mutating func takeRest(_ bytes: RawSpan) -> Int {
    let taken = min(remaining, bytes.byteCount)
    remaining -= taken
    if remaining == 0 { isDone = true }
    return taken
  }

  private mutating func takeLine(_ bytes: RawSpan) -> Int {
    var index = 0
    while index < bytes.byteCount, line < ProxyPreface.maximumLine {
      line += 1
      index += 1
      if bytes.byte(at: index - 1) == 0x0a {
        isDone = true
        return index
      }
    }
    if line >= ProxyPreface.maximumLine { isDone = true }
    return index
  }
}
