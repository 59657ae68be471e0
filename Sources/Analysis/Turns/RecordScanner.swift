import Core

/// Finds the record boundaries of TLS in one direction (RFC 8446 section 5.1: type, version, length), without reading the content.
struct RecordScanner: Sendable {
  struct Record: Sendable {
    var type: UInt8
    var length: Int
    /// Where its head begins, counted from the first of the bytes that were read with it; below zero when before them.
    var start: Int
  }

  private var header: [UInt8] = []
  private var remaining: Int64
  /// Bytes are missing, or a header cannot be: boundaries are not known any more.
  private(set) var isLost = false
  private(set) var records = 0

  /// The next byte belongs to a record whose header was seen.
  var isInside: Bool { remaining > 0 && records > 0 }

  init(skipping preface: Int64 = 0) {
    remaining = preface
  }

  mutating func skip(_ count: Int64) {
    if count <= remaining { remaining -= count } else { isLost = true }
  }

  /// Calls `body` for each record whose header ends in these bytes.
  mutating func scan(_ bytes: RawSpan, _ body: (Record) -> Void) {
    var index = 0
    while !isLost, index < bytes.byteCount {
      if remaining > 0 {
        let taken = min(remaining, Int64(bytes.byteCount - index))
        remaining -= taken
        index += Int(taken)
        continue
      }
      header.append(bytes.byte(at: index))
      index += 1
      guard header.count == 5 else { continue }
      let record = Record(type: header[0], length: Int(header[3]) << 8 | Int(header[4]), start: index - 5)
      guard (20...24).contains(record.type), header[1] == 3, record.length <= 18_432 else {
        isLost = true
        return
      }
      remaining = Int64(record.length)
      records += 1
      body(record)
      header.removeAll(keepingCapacity: true)
    }
  }
}
