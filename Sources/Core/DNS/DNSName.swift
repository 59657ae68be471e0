/// A domain name: labels as they go over the wire, letters in lower case (RFC 1035 section 3.1, RFC 4343).
package struct DNSName: Hashable, Sendable, CustomStringConvertible {
  /// Length and bytes of each label, without the root's empty one at the end.
  package let wire: [UInt8]

  /// Bytes of a label, and of a whole name with its root (RFC 1035 section 2.3.4).
  package static let longestLabel = 63
  package static let longestName = 255

  /// Parses the name of a host, with or without the dot of the root at its end; nil when it cannot be one.
  ///
  /// Letters, digits, `-` and `_` (which Docker Compose and service names use). Others are asked for in their ASCII form.
  package init?(_ text: String) {
    var bytes = Array(text.utf8)
    if bytes.last == UInt8(ascii: ".") { bytes.removeLast() }
    var wire: [UInt8] = []
    for label in bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
      guard !label.isEmpty, label.count <= Self.longestLabel, label.allSatisfy(Self.isHostByte) else { return nil }
      wire.append(UInt8(label.count))
      wire += label.map(Self.lowercased)
    }
    self.init(wire: wire)
  }

  /// - Parameter wire: labels with their lengths, in lower case.
  private init?(wire: [UInt8]) {
    guard wire.count < Self.longestName else { return nil }
    self.wire = wire
  }

  /// This name within a domain: `api` in `shop.example` is `api.shop.example`; nil when that is too long.
  package func within(_ domain: DNSName) -> DNSName? { DNSName(wire: wire + domain.wire) }

  package var labelCount: Int {
    var count = 0
    var offset = 0
    while offset < wire.count {
      offset += 1 + Int(wire[offset])
      count += 1
    }
    return count
  }

  /// With dots, without that of the root; bytes that are none of a host name as RFC 1035 section 5.1 writes them.
  package var description: String {
    var text = ""
    var offset = 0
    while offset < wire.count {
      if offset > 0 { text += "." }
      let end = offset + 1 + Int(wire[offset])
      for byte in wire[(offset + 1)..<end] {
        if Self.isHostByte(byte) {
          text.unicodeScalars.append(Unicode.Scalar(byte))
        } else {
          let digits = String(byte)
          text += "\\" + String(repeating: "0", count: 3 - digits.count) + digits
        }
      }
      offset = end
    }
    return text.isEmpty ? "." : text
  }

  private static func isHostByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
      true
    default: false
    }
  }

  private static func lowercased(_ byte: UInt8) -> UInt8 {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
  }

  // MARK: - Reading

  /// Jumps of one name. Names are compressed by one or two; thousands of them only keep a reader busy.
  private static let maximumJumps = 16

  /// Reads the name at `offset` of a message and moves `offset` behind it; nil when it is none.
  ///
  /// A compression pointer must lead to an earlier place than the labels before it began at, so that no chain of them ever
  /// returns (RFC 1035 section 4.1.4).
  package init?(reading message: RawSpan, at offset: inout Int) {
    var wire: [UInt8] = []
    var position = offset
    var end: Int?
    var earliest = offset
    var jumps = 0
    while true {
      guard position < message.byteCount else { return nil }
      let length = Int(message.byte(at: position))
      switch length {
      case 0:
        guard let name = DNSName(wire: wire) else { return nil }
        offset = end ?? position + 1
        self = name
        return
      case 1...Self.longestLabel:
        guard position + 1 + length <= message.byteCount, wire.count + 1 + length < Self.longestName else { return nil }
        wire.append(UInt8(length))
        for index in 1...length { wire.append(Self.lowercased(message.byte(at: position + index))) }
        position += 1 + length
      case 0xc0...0xff:
        guard position + 1 < message.byteCount else { return nil }
        let target = (length & 0x3f) << 8 | Int(message.byte(at: position + 1))
        jumps += 1
        guard target < earliest, jumps <= Self.maximumJumps else { return nil }
        end = end ?? position + 2
        earliest = target
        position = target
      default:
        // 0x40 and 0x80 are kinds of labels that nobody uses (RFC 6891 section 5).
        return nil
      }
    }
  }
}
