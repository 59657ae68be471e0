internal import Glibc

/// A system call that failed: which one, and why.
package struct SystemError: Error, Equatable, Sendable, CustomStringConvertible {
  package var call: String
  package var code: Int32

  package init(_ call: String, _ code: Int32) {
    self.call = call
    self.code = code
  }

  package var description: String { "\(call): \(Self.text(of: code))" }

  /// The system's words for an errno.
  package static func text(of code: Int32) -> String {
    // Safe: strerror returns a NUL-terminated string; glibc's is per thread.
    unsafe String(cString: strerror(code))
  }
}
