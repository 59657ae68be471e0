/// Reads the log formats of other software.
enum LogFormatText {
  private typealias Piece = LogLineFormat.Piece
  private typealias Field = LogLineFormat.Field

  /// The software whose words the format has, and the format without what stands around it in a configuration.
  static func read(_ text: String) -> (LogLineFormat.Software?, String) {
    var format = text
    if let start = text.firstRange(of: "log_format") {
      format = quoted(String(text[start.lowerBound...]), joiningAll: true) ?? text
    } else if text.firstRange(of: "LogFormat") != nil || text.firstRange(of: "log-format") != nil
      || text.firstRange(of: "CustomLog") != nil
    {
      format = quoted(text, joiningAll: false) ?? text
    }
    return (software(format), format)
  }

  private static func software(_ format: String) -> LogLineFormat.Software? {
    for name in ["%RESPONSE_CODE", "%START_TIME", "%REQ(", "%RESPONSE_FLAGS", "%DURATION"] where format.contains(name) {
      return .envoy
    }
    for name in ["%ci", "%ST", "%TR", "%tsc", "%ts", "%[", "%HM", "%Ta"] where format.contains(name) { return .haproxy }
    if format.contains("$") { return .nginx }
    return format.contains("%") ? .apache : nil
  }

  /// What stands between quotes: of one text, or of several behind each other.
  static func quoted(_ text: String, joiningAll: Bool) -> String? {
    var parts: [String] = []
    var current: String?
    var mark: Character = "'"
    var isEscaped = false
    for character in text {
      if var open = current {
        if isEscaped {
          if character != mark && character != "\\" { open.append("\\") }
          open.append(character)
          isEscaped = false
          current = open
        } else if character == "\\" {
          isEscaped = true
        } else if character == mark {
          parts.append(open)
          current = nil
          if !joiningAll { break }
        } else {
          open.append(character)
          current = open
        }
      } else if character == "'" || character == "\"" {
        (mark, current) = (character, "")
      } else if character == ";" {
        break
      }
    }
    return parts.isEmpty ? nil : parts.joined()
  }

  static func pieces(_ software: LogLineFormat.Software, _ format: String) -> [LogLineFormat.Piece] {
    var pieces: [Piece] = []
    var text: [UInt8] = []
    func flush() {
      if !text.isEmpty { append(.text(text), to: &pieces) }
      text = []
    }
    let characters = Array(format.utf8)
    var at = 0
    while at < characters.count {
      if let (field, length) = variable(software, characters, at) {
        flush()
        // Without a text between them two fields cannot be told apart: they are one that says nothing.
        if case .field? = pieces.last, case .field? = field.first {
          pieces.removeLast()
          pieces.append(.field(.ignored))
        } else {
          for piece in field { append(piece, to: &pieces) }
        }
        at += length
      } else {
        if software == .haproxy, characters[at] == UInt8(ascii: "\\"), at + 1 < characters.count { at += 1 }
        text.append(characters[at])
        at += 1
      }
    }
    flush()
    return pieces
  }

  /// Texts behind each other are one.
  private static func append(_ piece: LogLineFormat.Piece, to pieces: inout [LogLineFormat.Piece]) {
    if case .text(let before)? = pieces.last, case .text(let text) = piece {
      pieces[pieces.count - 1] = .text(before + text)
    } else {
      pieces.append(piece)
    }
  }

