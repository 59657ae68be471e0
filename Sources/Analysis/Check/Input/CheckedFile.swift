/// One file that is checked: its bytes, and the way from an offset to a place.
package struct CheckedFile: Sendable {
  /// Where it lies, for looking it up and for the files beside it.
  package let path: String
  package let bytes: [UInt8]
  /// The file that is shown in places: the one around it, for a text inside another file.
  private let shownPath: String
  private let linesBefore: Int
  private let columnsBefore: Int
  private let lineStarts: [Int]

  package init(path: String, bytes: [UInt8]) {
    self.init(path: path, bytes: bytes, shownPath: path, linesBefore: 0, columnsBefore: 0)
  }

  private init(path: String, bytes: [UInt8], shownPath: String, linesBefore: Int, columnsBefore: Int) {
    self.shownPath = shownPath
    self.linesBefore = linesBefore
    self.columnsBefore = columnsBefore
    self.path = path
    self.bytes = bytes
    var starts = [0]
    for (offset, byte) in bytes.enumerated() where byte == UInt8(ascii: "\n") { starts.append(offset + 1) }
    lineStarts = starts
  }

  package init(path: String, text: String) { self.init(path: path, bytes: Array(text.utf8)) }

  /// A file that stands as a block of text in another one, as a ConfigMap holds it.
  ///
  /// - Parameters:
  ///   - firstLine: the line of `outer` on which the text begins.
  ///   - indentation: how far its lines are indented there.
  package init(embedded name: String, text: String, in outer: CheckedFile, firstLine: Int, indentation: Int) {
    self.init(
      path: outer.path + "/" + name, bytes: Array(text.utf8), shownPath: outer.shownPath,
      linesBefore: outer.linesBefore + firstLine - 1, columnsBefore: outer.columnsBefore + indentation)
  }

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
    return place(line: low + 1, column: column)
  }

  /// A line and a column of this text as a place of the file that is shown.
  package func place(line: Int, column: Int) -> CheckPlace {
    CheckPlace(file: shownPath, line: line + linesBefore, column: column + columnsBefore)
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
