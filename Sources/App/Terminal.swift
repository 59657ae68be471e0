import Glibc

/// Standard output and error of the tools.
enum Terminal {
  /// Colours only for a terminal that can show them, and never against the wish of NO_COLOR (no-color.org).
  static func isColoured(descriptor: Int32) -> Bool {
    guard isTerminal(descriptor: descriptor) else { return false }
    if let value = variable("NO_COLOR"), !value.isEmpty { return false }
    return variable("TERM") != "dumb"
  }

  static func isTerminal(descriptor: Int32) -> Bool { isatty(descriptor) == 1 }

  static func variable(_ name: String) -> String? {
    // Safe: getenv returns null or a valid string, which is copied at once; no thread changes the environment.
    unsafe getenv(name).map { unsafe String(cString: $0) }
  }

  static func write(_ text: String) {
    put(text, to: 1)
  }

  static func writeError(_ text: String) {
    put(text, to: 2)
  }

  static func complain(_ text: String) {
    put("photofinish: " + text + "\n", to: 2)
  }

  /// To standard error, as it is.
  static func warn(_ text: String) {
    put(text + "\n", to: 2)
  }

  /// Overwrites the current line of standard error.
  static func progress(_ text: String) {
    put("\r\u{1b}[K" + text, to: 2)
  }

  /// A reader that goes away (`| head`) is no error.
  private static func put(_ text: String, to descriptor: Int32) {
    _ = OutputFile.put(Array(text.utf8), to: descriptor)
  }
}
