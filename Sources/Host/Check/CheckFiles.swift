package import Analysis
internal import Glibc

/// Reads the files that `check` is given: files as they are, folders as far as they hold configurations.
package struct CheckFiles {
  package private(set) var files: [CheckedFile] = []
  package private(set) var problems: [CheckEvidence] = []
  /// Paths that could not be read at all.
  package private(set) var unreadable: [String] = []
  /// Folders that were passed over, by name.
  private var skipped: [String: Int] = [:]
  private var bytes = 0

  /// Bytes of one run.
  private static let totalBytes = 1 << 30

  private static let sniffedBytes = 1 << 18

  /// Folders that hold other people's code, or tests.
  private static let passedOver: Set<String> = [
    "node_modules", ".git", ".hg", ".svn", "vendor", "bower_components", "__pycache__", ".venv", "venv", ".tox",
    ".terraform", ".build",
    "site-packages", "dist-packages", ".next", ".nuxt", "__tests__", "testdata", "test", "tests", "spec", "e2e",
    "__mocks__",
  ]

  package init() {}

  /// - Parameter path: a file, a folder, or `-` for standard input.
  package mutating func add(_ path: String) {
    if path == "-" {
      take(descriptor: fcntl(0, F_DUPFD_CLOEXEC, 3), path: "-", isNamed: true)
      return
    }
    guard let kind = Self.status(path, follows: true) else {
      unreadable.append("\(path) cannot be read: \(Self.reason())")
      return
    }
    if kind.isFolder {
      var root = path
      while root.count > 1, root.hasSuffix("/") { root.removeLast() }
      walk(root, depth: 0)
      tellSkipped(root)
    } else {
      read(path, isNamed: true)
    }
  }

  /// Says which folders were not read, so that nobody takes silence about them for a verdict.
  private mutating func tellSkipped(_ root: String) {
    guard !skipped.isEmpty else { return }
    let count = skipped.values.reduce(0, +)
    let names = skipped.keys.sorted().prefix(6).joined(separator: ", ")
    problems.append(
      CheckEvidence(
        "\(count) folder\(count == 1 ? "" : "s") of other people's code or of tests passed over (\(names)); name one to have it read",
        at: CheckPlace(file: root, line: 1, column: 1)))
    skipped = [:]
  }

  /// The text of a file that is no configuration; nil when it cannot be read.
  package static func text(_ path: String) -> String? {
    // Safe: the path is lent as a C string during the call.
    let number = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard number >= 0, let bytes = CheckDescriptor(number).read(atMost: CheckLimits.fileBytes) else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// In the order of the names, so that a run is like the next. Symbolic links are followed nowhere: what they lead to lies
  /// in the tree and is read there, or lies outside.
  private mutating func walk(_ folder: String, depth: Int) {
    guard depth <= CheckLimits.folderDepth else {
      problems.append(
        CheckEvidence("folders are nested too deeply; not read", at: CheckPlace(file: folder, line: 1, column: 1)))
      return
    }
    for name in Self.names(folder).sorted() {
      guard files.count < CheckLimits.files else { return }
      let path = folder == "." ? name : folder == "/" ? "/" + name : folder + "/" + name
      guard let kind = Self.status(path, follows: false) else { continue }
      if kind.isFolder {
        if Self.passedOver.contains(name) {
          skipped[name, default: 0] += 1
        } else {
          walk(path, depth: depth + 1)
        }
      } else if kind.isFile, kind.size <= CheckLimits.fileBytes, !Self.isForeign(name) {
        // What has to be read to be recognised is no larger than configurations that people write.
        let named = FileKind.named(name)
        if named != .foreign, named != .content || kind.size <= Self.sniffedBytes { read(path, isNamed: false) }
      }
    }
  }

  /// Endings of what is never a configuration.
  private static func isForeign(_ name: String) -> Bool {
    let endings = [
      ".png", ".jpg", ".jpeg", ".gif", ".svg", ".ico", ".woff", ".woff2", ".ttf", ".eot", ".pdf", ".zip", ".gz", ".tgz",
      ".zst", ".jar",
      ".class", ".so", ".o", ".a", ".exe", ".dll", ".pyc", ".map", ".min.js", ".css", ".scss", ".html", ".htm", ".md",
      ".mdx", ".rst", ".csv",
      ".sql", ".mp4", ".mp3", ".webp", ".test.js", ".test.ts", ".spec.ts", ".spec.js", "_test.go", ".d.ts", ".snap",
      ".c", ".h", ".cc",
      ".cpp", ".rs", ".swift", ".java", ".kt", ".php", ".vue", ".po", ".pot", ".log", "package-lock.json",
      ".pb.go",
    ]
    let small = name.lowercased()
    return endings.contains { small.hasSuffix($0) }
  }

  private mutating func read(_ path: String, isNamed: Bool) {
    // Safe: the path is lent as a C string during the call.
    let number = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard number >= 0 else {
      if isNamed { unreadable.append("\(path) cannot be read: \(Self.reason())") }
      return
    }
    take(descriptor: number, path: path, isNamed: isNamed)
  }

  private mutating func take(descriptor number: Int32, path: String, isNamed: Bool) {
    guard number >= 0 else {
      unreadable.append("\(path) cannot be read: \(Self.reason())")
      return
    }
    let descriptor = CheckDescriptor(number)
    guard let content = descriptor.read(atMost: CheckLimits.fileBytes) else {
      if isNamed { unreadable.append("\(path) is larger than \(CheckLimits.fileBytes) bytes, or cannot be read") }
      return
    }
    guard bytes + content.count <= Self.totalBytes else { return }
    if content.isEmpty || content.prefix(8_192).contains(0) {
      if isNamed { unreadable.append(content.isEmpty ? "\(path) is empty" : "\(path) is not text") }
      return
    }
    if !isNamed, case .kind(let kind) = FileKind.named(String(path.split(separator: "/").last ?? "")),
      let needles = kind.needles,
      !needles.contains(where: { Self.holds(content, $0) })
    {
      return
    }
    bytes += content.count
    let file = CheckedFile(path: path, bytes: content)
    if isNamed || FileKind.of(file) != nil { files.append(file) }
  }

  private static func holds(_ content: [UInt8], _ needle: String) -> Bool {
    let wanted = Array(needle.utf8)
    guard let first = wanted.first, content.count >= wanted.count else { return false }
    // Safe: every pointer stays within the array's count, and what memchr finds lies between start and end.
    return unsafe content.withUnsafeBytes { buffer in
      guard let base = buffer.baseAddress else { return false }
      var offset = 0
      let last = content.count - wanted.count
      while offset <= last, let found = unsafe memchr(base + offset, Int32(first), last + 1 - offset) {
        let at = unsafe base.distance(to: UnsafeRawPointer(found))
        if unsafe memcmp(found, wanted, wanted.count) == 0 { return true }
        offset = at + 1
      }
      return false
    }
  }

  // MARK: - The file system

  private struct Kind {
    var isFolder: Bool
    var isFile: Bool
    var size: Int
  }

  private static func status(_ path: String, follows: Bool) -> Kind? {
    var status = stat()
    // Safe: the path is lent as a C string and the value is filled during the call.
    let result = follows ? unsafe stat(path, &status) : unsafe lstat(path, &status)
    guard result == 0 else { return nil }
    let mode = status.st_mode & S_IFMT
    return Kind(isFolder: mode == S_IFDIR, isFile: mode == S_IFREG, size: Int(status.st_size))
  }

  private static func names(_ folder: String) -> [String] {
    // Safe: the stream is closed below, and an entry is copied before the next is asked for.
    guard let stream = unsafe opendir(folder) else { return [] }
    defer { unsafe closedir(stream) }
    var names: [String] = []
    // Safe: as above.
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
        // Safe: within the entry, up to its terminator.
        unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }

  private static func reason() -> String {
    // Safe: strerror returns a valid string; it is copied at once.
    unsafe String(cString: strerror(errno))
  }
}

/// A descriptor that is closed when it is let go.
private struct CheckDescriptor: ~Copyable {
  private let number: Int32

  init(_ number: Int32) { self.number = number }

  deinit { close(number) }

  /// All bytes; nil when there are more than `limit`, or none can be read.
  func read(atMost limit: Int) -> [UInt8]? {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while bytes.count <= limit {
      // Safe: the kernel writes at most as many bytes as the array holds.
      let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(number, $0.baseAddress!, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { return nil }
      guard count > 0 else { return bytes }
      bytes += chunk[0..<count]
    }
    return nil
  }
}
