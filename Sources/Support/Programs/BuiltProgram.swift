internal import Glibc
package import Host

/// Programs of this package, as the build that the tests are part of has made them.
package enum BuiltProgram {
  /// The path of `photofinish` beside the test bundle.
  package static var photofinish: String { directory + "/photofinish" }

  /// The path of Tests/Fixtures in the checkout that the tests were built from.
  package static var fixtures: String {
    // This file is Sources/Support/Programs/BuiltProgram.swift.
    #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(4).joined(separator: "/")
      + "/Tests/Fixtures"
  }

  /// Where the test bundle lies.
  package static var directory: String {
    // The test runner gets the bundle's path; without it, it is the bundle itself.
    let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]
    return String(bundle[..<(bundle.lastIndex(of: "/") ?? bundle.startIndex)])
  }

  /// The text of a file, when it can be read.
  package static func text(ofFile path: String) -> String? {
    // Safe: the path is a NUL-terminated string during the call.
    let number = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard number >= 0 else { return nil }
    let descriptor = Descriptor(owning: number)
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      // Safe: the kernel writes at most as many bytes as the array holds.
      let count = unsafe chunk.withUnsafeMutableBytes { unsafe read(descriptor.number, $0.baseAddress!, $0.count) }
      guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
      bytes += chunk[0..<count]
    }
  }
}

/// A directory under the system's temporary one, removed with all that is in it when it is let go of.
package final class TemporaryDirectory: Sendable {
  package let path: String

  package init() throws(SystemError) {
    var template = Array("/tmp/photofinish-XXXXXX".utf8CString)
    // Safe: mkdtemp rewrites the template's last six characters in place.
    guard unsafe mkdtemp(&template) != nil else { throw SystemError("mkdtemp", errno) }
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { _ = try? ChildProcess(["rm", "-rf", path]).wait(atMost: .seconds(10)) }
}