  /// What begins at `at`, and how long it is there; nil for a plain byte.
  private static func variable(
    _ software: LogLineFormat.Software, _ bytes: [UInt8], _ at: Int
  ) -> ([LogLineFormat.Piece], Int)? {
    switch software {
    case .nginx: nginx(bytes, at)
    case .haproxy: haproxy(bytes, at)
    case .envoy: envoy(bytes, at)
    case .apache: apache(bytes, at)
    }
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte) || byte == 0x5f
  }

  private static func name(_ bytes: [UInt8], from start: Int) -> String {
    String(decoding: bytes[start...].prefix(while: isNameByte), as: UTF8.self)
  }

  private static func nginx(_ bytes: [UInt8], _ at: Int) -> ([LogLineFormat.Piece], Int)? {
    guard bytes[at] == UInt8(ascii: "$"), at + 1 < bytes.count else { return nil }
    var start = at + 1
    var length = 1
    if bytes[start] == UInt8(ascii: "{") {
      start += 1
      length += 2
    }
    let name = name(bytes, from: start)
    guard !name.isEmpty else { return nil }
    length += name.utf8.count
    let field: Field =
      switch name {
      case "remote_addr", "realip_remote_addr", "http_x_forwarded_for", "proxy_protocol_addr":
        name == "remote_addr" ? .client : .ignored
      case "time_local", "time_iso8601": .time
      case "msec": .timeUnix
      case "request": .request
      case "request_method": .method
      case "request_uri", "uri": .target
      case "status": .status
      case "request_time": .seconds
      case "request_id", "req_id": .identifier
      case _
      where name.hasPrefix("upstream_") && !name.hasPrefix("upstream_http") && !name.hasPrefix("upstream_cookie"):
        .nginx(name)
      case "proxy_upstream_name", "proxy_host": .nginx(name)
      default: .ignored
      }
    return ([.field(field)], length)
  }

  private static func haproxy(_ bytes: [UInt8], _ at: Int) -> ([LogLineFormat.Piece], Int)? {
    guard bytes[at] == UInt8(ascii: "%"), at + 1 < bytes.count else { return nil }
    if bytes[at + 1] == UInt8(ascii: "%") { return ([.text([UInt8(ascii: "%")])], 2) }
    var start = at + 1
    // Flags: %{+Q}o, %{+Q}r.
    if bytes[start] == UInt8(ascii: "{"), let close = bytes[start...].firstIndex(of: UInt8(ascii: "}")) {
      if String(decoding: bytes[start..<close], as: UTF8.self).contains("+Q"), close + 1 < bytes.count,
        bytes[close + 1] != UInt8(ascii: "o")
      {
        // The field is written between quotes.
        let rest = [UInt8(ascii: "%")] + bytes[(close + 1)...]
        guard let (field, length) = haproxy(rest, 0) else { return nil }
        return ([.text([0x22])] + field + [.text([0x22])], close - at + length)
      }
      start = close + 1
      guard start < bytes.count else { return ([.field(.ignored)], bytes.count - at) }
    }
    if bytes[start] == UInt8(ascii: "["), let close = bytes[start...].firstIndex(of: UInt8(ascii: "]")) {
      let sample = String(decoding: bytes[(start + 1)..<close], as: UTF8.self)
      let field: Field =
        sample.hasPrefix("bc_reused")
        ? .reused
        : sample.hasPrefix("method")
          ? .method
          : sample.hasPrefix("path") || sample.hasPrefix("url")
            ? .target
            : sample.hasPrefix("src")
              ? .client
              : sample.hasPrefix("status")
                ? .status : sample.contains("unique-id") || sample.contains("request-id") ? .identifier : .ignored
      return ([.field(field)], close + 1 - at)
    }
    let name = name(bytes, from: start)
    let known: [(String, Field)] = [
      ("tsc", .flags), ("ts", .flags), ("trg", .time), ("trl", .time), ("tr", .time), ("ci", .client), ("ST", .status),
      ("Ta", .total), ("Tt", .total),
      ("Tc", .connect), ("Tr", .response), ("TR", .ignored), ("Tw", .ignored), ("Ts", .ignored), ("ID", .identifier),
      ("HM", .method), ("HU", .target),
      ("HP", .target), ("rc", .retries), ("b", .backend), ("s", .server), ("r", .request), ("t", .time), ("T", .time),
      ("o", .ignored),
    ]
    if let (word, field) = known.first(where: { $0.0 == name }) {
      let length = start - at + word.utf8.count
      return word == "o" ? ([], length) : ([.field(field)], length)
    }
    guard !name.isEmpty else { return nil }
    return ([.field(.ignored)], start - at + name.utf8.count)
  }

  private static func envoy(_ bytes: [UInt8], _ at: Int) -> ([LogLineFormat.Piece], Int)? {
    guard bytes[at] == UInt8(ascii: "%"), at + 1 < bytes.count else { return nil }
    if bytes[at + 1] == UInt8(ascii: "%") { return ([.text([UInt8(ascii: "%")])], 2) }
    var depth = 0
    guard
      let end = bytes[(at + 1)...].firstIndex(where: { byte in
        if byte == UInt8(ascii: "(") { depth += 1 }
        if byte == UInt8(ascii: ")") { depth -= 1 }
        return byte == UInt8(ascii: "%") && depth == 0
      })
    else { return nil }
    let whole = String(decoding: bytes[(at + 1)..<end], as: UTF8.self)
    let operator_ = String(whole.prefix { $0 != "(" && $0 != ":" })
    let field: Field =
      switch operator_ {
      case "START_TIME": .time
      case "RESPONSE_CODE": .status
      case "RESPONSE_FLAGS", "RESPONSE_FLAGS_LONG": .flags
      case "RESPONSE_CODE_DETAILS": .details
      case "DURATION": .milliseconds
      case "UPSTREAM_HOST", "UPSTREAM_REMOTE_ADDRESS": .server
      case "UPSTREAM_REQUEST_ATTEMPT_COUNT": .attempts
      case "DOWNSTREAM_REMOTE_ADDRESS": .client
      case "REQ", "REQUEST_HEADER":
        whole.contains(":METHOD")
          ? .method
          : whole.contains("ORIGINAL-PATH") || whole.contains(":PATH")
            ? .target
            : whole.contains("REQUEST-ID") ? .identifier : .ignored
      default: .ignored
      }
    return ([.field(field)], end + 1 - at)
  }

  private static func apache(_ bytes: [UInt8], _ at: Int) -> ([LogLineFormat.Piece], Int)? {
    guard bytes[at] == UInt8(ascii: "%"), at + 1 < bytes.count else { return nil }
    if bytes[at + 1] == UInt8(ascii: "%") { return ([.text([UInt8(ascii: "%")])], 2) }
    var place = at + 1
    // Modifiers: `>`, `<`, and lists of status codes.
    while place < bytes.count, [0x3e, 0x3c, 0x21, 0x2c].contains(bytes[place]) || (0x30...0x39).contains(bytes[place]) {
      place += 1
    }
    var argument = ""
    if place < bytes.count, bytes[place] == UInt8(ascii: "{"),
      let close = bytes[place...].firstIndex(of: UInt8(ascii: "}"))
    {
      argument = String(decoding: bytes[(place + 1)..<close], as: UTF8.self)
      place = close + 1
    }
    guard place < bytes.count else { return nil }
    let length = place + 1 - at
    switch bytes[place] {
    case UInt8(ascii: "h"), UInt8(ascii: "a"): return ([.field(argument.isEmpty ? .client : .ignored)], length)
    case UInt8(ascii: "t"):
      guard argument.isEmpty else {
        let field: Field = argument.contains("usec") || argument.contains("sec") ? .ignored : .time
        return ([.field(field)], length)
      }
      return ([.text([0x5b]), .field(.time), .text([0x5d])], length)
    case UInt8(ascii: "r"): return ([.field(.request)], length)
    case UInt8(ascii: "m"): return ([.field(.method)], length)
    case UInt8(ascii: "U"): return ([.field(.target)], length)
    case UInt8(ascii: "s"): return ([.field(.status)], length)
    case UInt8(ascii: "D"): return ([.field(.microseconds)], length)
    case UInt8(ascii: "T"):
      return ([.field(argument == "ms" ? .milliseconds : argument == "us" ? .microseconds : .seconds)], length)
    case UInt8(ascii: "L"): return ([.field(.identifier)], length)
    case UInt8(ascii: "i"): return ([.field(argument.lowercased() == "x-request-id" ? .identifier : .ignored)], length)
    case UInt8(ascii: "e"):
      let field: Field = argument == "BALANCER_WORKER_NAME" ? .server : argument == "UNIQUE_ID" ? .identifier : .ignored
      return ([.field(field)], length)
    default: return ([.field(.ignored)], length)
    }
  }
}
