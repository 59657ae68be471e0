/// Reads JSON with places; comments and commas too many, as tools' own files have them, are passed over.
package enum JSONTreeReader {
  package static func read(_ file: CheckedFile) -> ConfigurationTree {
    var reader = Reader(file: file)
    guard let node = reader.value(0) else {
      return ConfigurationTree(problems: [CheckEvidence("this is not JSON", at: file.place(at: reader.offset))])
    }
    return ConfigurationTree(documents: [node])
  }

  private struct Reader {
    let file: CheckedFile
    var offset = 0
    var count = 0

    init(file: CheckedFile) {
      self.file = file
      if file.bytes.starts(with: [0xef, 0xbb, 0xbf]) { offset = 3 }
    }

    private var next: UInt8? { offset < file.bytes.count ? file.bytes[offset] : nil }

    private mutating func skip() {
      while let byte = next {
        if byte == 0x20 || (0x09...0x0d).contains(byte) {
          offset += 1
        } else if byte == UInt8(ascii: "/"), offset + 1 < file.bytes.count, file.bytes[offset + 1] == UInt8(ascii: "/")
        {
          while let byte = next, byte != 0x0a { offset += 1 }
        } else if byte == UInt8(ascii: "/"), offset + 1 < file.bytes.count, file.bytes[offset + 1] == UInt8(ascii: "*")
        {
          offset += 2
          while offset + 1 < file.bytes.count,
            !(file.bytes[offset] == UInt8(ascii: "*") && file.bytes[offset + 1] == UInt8(ascii: "/"))
          { offset += 1 }
          offset = min(offset + 2, file.bytes.count)
        } else {
          return
        }
      }
    }

    mutating func value(_ depth: Int) -> ConfigurationNode? {
      skip()
      count += 1
      guard depth < CheckLimits.depth, count < CheckLimits.items, let byte = next else { return nil }
      let place = file.place(at: offset)
      switch byte {
      case UInt8(ascii: "{"): return map(depth, place)
      case UInt8(ascii: "["): return list(depth, place)
      case UInt8(ascii: "\""): return string().map { ConfigurationNode(.scalar($0), at: place) }
      default:
        let start = offset
        while let byte = next, !(byte <= 0x20 || ",]}:\"".utf8.contains(byte)) { offset += 1 }
        guard offset > start else { return nil }
        let text = String(decoding: file.bytes[start..<offset], as: UTF8.self)
        return ConfigurationNode(text == "null" ? .nothing : .scalar(text), at: place)
      }
    }

    private mutating func map(_ depth: Int, _ place: CheckPlace) -> ConfigurationNode? {
      offset += 1
      var entries: [ConfigurationNode.Entry] = []
      while true {
        skip()
        if next == UInt8(ascii: "}") {
          offset += 1
          return ConfigurationNode(.map(entries), at: place)
        }
        if next == UInt8(ascii: ",") {
          offset += 1
          continue
        }
        guard next == UInt8(ascii: "\"") else { return nil }
        let keyPlace = file.place(at: offset)
        guard let key = string() else { return nil }
        skip()
        guard next == UInt8(ascii: ":") else { return nil }
        offset += 1
        guard let value = value(depth + 1) else { return nil }
        entries.append(ConfigurationNode.Entry(key, at: keyPlace, value))
      }
    }

    private mutating func list(_ depth: Int, _ place: CheckPlace) -> ConfigurationNode? {
      offset += 1
      var items: [ConfigurationNode] = []
      while true {
        skip()
        if next == UInt8(ascii: "]") {
          offset += 1
          return ConfigurationNode(.list(items), at: place)
        }
        if next == UInt8(ascii: ",") {
          offset += 1
          continue
        }
        guard let value = value(depth + 1) else { return nil }
        items.append(value)
      }
    }

    private mutating func string() -> String? {
      offset += 1
      var text: [UInt8] = []
      while let byte = next {
        offset += 1
        if byte == UInt8(ascii: "\"") { return String(decoding: text, as: UTF8.self) }
        guard byte == UInt8(ascii: "\\"), let escaped = next else {
          text.append(byte)
          continue
        }
        offset += 1
        switch escaped {
        case UInt8(ascii: "n"): text.append(0x0a)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
          let digits = file.bytes[offset..<min(offset + 4, file.bytes.count)]
          offset = min(offset + 4, file.bytes.count)
          let scalar =
            UInt32(String(decoding: digits, as: UTF8.self), radix: 16).flatMap(Unicode.Scalar.init) ?? "\u{fffd}"
          text += Array(String(Character(scalar)).utf8)
        default: text.append(escaped)
        }
      }
      return nil
    }
  }
}
