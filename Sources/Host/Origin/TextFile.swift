internal import Glibc

/// Writes and reads whole files, without Foundation.
package enum TextFile {
  /// What is read at most; a longer file is an error.
  package static let sizeLimit = 1 << 30

  /// The text of the file at `path`, ill-formed UTF-8 repaired.
  package static func read(_ path: String) throws(SystemError) -> String {
    // Safe: the path is a NUL-terminated string during the call.
    let number = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard number >= 0 else { throw SystemError("open", errno) }
    let descriptor = Descriptor(owning: number)
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      // Safe: the kernel writes at most as many bytes as the array holds.
      let count = unsafe chunk.withUnsafeMutableBytes {
        unsafe Glibc.read(descriptor.number, $0.baseAddress!, $0.count)
      }
      guard count >= 0 else { throw SystemError("read", errno) }
      guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
      guard bytes.count + count <= sizeLimit else { throw SystemError("read", EFBIG) }
      bytes += chunk[0..<count]
    }
  }

  /// Makes or replaces the file at `path`.
  package static func write(_ text: String, to path: String) throws(SystemError) {
    // Safe: the path is a NUL-terminated string during the call.
    let number = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard number >= 0 else { throw SystemError("open", errno) }
    let descriptor = Descriptor(owning: number)
    let bytes = Array(text.utf8)
    var offset = 0
    while offset < bytes.count {
      // Safe: the kernel reads the rest of the array during the call.
      let count = unsafe bytes[offset...].withUnsafeBytes {
        unsafe Glibc.write(descriptor.number, $0.baseAddress!, $0.count)
      }
      guard count > 0 else { throw SystemError("write", errno) }
      offset += count
    }
  }
}

extension TextFile {
  /// A file that grows by whole lines, each with the kernel once ``append(_:)`` returns: they are there whatever becomes of the
  /// process.
  package final class Appender: Sendable {
    private let descriptor: Descriptor

    package init(_ path: String) throws(SystemError) {
      // Safe: the path is a NUL-terminated string during the call.
      let number = unsafe open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
      guard number >= 0 else { throw SystemError("open", errno) }
      descriptor = Descriptor(owning: number)
    }

    /// - Returns: whether the whole line was written.
    package func append(_ line: String) -> Bool {
      let bytes = Array(line.utf8)
      // Safe: the kernel reads the array during the call.
      return unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor.number, $0.baseAddress!, $0.count) }
        == bytes.count
    }
  }
}

/// Prints a line that somebody waits for: it is out when this returns, also into a pipe.
package func announce(_ line: String) {
  print(line)
  // Every stream.
  _ = fflush(nil)
}
