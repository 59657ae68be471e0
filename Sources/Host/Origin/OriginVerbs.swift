internal import Core

/// The words of an origin's script: `name=value` sets how it behaves, a step says what it does next, and `2:` that the steps behind
/// it are for the second connection.
struct OriginVerbs {
  typealias Problem = OriginScript.VerbError

  /// Every setting and step, for the nearest right one and for the help.
  static let steps: [(name: String, takes: String, means: String)] = [
    ("accept", "", "takes the connection: every script begins so, said or not"),
    ("read", "[=head]", "reads one request, or only its head"),
    ("respond", "[=503]", "answers it"),
    ("wait", "=2s", "does nothing; what comes stays unread until a step reads it"),
    ("unread", "", "waits until something has come, and leaves it unread"),
    ("say", "=TEXT", "sends the text as it is; \\r, \\n, \\t, \\\\ and \\x00 are understood"),
    ("farewell", "", "sends an unasked 408 with Connection: close"),
    ("half-close", "", "FIN, and reads on"),
    ("fin", "", "closes: FIN, or RST when something was left unread"),
    ("rst", "", "aborts: RST"),
    ("die", "", "ends the origin and all its connections, as a crash would"),
    ("repeat", "[=3]", "goes back to the first read, for ever or so many times"),
  ]

  /// Reads a word that is a step; nil when it is none.
  static func step(_ word: String) throws(Problem) -> OriginStep? {
    let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    let value = parts.count == 2 ? parts[1] : nil
    func bare(_ step: OriginStep) throws(Problem) -> OriginStep {
      guard value == nil else { throw Problem(word: word, fact: "takes no value", fix: "write just \(parts[0])") }
      return step
    }
    switch parts[0] {
    case "accept": return try bare(.accept)
    case "unread": return try bare(.unread)
    case "farewell": return try bare(.farewell)
    case "half-close": return try bare(.halfClose)
    case "fin": return try bare(.fin)
    case "rst": return try bare(.reset)
    case "die" where value == nil: return .die
    case "read":
      guard value == nil || value == "head" else {
        throw Problem(word: word, fact: "reads neither a request nor a head", fix: "write read or read=head")
      }
      return .read(headOnly: value != nil)
    case "respond":
      return .respond(status: try value.map { text throws(Problem) in try number(word, text, in: 200...599) })
    case "wait":
      guard let value else { throw Problem(word: word, fact: "has no time", fix: "write for instance wait=2s") }
      return .wait(try time(word, value))
    case "say":
      guard let value, !value.isEmpty else {
        throw Problem(word: word, fact: "has no text", fix: "write for instance say=garbage\\r\\n")
      }
      return .say(try bytes(word, value))
    case "repeat":
      return .again(times: try value.map { text throws(Problem) in try number(word, text, in: 1...1_000_000) })
    default: return nil
    }
  }

