/// What an expression of a source comes to, as far as it can be followed: numbers, texts, variables of the environment with
/// their defaults, constants, sums and products.
package struct CodeValue: Sendable, Equatable {
  /// In what the expression counts; a Go duration is in nanoseconds.
  package var number: Double?
  package var text: String?
  /// An environment variable without a known value decided: the default was taken.
  package var usesDefault = false

  package init(number: Double? = nil, text: String? = nil) {
    self.number = number
    self.text = text
  }

  package init(_ tokens: ArraySlice<CodeToken>, in source: CodeSource, _ context: CheckContext) {
    var evaluator = Evaluator(tokens: Array(tokens), source: source, context: context, depth: 0)
    self = evaluator.value()
    if text == nil, let number {
      text = number == number.rounded() && abs(number) < 1e15 ? String(Int64(number)) : "\(number)"
    }
    if number == nil, let text { number = Double(text.replacing("_", with: "")) }
  }

  private struct Evaluator {
    let tokens: [CodeToken]
    let source: CodeSource
    let context: CheckContext
    let depth: Int
    var index = 0
    var steps = 0

    init(tokens: [CodeToken], source: CodeSource, context: CheckContext, depth: Int) {
      self.tokens = tokens
      self.source = source
      self.context = context
      self.depth = depth
    }

    mutating func value() -> CodeValue {
      guard depth < CheckLimits.expansions, tokens.count < 512 else { return CodeValue() }
      let result = alternatives(0)
      // More behind it, as a ternary or a call: not understood.
      return index >= tokens.count ? result : CodeValue()
    }

    private var token: CodeToken? { index < tokens.count ? tokens[index] : nil }
    private func isMark(_ text: String) -> Bool { token?.kind == .mark && token?.text == text }
    private func isWord(_ text: String) -> Bool { token?.kind == .word && token?.text == text }

    /// `a || b`, `a ?? b`, `a or b`: the first that is known.
    private mutating func alternatives(_ level: Int) -> CodeValue {
      guard level < 32 else { return CodeValue() }
      var result = sum(level)
      while isMark("||") || isMark("??") || isWord("or") {
        index += 1
        let next = sum(level)
        if result.number == nil, result.text == nil {
          result = next
          result.usesDefault = true
        }
      }
      return result
    }

    private mutating func sum(_ level: Int) -> CodeValue {
      var result = product(level)
      while isMark("+") || isMark("-") {
        let isPlus = isMark("+")
        index += 1
        let next = product(level)
        result = Self.combine(result, next) { isPlus ? $0 + $1 : $0 - $1 }
      }
      return result
    }

    private mutating func product(_ level: Int) -> CodeValue {
      var result = operand(level)
      while isMark("*") || isMark("/") {
        let isTimes = isMark("*")
        index += 1
        let next = operand(level)
        result = Self.combine(result, next) { isTimes ? $0 * $1 : $1 == 0 ? .nan : $0 / $1 }
      }
      return result
    }

    private static func combine(_ left: CodeValue, _ right: CodeValue, _ operation: (Double, Double) -> Double)
      -> CodeValue
    {
      guard let one = left.number ?? left.text.flatMap({ Double($0) }),
        let other = right.number ?? right.text.flatMap({ Double($0) })
      else { return CodeValue() }
      let number = operation(one, other)
      var value = CodeValue(number: number.isFinite ? number : nil)
      value.usesDefault = left.usesDefault || right.usesDefault
      return value
    }

    private mutating func operand(_ level: Int) -> CodeValue {
      steps += 1
      guard steps < 256, level < 32, let token else { return CodeValue() }
      switch token.kind {
      case .number:
        index += 1
        let plain = token.text.replacing("_", with: "").lowercased()
        let trimmed = plain.hasSuffix("n") ? String(plain.dropLast()) : plain
        return CodeValue(number: Double(trimmed))
      case .string:
        index += 1
        return CodeValue(text: token.text)
      case .mark:
        if token.text == "(" {
          index += 1
          let inner = alternatives(level + 1)
          if isMark(")") { index += 1 } else { return CodeValue() }
          return inner
        }
        if token.text == "+" || token.text == "-" {
          index += 1
          let inner = operand(level + 1)
          return token.text == "+" ? inner : CodeValue(number: inner.number.map { -$0 })
        }
        return CodeValue()
      case .word: return name(level)
      }
    }

    /// A name with its members, and what is done with it: a call, a subscript.
    private mutating func name(_ level: Int) -> CodeValue {
      var path = [tokens[index].text]
      index += 1
      while isMark(".") || isMark("?.") || isMark("::"), index + 1 < tokens.count, tokens[index + 1].kind == .word {
        path.append(tokens[index + 1].text)
        index += 2
      }
      let full = path.joined(separator: ".")
      if isMark("(") || isMark("[") { return call(full, level) }
      if full.hasPrefix("process.env.") || full.hasPrefix("import.meta.env."), let name = path.last {
        return environment(name)
      }
      if let length = Self.units[full] { return CodeValue(number: length) }
      if ["True", "true"].contains(full) { return CodeValue(number: 1, text: "true") }
      if ["False", "false"].contains(full) { return CodeValue(number: 0, text: "false") }
      if ["int", "Number"].contains(full) { return CodeValue() }
      // `65.seconds` in Ruby reads as a number with a member; it comes here as a word behind a mark, and is not followed.
      guard let (expression, origin) = CodeNames.find(path, in: source, context, depth: depth),
        expression.count < 256
      else { return CodeValue() }
      var inner = Evaluator(tokens: Array(expression), source: origin, context: context, depth: depth + 1)
      return inner.value()
    }

    private static let units: [String: Double] = [
      "time.Nanosecond": 1, "time.Microsecond": 1e3, "time.Millisecond": 1e6, "time.Second": 1e9, "time.Minute": 60e9,
      "time.Hour": 3_600e9,
    ]

    private func environment(_ name: String) -> CodeValue {
      guard let text = context.environment.text(name), let value = context.environment.expand(text) else {
        return CodeValue()
      }
      return CodeValue(number: Double(value), text: value)
    }

    private mutating func call(_ name: String, _ level: Int) -> CodeValue {
      let isSubscript = isMark("[")
      index += 1
      var arguments: [CodeValue] = []
      while !isMark(")"), !isMark("]"), index < tokens.count, arguments.count < 8 {
        arguments.append(alternatives(level + 1))
        if isMark(",") { index += 1 } else { break }
      }
      guard isMark(")") || isMark("]") else {
        index = tokens.count + 1
        return CodeValue()
      }
      index += 1
      // `int(x) if y else z`, `.method()` behind it: not understood, and `value` sees that something is left.
      let last = name.split(separator: ".").last.map(String.init) ?? ""
      switch last {
      case "int", "float", "Number", "parseInt", "parseFloat", "Integer", "Float", "Duration", "str", "String":
        guard let first = arguments.first else { return CodeValue() }
        return CodeValue(number: first.number ?? first.text.flatMap { Double($0) }, text: first.text)
      case "getenv", "get", "fetch", "env", "Getenv", "config", "environ", "ENV", "env_int", "getEnv":
        guard isSubscript || name.contains("env") || name.contains("ENV") || last == "config" || last == "Getenv" else {
          return CodeValue()
        }
        guard let key = arguments.first?.text else { return CodeValue() }
        let known = environment(key)
        if known.text != nil { return known }
        guard arguments.count > 1 else { return CodeValue() }
        var fallback = arguments[1]
        fallback.usesDefault = true
        return fallback
      case "max", "min":
        let numbers = arguments.compactMap(\.number)
        guard numbers.count == arguments.count, let most = numbers.max(), let least = numbers.min() else {
          return CodeValue()
        }
        return CodeValue(number: last == "max" ? most : least)
      case "try", "coalesce", "tonumber", "tostring":
        return arguments.first { $0.number != nil || $0.text != nil } ?? CodeValue()
      case "seconds", "FromSeconds", "ofSeconds": return CodeValue(number: arguments.first?.number)
      default: return CodeValue()
      }
    }
  }
}
