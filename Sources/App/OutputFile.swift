import Glibc

/// Files that the tools write.
enum OutputFile {
  /// Writes all of `text`. Returns what went wrong; nil when nothing did.
  static func write(_ text: String, to path: String) -> String? {
    write(Array(text.utf8), to: path)
  }

  static func write(_ bytes: [UInt8], to path: String) -> String? {
    // Safe: the path is lent as a C string during the call.
    let descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { return "\(path) cannot be written: \(problem())" }
    defer { close(descriptor) }
    return put(bytes, to: descriptor) ? nil : "\(path) cannot be written: \(problem())"
  }

  /// Writes all of `bytes`. Returns whether that was possible.
  static func put(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
    var start = 0
    while start < bytes.count {
      // Safe: the pointer is valid for the count during the call.
      let count = unsafe bytes.withUnsafeBytes {
        unsafe Glibc.write(descriptor, $0.baseAddress! + start, bytes.count - start)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return false }
      start += count
    }
    return true
  }

  private static func problem() -> String {
    // Safe: strerror returns a valid string; it is copied at once.
    unsafe String(cString: strerror(errno))
  }
}
