/// Reads nginx's configuration language into directives. It never gives up: what is out of place is passed over and told.
package enum NginxParser {
  package struct Parsed: Sendable {
    package var directives: [NginxDirective]
    package var problems: [CheckEvidence]
  }

  private struct Open {
    var directive: NginxDirective
    var children: [NginxDirective] = []
  }

  package static func parse(_ file: CheckedFile) -> Parsed {
    var lexer = NginxLexer(file)
    var stack: [Open] = [
      Open(directive: NginxDirective(name: "", place: file.place(at: 0), arguments: [], block: []))
    ]
    var words: [CheckWord] = []
    var problems: [CheckEvidence] = []
    var count = 0
    while let (token, offset) = lexer.next() {
      count += 1
      guard count <= CheckLimits.items else {
        problems.append(
          CheckEvidence("more than \(CheckLimits.items) words; the rest is not read", at: file.place(at: offset)))
        break
      }
      switch token {
      case .word(let word): words.append(word)
      case .end:
        if let directive = directive(words) { stack[stack.count - 1].children.append(directive) }
        words = []
      case .open:
        let head =
          directive(words) ?? NginxDirective(name: "", place: file.place(at: offset), arguments: [], block: nil)
        words = []
        if head.name.hasSuffix("_by_lua_block") || head.name == "js_content_block" {
          lexer.skipForeignBlock()
          stack[stack.count - 1].children.append(head)
        } else if stack.count > CheckLimits.depth {
          problems.append(
            CheckEvidence("more than \(CheckLimits.depth) blocks in each other", at: file.place(at: offset)))
          return Parsed(directives: [], problems: problems)
        } else {
          stack.append(Open(directive: head))
        }
      case .close:
        if !words.isEmpty {
          // A directive whose semicolon was forgotten.
          if let directive = directive(words) { stack[stack.count - 1].children.append(directive) }
          problems.append(CheckEvidence("a `;` is missing before this `}`", at: file.place(at: offset)))
          words = []
        }
        if stack.count > 1 {
          close(&stack)
        } else {
          problems.append(CheckEvidence("this `}` closes nothing", at: file.place(at: offset)))
        }
      }
    }
    if stack.count > 1 {
      problems.append(CheckEvidence("a `{` is never closed", at: stack[stack.count - 1].directive.place))
    }
    while stack.count > 1 { close(&stack) }
    return Parsed(directives: stack[0].children, problems: problems)
  }

  private static func close(_ stack: inout [Open]) {
    let open = stack.removeLast()
    var directive = open.directive
    directive.block = open.children
    stack[stack.count - 1].children.append(directive)
  }

  private static func directive(_ words: [CheckWord]) -> NginxDirective? {
    guard let name = words.first else { return nil }
    return NginxDirective(name: name.text, place: name.place, arguments: Array(words.dropFirst()), block: nil)
  }
}
