package import Analysis
import Core
import Glibc

/// Configurations that are given beside logs, for the log formats in them.
package enum LogConfiguration {
  /// What is behind this is not read.
  private static let longest = 4 << 20

  package struct Failure: Error, CustomStringConvertible {
    package var description: String
  }

  /// Whether a text is the path of a file rather than a format.
  package static func isFile(_ text: String) -> Bool {
    var status = stat()
    // Safe: the path is lent as a C string during the call, and `status` is a valid place for the result.
    return unsafe stat(text, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
  }

  package static func read(_ path: String) throws(Failure) -> [LogLineFormat] {
    var text: [UInt8] = []
    let problem = LogReading.readLines(of: path) { bytes in
      for offset in 0..<bytes.byteCount where text.count < longest { text.append(bytes.byte(at: offset)) }
    }
    if let problem { throw Failure(description: problem) }
    return LogFormatFile.formats(String(decoding: text, as: UTF8.self))
  }
}