  /// `2:`, `2-5:`, `7+:`, `*:`; nil for another word.
  static func section(_ word: String) throws(Problem) -> ClosedRange<Int>? {
    guard word.hasSuffix(":"), !word.contains("=") else { return nil }
    let text = word.dropLast()
    if text == "*" { return 1...Int.max }
    let wrong = Problem(
      word: word, fact: "names no connections",
      fix: "write 1: for the first, 2-5:, 7+: for all from the seventh on, or *:")
    if text.hasSuffix("+") {
      guard let first = Int(text.dropLast()), first > 0 else { throw wrong }
      return first...Int.max
    }
    let ends = text.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
    guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1], first > 0, first <= last
    else { throw wrong }
    return first...last
  }

  /// The words of a file: separated by spaces and line ends, with `#` before what is for people. Quotes keep spaces together.
  static func words(inFile text: String, named name: String) throws(Problem) -> [(word: String, place: String)] {
    var words: [(String, String)] = []
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      let place = "\(name):\(index + 1): "
      var word = ""
      var isInWord = false
      var quote: Character?
      for character in line {
        if let open = quote {
          if character == open { quote = nil } else { word.append(character) }
        } else if character == "\"" || character == "'" {
          quote = character
          isInWord = true
        } else if character == "#" && !isInWord {
          break
        } else if character == " " || character == "\t" || character == "\r" {
          if isInWord { words.append((word, place)) }
          word = ""
          isInWord = false
        } else {
          word.append(character)
          isInWord = true
        }
      }
      guard quote == nil else {
        throw Problem(word: place + word, fact: "has a quote that does not end", fix: "end it on the same line")
      }
      if isInWord { words.append((word, place)) }
    }
    return words
  }

  // MARK: Values

  static func time(_ word: String, _ value: String) throws(Problem) -> Nanoseconds {
    do { return try Nanoseconds(parsing: value) } catch {
      throw Problem(word: word, fact: "'\(error.text)' \(error.fact)", fix: error.fix)
    }
  }

  static func number(_ word: String, _ value: String, in range: ClosedRange<Int>) throws(Problem) -> Int {
    guard let number = Int(value), range.contains(number) else {
      throw Problem(
        word: word, fact: "'\(value)' is not a number that fits",
        fix: range.upperBound == .max
          ? "give at least \(range.lowerBound)" : "give one from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  static func truth(_ word: String, _ value: String) throws(Problem) -> Bool {
    switch value {
    case "yes": return true
    case "no": return false
    default: throw Problem(word: word, fact: "'\(value)' is neither yes nor no", fix: "write yes or no")
    }
  }

  static func choice<Choice: RawRepresentable<String> & CaseIterable>(
    _ word: String, _ value: String
  ) throws(Problem) -> Choice {
    if let choice = Choice(rawValue: value) { return choice }
    let all = Choice.allCases.map(\.rawValue)
    let near = nearest(to: value, among: all).map { "did you mean \($0)? " } ?? ""
    throw Problem(
      word: word, fact: "'\(value)' is not among the choices",
      fix: near + "choose one of \(all.joined(separator: ", "))")
  }

  private static func bytes(_ word: String, _ value: String) throws(Problem) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = Array(value.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "\\") else {
        bytes.append(byte)
        continue
      }
      switch rest.popFirst() {
      case UInt8(ascii: "r"): bytes.append(13)
      case UInt8(ascii: "n"): bytes.append(10)
      case UInt8(ascii: "t"): bytes.append(9)
      case UInt8(ascii: "\\"): bytes.append(92)
      case UInt8(ascii: "x"):
        guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else {
          throw Problem(word: word, fact: "has a \\x without two hexadecimal digits", fix: "write for instance \\x0a")
        }
        bytes.append(value)
        rest = rest.dropFirst(2)
      default:
        throw Problem(word: word, fact: "has an escape that is not known", fix: "use \\r, \\n, \\t, \\\\ or \\x00")
      }
    }
    return bytes
  }

  // MARK: The nearest right one

  /// The name that takes the fewest changes of a letter, when these are few.
  static func nearest(to word: String, among names: [String]) -> String? {
    let best = names.map { (name: $0, distance: distance(word, $0)) }.min { $0.distance < $1.distance }
    guard let best, best.distance <= max(2, best.name.count / 3) else { return nil }
    return best.name
  }

  /// Letters to insert, drop, replace or swap with their neighbour (Damerau and Levenshtein, optimal string alignment).
  private static func distance(_ left: String, _ right: String) -> Int {
    let left = Array(left.utf8.prefix(64))
    let right = Array(right.utf8.prefix(64))
    var rows = [Array(0...right.count)]
    for row in 0..<left.count {
      var next = [row + 1]
      for column in 0..<right.count {
        let isEqual = left[row] == right[column]
        var cost = min(rows[row][column] + (isEqual ? 0 : 1), next[column] + 1, rows[row][column + 1] + 1)
        if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
          cost = min(cost, rows[row - 1][column - 1] + 1)
        }
        next.append(cost)
      }
      rows.append(next)
    }
    return rows[left.count][right.count]
  }
}
