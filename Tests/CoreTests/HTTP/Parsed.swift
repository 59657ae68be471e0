@testable import Core

/// A head that was parsed whole, with its fields spelled out.
struct Parsed<Head> {
  var head: Head
  var bytes: [UInt8]
  /// `Name: value`, nominated fields in parentheses.
  var fields: [String]

  func text(_ range: ByteRange) -> String { bytes.rawSpan.text(range) }
}

enum Incomplete: Error { case incomplete }

extension Parsed {
  static func spell(_ bytes: RawSpan, _ table: borrowing FieldTable) -> [String] {
    var fields: [String] = []
    for index in 0..<table.count {
      let line = bytes.text(table[index].name) + ": " + bytes.text(table[index].value)
      fields.append(table[index].isNominated ? "(\(line))" : line)
    }
    return fields
  }
}

extension Parsed where Head == RequestHead {
  static func request(_ text: String, limits: HeadLimits = HeadLimits()) throws -> Parsed {
    try request(Array(text.utf8), limits: limits)
  }

  static func request(_ bytes: [UInt8], limits: HeadLimits = HeadLimits()) throws -> Parsed {
    var table = FieldTable(capacity: 4)
    var scan = HeadScan()
    switch RequestHead.parse(bytes.rawSpan, scan: &scan, limits: limits, into: &table) {
    case .incomplete: throw Incomplete.incomplete
    case .failed(let error): throw error
    case .complete(let head): return Parsed(head: head, bytes: bytes, fields: spell(bytes.rawSpan, table))
    }
  }

  func written(_ forwarding: Forwarding, requestID: (UInt64, UInt64) = (1, 2)) -> String {
    var table = FieldTable(capacity: 4)
    var scan = HeadScan()
    _ = RequestHead.parse(bytes.rawSpan, scan: &scan, limits: HeadLimits(), into: &table)
    var buffer = ByteBuffer(capacity: 64)
    head.write(to: &buffer, bytes: bytes.rawSpan, fields: table, forwarding: forwarding, requestID: requestID)
    return buffer.readable.text(ByteRange(offset: 0, count: buffer.count))
  }
}

extension Parsed where Head == ResponseHead {
  static func response(_ text: String, to method: Core.Method = .get, limits: HeadLimits = HeadLimits()) throws
    -> Parsed
  {
    try response(Array(text.utf8), to: method, limits: limits)
  }

  static func response(_ bytes: [UInt8], to method: Core.Method = .get, limits: HeadLimits = HeadLimits()) throws
    -> Parsed
  {
    var table = FieldTable(capacity: 4)
    var scan = HeadScan()
    switch ResponseHead.parse(bytes.rawSpan, scan: &scan, limits: limits, requestMethod: method, into: &table) {
    case .incomplete: throw Incomplete.incomplete
    case .failed(let error): throw error
    case .complete(let head): return Parsed(head: head, bytes: bytes, fields: spell(bytes.rawSpan, table))
    }
  }

  func written(
    clientVersion: HTTPVersion = .http11, clientKeepsAlive: Bool = true, bodyFraming: ResponseFraming? = nil,
    keepAliveTimeout: UInt32? = nil, via: String? = nil, proxyStatus: String? = nil, date: String? = nil
  ) -> String {
    var table = FieldTable(capacity: 4)
    var scan = HeadScan()
    _ = ResponseHead.parse(bytes.rawSpan, scan: &scan, limits: HeadLimits(), requestMethod: .get, into: &table)
    var buffer = ByteBuffer(capacity: 64)
    head.write(
      to: &buffer, bytes: bytes.rawSpan, fields: table, clientVersion: clientVersion,
      clientKeepsAlive: clientKeepsAlive, bodyFraming: bodyFraming ?? head.framing(forClient: clientVersion),
      keepAliveTimeout: keepAliveTimeout, via: via.map { Array($0.utf8) },
      proxyStatus: proxyStatus.map { Array($0.utf8) }, date: date.map { Array($0.utf8) })
    return buffer.readable.text(ByteRange(offset: 0, count: buffer.count))
  }
}
