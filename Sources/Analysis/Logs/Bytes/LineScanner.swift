import Core

/// Walks over the fields of one line.
struct LineScanner {
  var at: Int
  let end: Int

  init(_ line: ByteRange) {
    at = line.start
    end = line.end
  }

  var isAtEnd: Bool { at >= end }
  var rest: ByteRange { ByteRange(from: at, to: end) }

  /// The bytes until the next blank, which is skipped; empty at the end.
  @inline(__always)
  mutating func word(_ bytes: RawSpan) -> ByteRange {
    let start = at
    var place = at
    while place < end, bytes.byte(at: place) != 0x20 { place &+= 1 }
    at = Swift.min(place &+ 1, end)
    return ByteRange(from: start, to: place)
  }

  /// As ``word(_:)``, but blanks in front are skipped.
  mutating func nextWord(_ bytes: RawSpan) -> ByteRange {
    while at < end, bytes.byte(at: at) == 0x20 { at &+= 1 }
    return word(bytes)
  }

  /// What stands between quotes, without them; nil when no quote is next or none closes it. A backslash protects a quote.
  mutating func quoted(_ bytes: RawSpan) -> ByteRange? {
    guard at < end, bytes.byte(at: at) == UInt8(ascii: "\"") else { return nil }
    let start = at &+ 1
    var place = start
    while let quote = bytes.index(of: UInt8(ascii: "\""), from: place, to: end) {
      var slashes = 0
      while quote &- 1 &- slashes >= start, bytes.byte(at: quote &- 1 &- slashes) == UInt8(ascii: "\\") { slashes += 1 }
      if slashes & 1 == 0 {
        at = quote &+ 1
        if at < end, bytes.byte(at: at) == 0x20 { at &+= 1 }
        return ByteRange(from: start, to: quote)
      }
      place = quote &+ 1
    }
    return nil
  }

  /// What stands in brackets, without them; nil when no bracket is next or none closes it.
  mutating func bracketed(_ bytes: RawSpan) -> ByteRange? {
    guard at < end, bytes.byte(at: at) == UInt8(ascii: "["),
      let close = bytes.index(of: UInt8(ascii: "]"), from: at, to: end)
    else { return nil }
    let range = ByteRange(from: at &+ 1, to: close)
    at = close &+ 1
    if at < end, bytes.byte(at: at) == 0x20 { at &+= 1 }
    return range
  }

  /// The next field, in quotes, in brackets, in braces or bare.
  mutating func field(_ bytes: RawSpan) -> ByteRange {
    while at < end, bytes.byte(at: at) == 0x20 { at &+= 1 }
    guard at < end else { return ByteRange(from: at, to: at) }
    switch bytes.byte(at: at) {
    case UInt8(ascii: "\""): return quoted(bytes) ?? word(bytes)
    case UInt8(ascii: "["): return bracketed(bytes) ?? word(bytes)
    default: return word(bytes)
    }
  }

  /// A list as nginx writes it: `a, b` and `a : b` are one field.
  mutating func list(_ bytes: RawSpan) -> ByteRange {
    let first = word(bytes)
    var last = first.end
    while at < end {
      if last > first.start, bytes.byte(at: last &- 1) == UInt8(ascii: ",") {
        last = word(bytes).end
      } else if bytes.spells(": ", at: at, to: end) {
        at &+= 2
        last = word(bytes).end
      } else {
        break
      }
    }
    return ByteRange(from: first.start, to: last)
  }
}
