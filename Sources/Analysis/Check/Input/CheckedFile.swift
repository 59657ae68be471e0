/// One file that is checked: its bytes, and the way from an offset to a place.
package struct CheckedFile: Sendable {
  /// As it is shown.
  package let path: String
  package let bytes: [UInt8]
  private let lineStarts: [Int]

  package init(path: String, bytes: [UInt8]) {
    self.path = path
    self.bytes = bytes
    var starts = [0]
    for (offset, byte) in bytes.enumerated() where byte == UInt8(ascii: "\n") { starts.append(offset + 1) }
    lineStarts = starts
  }

  package init(path: String, text: String) { self.init(path: path, bytes: Array(text.utf8)) }

  /// The last component of the path, in small letters.
  package var name: String { String(path.split(separator: "/").last ?? "").lowercased() }
  package var folder: Substring { path.lastIndex(of: "/").map { path[..<$0] } ?? "" }
  package var text: String { String(decoding: bytes, as: UTF8.self) }
  package var lineCount: Int { lineStarts.count }

  package func place(at offset: Int) -> CheckPlace {
    let offset = min(max(0, offset), bytes.count)
    var low = 0
    var high = lineStarts.count - 1
    while low < high {
      let middle = (low + high + 1) / 2
      if lineStarts[middle] <= offset { low = middle } else { high = middle - 1 }
    }
    // Far into a long line, as minified sources have it, bytes are counted: looking at the line for each word would take for ever.
    let distance = offset - lineStarts[low]
    let column = (distance > 4_096 ? distance : bytes[lineStarts[low]..<offset].count { $0 & 0xc0 != 0x80 }) + 1
    return CheckPlace(file: path, line: low + 1, column: column)
  }

  /// A line by its number, without its end; nil where there is none.
  package func line(_ number: Int) -> String? {
    guard number >= 1, number <= lineStarts.count else { return nil }
    let end = number < lineStarts.count ? lineStarts[number] - 1 : bytes.count
    var line = bytes[lineStarts[number - 1]..<max(lineStarts[number - 1], end)]
    if line.last == UInt8(ascii: "\r") { line.removeLast() }
    return String(decoding: line, as: UTF8.self)
  }

  package func contains(_ text: StaticString) -> Bool { find(Array("\(text)".utf8), from: 0) != nil }
  package func contains(text: String) -> Bool { find(Array(text.utf8), from: 0) != nil }

  /// Where `needle` begins at or behind `start`.
  package func find(_ needle: [UInt8], from start: Int) -> Int? {
    guard let first = needle.first, bytes.count >= needle.count else { return nil }
    var offset = start
    let last = bytes.count - needle.count
    while offset <= last {
      if bytes[offset] == first {
        var length = 1
        while length < needle.count, bytes[offset + length] == needle[length] { length += 1 }
        if length == needle.count { return offset }
      }
      offset += 1
    }
    return nil
  }
}
