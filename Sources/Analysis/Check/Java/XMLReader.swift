/// The elements of an XML file with their attributes; entities other than the five are left as they are, none is fetched.
enum XMLReader {
  struct Element {
    var name: String
    var attributes: [String: String]
    var places: [String: CheckPlace]
    var place: CheckPlace
    /// Text up to the next element.
    var text: String
  }

  static func elements(_ file: CheckedFile) -> [Element] {
    let bytes = file.bytes
    var elements: [Element] = []
    var offset = 0
    while let open = file.find([UInt8(ascii: "<")], from: offset), elements.count < CheckLimits.items {
      if bytes[open...].starts(with: "<!--".utf8) {
        guard let end = file.find(Array("-->".utf8), from: open + 4) else { break }
        offset = end + 3
        continue
      }
      guard let element = element(file, open) else {
        offset = open + 1
        continue
      }
      offset = element.1
      var made = element.0
      let end = file.find([UInt8(ascii: "<")], from: offset) ?? bytes.count
      made.text = String(decoding: bytes[offset..<end], as: UTF8.self)
      elements.append(made)
    }
    return elements
  }

  private static func isName(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte | 0x20) || byte == UInt8(ascii: "_")
      || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ":")
      || byte == UInt8(ascii: ".")
  }

  private static func element(_ file: CheckedFile, _ open: Int) -> (Element, Int)? {
    let bytes = file.bytes
    var offset = open + 1
    func name() -> String {
      let start = offset
      while offset < bytes.count, isName(bytes[offset]) { offset += 1 }
      return String(decoding: bytes[start..<offset], as: UTF8.self)
    }
    let tag = name()
    guard !tag.isEmpty else { return nil }
    var element = Element(name: tag, attributes: [:], places: [:], place: file.place(at: open), text: "")
    while offset < bytes.count, bytes[offset] != UInt8(ascii: ">") {
      guard isName(bytes[offset]) else {
        offset += 1
        continue
      }
      let place = file.place(at: offset)
      let key = name()
      while offset < bytes.count, bytes[offset] <= 0x20 { offset += 1 }
      guard offset < bytes.count, bytes[offset] == UInt8(ascii: "=") else { continue }
      offset += 1
      while offset < bytes.count, bytes[offset] <= 0x20 { offset += 1 }
      guard offset < bytes.count, bytes[offset] == UInt8(ascii: "\"") || bytes[offset] == UInt8(ascii: "'") else {
        continue
      }
      let quote = bytes[offset]
      let start = offset + 1
      offset = start
      while offset < bytes.count, bytes[offset] != quote { offset += 1 }
      element.attributes[key] = String(decoding: bytes[start..<offset], as: UTF8.self)
      element.places[key] = place
      offset = min(offset + 1, bytes.count)
    }
    return (element, min(offset + 1, bytes.count))
  }
}
