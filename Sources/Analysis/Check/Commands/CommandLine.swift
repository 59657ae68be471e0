/// A command that starts a server: the program and its options.
package struct ServerCommand: Sendable {
  package enum Program: String, CaseIterable, Sendable {
    case gunicorn
    case uvicorn
    case hypercorn
    case uwsgi
    case puma
    case unicorn
    case rails
    case next
    case pumactl
  }

  package var program: Program
  package var place: CheckPlace
  package var arguments: [CheckWord]

  /// Words before the program that only start it.
  private static let starters: Set<String> = [
    "exec", "env", "sudo", "nohup", "time", "python", "python3", "-m", "bundle", "poetry", "pipenv", "uv", "run", "npx",
    "yarn",
    "pnpm", "opentelemetry-instrument", "ddtrace-run", "newrelic-admin", "run-program", "tini", "dumb-init", "--", "-g",
    "bin/rails",
    "su-exec", "gosu", "xvfb-run", "docker-entrypoint.sh", "sh", "bash", "-c", "-lc", "-s", "-u", "-xe", "-ex",
    "command", "nice",
    "wait-for-it.sh", "then", "else", "do", "if", "!",
  ]

  /// The program among the first words of a command; nil when it starts no server that is known.
  package init?(_ words: [CheckWord]) {
    for (index, word) in words.enumerated().prefix(12) {
      let base = String(word.text.split(separator: "/").last ?? "")
      if let program = Program(rawValue: base), program != .pumactl {
        if program == .rails || program == .next {
          guard let verb = words.dropFirst(index + 1).first?.text, ["server", "s", "start"].contains(verb) else {
            return nil
          }
        }
        // `pip install gunicorn` starts nothing.
        self.program = program
        place = word.place
        arguments = Array(words[(index + 1)...])
        return
      }
      let isAssignment = word.text.contains("=") && !word.text.hasPrefix("-")
      guard
        Self.starters.contains(base) || isAssignment || base.hasPrefix("python") || word.text.hasPrefix("-")
          || index > 0 && Self.starters.contains(words[index - 1].text) && base.count < 24
            && words[index - 1].text.hasPrefix("-")
      else { return nil }
    }
    return nil
  }

  /// The value of an option, as `--name value`, `--name=value` or, of one letter, `-nvalue`; the last one counts.
  package func value(_ names: String...) -> CheckWord? {
    var found: CheckWord?
    for (index, word) in arguments.enumerated() {
      for name in names {
        if word.text == name, index + 1 < arguments.count {
          found = arguments[index + 1]
        } else if word.text.hasPrefix(name + "=") {
          found = CheckWord(String(word.text.dropFirst(name.count + 1)), at: word.place)
        } else if name.count == 2, word.text.hasPrefix(name), word.text.count > 2, !word.text.hasPrefix("--") {
          found = CheckWord(String(word.text.dropFirst(2)), at: word.place)
        }
      }
    }
    return found
  }

  package func has(_ name: String) -> Bool { arguments.contains { $0.text == name } }
}
