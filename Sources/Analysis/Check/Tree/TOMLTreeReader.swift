/// Reads TOML with places: tables, arrays of tables, dotted keys, inline tables. Dates are texts.
package enum TOMLTreeReader {
  package static func read(_ file: CheckedFile) -> ConfigurationTree {
    var reader = Reader(file: file)
    reader.run()
    return ConfigurationTree(documents: [reader.root.node(at: file.place(at: 0), depth: 0)], problems: reader.problems)
  }

  /// A table while it grows.
  private final class Table {
    enum Value {
      case table(Table)
      case tables([Table])
      case node(ConfigurationNode)
    }

    var order: [String] = []
    var values: [String: (place: CheckPlace, value: Value)] = [:]

    func set(_ key: String, _ place: CheckPlace, _ value: Value) {
      if values[key] == nil { order.append(key) }
      values[key] = (place, value)
    }

    func node(at place: CheckPlace, depth: Int) -> ConfigurationNode {
      guard depth < CheckLimits.depth else { return ConfigurationNode(.nothing, at: place) }
      let entries = order.compactMap { key -> ConfigurationNode.Entry? in
        guard let (place, value) = values[key] else { return nil }
        switch value {
        case .node(let node): return ConfigurationNode.Entry(key, at: place, node)
        case .table(let table): return ConfigurationNode.Entry(key, at: place, table.node(at: place, depth: depth + 1))
        case .tables(let tables):
          return ConfigurationNode.Entry(
            key, at: place, ConfigurationNode(.list(tables.map { $0.node(at: place, depth: depth + 1) }), at: place))
        }
      }
      return ConfigurationNode(.map(entries), at: place)
    }
  }

  private struct Reader {
    let file: CheckedFile
    let root = Table()
    var current: Table
    var offset = 0
    var count = 0
    var problems: [CheckEvidence] = []

    init(file: CheckedFile) {
      self.file = file
      current = root
    }

    private var next: UInt8? { offset < file.bytes.count ? file.bytes[offset] : nil }

    mutating func run() {
      while true {
        skip(lines: true)
        guard next != nil, count < CheckLimits.items else { return }
        count += 1
        if next == UInt8(ascii: "[") { header() } else { pair(into: current, depth: 0) }
        // Whatever is left of the line.
        while let byte = next, byte != 0x0a { offset += 1 }
      }
    }

    private mutating func skip(lines: Bool) {
      while let byte = next {
        if byte == 0x20 || byte == 0x09 || (lines && (byte == 0x0a || byte == 0x0d)) {
          offset += 1
        } else if byte == UInt8(ascii: "#") {
          while let byte = next, byte != 0x0a { offset += 1 }
          if !lines { return }
        } else {
          return
        }
      }
    }

    private mutating func header() {
      offset += 1
      let isList = next == UInt8(ascii: "[")
      if isList { offset += 1 }
      let place = file.place(at: offset)
      let path = keyPath()
      guard !path.isEmpty, path.count < CheckLimits.depth else { return }
      var table = root
      for key in path.dropLast() { table = child(of: table, key, place) }
      guard let last = path.last else { return }
      if isList {
        let made = Table()
        if case .tables(let known) = table.values[last]?.value {
          table.set(last, place, .tables(known + [made]))
        } else {
          table.set(last, place, .tables([made]))
        }
        current = made
      } else {
        current = child(of: table, last, place)
      }
    }

    private func child(of table: Table, _ key: String, _ place: CheckPlace) -> Table {
      switch table.values[key]?.value {
      case .table(let known): return known
      case .tables(let known): if let last = known.last { return last }
      case .node, nil: break
      }
      let made = Table()
      table.set(key, place, .table(made))
      return made
    }

    private mutating func keyPath() -> [String] {
      var path: [String] = []
      while let key = key() {
        path.append(key)
        skip(lines: false)
        guard next == UInt8(ascii: "."), path.count < CheckLimits.depth else { break }
        offset += 1
        skip(lines: false)
      }
      return path
    }

    private mutating func key() -> String? {
      skip(lines: false)
      if next == UInt8(ascii: "\"") || next == UInt8(ascii: "'") { return string() }
      let start = offset
      while let byte = next,
        (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte | 0x20) || byte == UInt8(ascii: "_")
          || byte == UInt8(ascii: "-")
      {
        offset += 1
      }
      return offset > start ? String(decoding: file.bytes[start..<offset], as: UTF8.self) : nil
    }

    private mutating func pair(into table: Table, depth: Int) {
      let place = file.place(at: offset)
      let path = keyPath()
      skip(lines: false)
      guard !path.isEmpty, next == UInt8(ascii: "=") else {
        problems.append(CheckEvidence("this is not TOML", at: place))
        return
      }
      offset += 1
      guard let value = value(depth) else { return }
      var table = table
      for key in path.dropLast() { table = child(of: table, key, place) }
      if let last = path.last { table.set(last, place, .node(value)) }
    }

    private mutating func value(_ depth: Int) -> ConfigurationNode? {
      skip(lines: false)
      guard depth < CheckLimits.depth, let byte = next else { return nil }
      let place = file.place(at: offset)
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "'"): return string().map { ConfigurationNode(.scalar($0), at: place) }
      case UInt8(ascii: "["):
        offset += 1
        var items: [ConfigurationNode] = []
        while true {
          skip(lines: true)
          if next == UInt8(ascii: ",") {
            offset += 1
            continue
          }
          guard next != nil, next != UInt8(ascii: "]") else { break }
          guard let item = value(depth + 1) else { return nil }
          items.append(item)
          count += 1
          guard count < CheckLimits.items else { return nil }
        }
        offset = min(offset + 1, file.bytes.count)
        return ConfigurationNode(.list(items), at: place)
      case UInt8(ascii: "{"):
        offset += 1
        let table = Table()
        while true {
          skip(lines: true)
          if next == UInt8(ascii: ",") {
            offset += 1
            continue
          }
          guard next != nil, next != UInt8(ascii: "}") else { break }
          let before = offset
          pair(into: table, depth: depth + 1)
          guard offset > before else { return nil }
        }
        offset = min(offset + 1, file.bytes.count)
        return table.node(at: place, depth: depth + 1)
      default:
        let start = offset
        while let byte = next, byte > 0x20, byte != UInt8(ascii: ","), byte != UInt8(ascii: "]"),
          byte != UInt8(ascii: "}"), byte != UInt8(ascii: "#")
        { offset += 1 }
        guard offset > start else { return nil }
        return ConfigurationNode(.scalar(String(decoding: file.bytes[start..<offset], as: UTF8.self)), at: place)
      }
    }

    private mutating func string() -> String? {
      guard let quote = next else { return nil }
      let isLong = offset + 2 < file.bytes.count && file.bytes[offset + 1] == quote && file.bytes[offset + 2] == quote
      offset += isLong ? 3 : 1
      var text: [UInt8] = []
      while let byte = next {
        if byte == quote {
          if !isLong {
            offset += 1
            return String(decoding: text, as: UTF8.self)
          }
          if offset + 2 < file.bytes.count, file.bytes[offset + 1] == quote, file.bytes[offset + 2] == quote {
            offset += 3
            return String(decoding: text, as: UTF8.self)
          }
        }
        if byte == 0x0a, !isLong { return nil }
        if byte == UInt8(ascii: "\\"), quote == UInt8(ascii: "\""), offset + 1 < file.bytes.count {
          offset += 1
          text.append(file.bytes[offset])
        } else {
          text.append(byte)
        }
        offset += 1
      }
      return nil
    }
  }
}
