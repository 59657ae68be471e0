/// What became of the attempt to parse a head.
package enum HeadParse<Head: BitwiseCopyable & Sendable>: Sendable {
  /// The head is not there in full; parse again when there are more bytes, from the same start.
  case incomplete
  /// The head is complete; its fields are in the table.
  case complete(Head)
  /// The bytes are not such a head, whatever follows. The connection cannot be used any more.
  case failed(MessageError)
}

/// How far a head that arrives in pieces was looked through, so that each byte is looked at a bounded number of times.
///
/// It belongs to a connection; reset it (with a new value) for each head. A head that arrives in pieces may be refused later
/// than the byte at fault would allow, but at its end at the latest.
package struct HeadScan: Sendable, BitwiseCopyable {
  /// Bytes already looked at, none of which ends the head.
  private(set) var scanned: UInt32 = 0
  private(set) var startLineIsComplete = false

  package init() {}

  /// Looks at the bytes that are new since the last time.
  ///
  /// - Returns: whether parsing can say anything new: at the first look, when the start line or the head is complete, when
  ///   a byte is there that no head can hold, or when a limit is reached.
  @inline(__always)
  mutating func advance(over bytes: RawSpan, limits: HeadLimits) -> Bool {
    if scanned == 0 { return bytes.byteCount > 0 }
    return advanceSlowly(over: bytes, limits: limits)
  }

  /// Takes note that parsing found the head incomplete.
  mutating func noteIncomplete(_ bytes: RawSpan, startLineIsComplete: Bool) {
    scanned = UInt32(bytes.byteCount)
    self.startLineIsComplete = startLineIsComplete
  }

  private mutating func advanceSlowly(over bytes: RawSpan, limits: HeadLimits) -> Bool {
    let end = bytes.byteCount
    if end >= limits.headBytes { return true }
    if !startLineIsComplete && end >= limits.startLineBytes { return true }
    // A line end can be split: look at the last two bytes again.
    var position = Swift.max(0, Int(scanned) - 2)
    while position < end {
      position = bytes.firstControl(from: position, to: end)
      guard position < end else { break }
      let byte = bytes.byte(at: position)
      if byte == ByteClass.lineFeed && position > 0 && bytes.byte(at: position - 1) == ByteClass.carriageReturn {
        if !startLineIsComplete { return true }
        if position >= 2 && bytes.byte(at: position - 2) == ByteClass.lineFeed { return true }
      } else if byte == ByteClass.carriageReturn {
        if position + 1 < end && bytes.byte(at: position + 1) != ByteClass.lineFeed { return true }
      } else {
        return true
      }
      position += 1
    }
    scanned = UInt32(end)
    return false
  }
}
