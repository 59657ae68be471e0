import Glibc

/// Files that a path names: itself, or all files below a folder, in the order of their names.
package enum LogPaths {
  /// So many files at most, so deep; what is beyond is told.
  private static let maximumFiles = 100_000
  private static let deepest = 24

  package struct Expansion: Sendable {
    package var files: [String] = []
    /// What could not be listed, and why.
    package var problems: [String] = []
  }

  /// The name says that the file is a log of errors: `error.log`, `error.log.2.gz`, `shop-error_log`.
  package static func isNamedAsErrors(_ path: String) -> Bool {
    (path.split(separator: "/").last ?? "").lowercased().contains("err")
  }

  package static func expand(_ paths: [String]) -> Expansion {
    var expansion = Expansion()
    for path in paths { expand(path, isNamed: true, depth: 0, &expansion) }
    return expansion
  }

  /// Links within a folder are not followed: they may lead out of it, or round in a circle.
  private static func expand(_ path: String, isNamed: Bool, depth: Int, _ expansion: inout Expansion) {
    guard expansion.files.count < maximumFiles, depth < deepest else {
      expansion.problems.append("\(path): more than \(maximumFiles) files, or deeper than \(deepest) folders; not read")
      return
    }
    var status = stat()
    // Safe: the path is lent as a C string during the call, and `status` is a valid place for the result.
    let isKnown = unsafe isNamed ? stat(path, &status) == 0 : lstat(path, &status) == 0
    let kind = status.st_mode & S_IFMT
    guard path != "-", isKnown, kind == S_IFDIR else {
      if isNamed || kind == S_IFREG { expansion.files.append(path) }
      return
    }
    guard let names = names(in: path) else {
      expansion.problems.append("\(path) cannot be listed: \(SystemError.text(of: errno))")
      return
    }
    for name in names {
      expand(path + (path.hasSuffix("/") ? "" : "/") + name, isNamed: false, depth: depth + 1, &expansion)
    }
  }

  private static func names(in folder: String) -> [String]? {
    // Safe: the path is lent as a C string during the call.
    guard let stream = unsafe opendir(folder) else { return nil }
    // Safe: opened above, and closed once.
    defer { unsafe closedir(stream) }
    var names: [String] = []
    // Safe: the entry is valid until the next call, and its name, which ends with NUL, is copied at once.
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names.sorted()
  }
}
