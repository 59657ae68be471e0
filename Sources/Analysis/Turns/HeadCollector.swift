import Core

/// Collects the bytes of a message head, to its empty line.
struct HeadCollector: Sendable {
  static let maximumHead = 64 << 10

  private(set) var bytes: [UInt8] = []
  private var lineStart = 0

  /// Takes bytes until the empty line. Returns where it stopped and whether the head is complete.
  mutating func take(_ input: RawSpan, from start: Int) -> (next: Int, isComplete: Bool) {
    var index = start
    while index < input.byteCount {
      let byte = input.byte(at: index)
      index += 1
      bytes.append(byte)
      guard byte == 0x0a else { continue }
      let length = bytes.count - lineStart
      let isEmpty = length == 1 || (length == 2 && bytes[lineStart] == 0x0d)
      lineStart = bytes.count
      if isEmpty { return (index, true) }
      if bytes.count > HeadCollector.maximumHead { return (index, false) }
    }
    return (index, false)
  }

  var isTooLong: Bool { bytes.count > HeadCollector.maximumHead }
}
