import Core

/// Finds the record boundaries of TLS or the frame boundaries of HTTP/2 in one direction, without reading the content.
struct RecordScanner: Sendable {
  enum Kind: Sendable {
    /// RFC 8446 section 5.1: type, version, length.
    case tls
    /// RFC 9113 section 4.1: length, type, flags, stream.
    case http2
  }

  struct Record: Sendable {
    var type: UInt8
    var length: Int
  }

  private var kind: Kind
  private var header: [UInt8] = []
  private var remaining: Int64
  /// Bytes are missing, or a header cannot be: boundaries are not known any more.
  private(set) var isLost = false
  private(set) var records = 0

  /// The next byte belongs to a record whose header was seen.
  var isInside: Bool { remaining > 0 && records > 0 }

  init(_ kind: Kind, skipping preface: Int64 = 0) {
    self.kind = kind
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
      switch kind {
      case .tls:
        guard header.count == 5 else { continue }
        let record = Record(type: header[0], length: Int(header[3]) << 8 | Int(header[4]))
        guard (20...24).contains(record.type), header[1] == 3, record.length <= 18_432 else {
          isLost = true
          return
        }
        remaining = Int64(record.length)
        records += 1
        body(record)
      case .http2:
        guard header.count == 9 else { continue }
        let record = Record(type: header[3], length: Int(header[0]) << 16 | Int(header[1]) << 8 | Int(header[2]))
        remaining = Int64(record.length)
        records += 1
        body(record)
      }
      header.removeAll(keepingCapacity: true)
    }
  }
}
