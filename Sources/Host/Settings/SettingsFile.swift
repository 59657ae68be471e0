package import Core
internal import Glibc

/// Reads settings files.
package enum SettingsFile {
  package struct Loaded: Sendable, Hashable {
    package var settings: ProxySettings
    /// What is legal and harmful, in the order of the file; to be told, or ignored.
    package var warnings: [SettingsProblem]
    /// The path as it was given.
    package var file: String

    package init(settings: ProxySettings, warnings: [SettingsProblem], file: String) {
      self.settings = settings
      self.warnings = warnings
      self.file = file
    }

    /// A line each: `file:line:column: warning: ...`.
    package var warningLines: [String] { warnings.map { $0.text(file: file) } }
  }

  /// Reads the file at `path`, `-` for standard input.
  ///
  /// - Parameter environment: fills `${NAME}`; the process's own unless it is given.
  package static func load(
    path: String, environment: (String) -> String? = SettingsFile.environmentVariable
  ) -> Result<Loaded, SettingsErrors> {
    switch bytes(path) {
    case .success(let bytes): return parse(bytes, file: path, environment: environment)
    case .failure(let problem): return .failure(SettingsErrors(file: path, problems: [problem]))
    }
  }

  /// Settings from bytes that were read already.
  package static func parse(
    _ bytes: [UInt8], file: String, environment: (String) -> String? = SettingsFile.environmentVariable
  ) -> Result<Loaded, SettingsErrors> {
    let root: SettingsNode
    switch YAMLReader.read(bytes) {
    case .success(let node): root = node
    case .failure(let problem): return .failure(SettingsErrors(file: file, problems: [problem]))
    }
    let result = SettingsParser.parse(root, threads: Machine.availableProcessors, environment: environment)
    guard let settings = result.settings else {
      return .failure(SettingsErrors(file: file, problems: result.problems, untoldCount: result.untoldCount))
    }
    return .success(Loaded(settings: settings, warnings: result.problems, file: file))
  }

  /// What the environment of this process says about a name.
  package static func environmentVariable(_ name: String) -> String? {
    // Safe: getenv returns null or a valid string, which is copied at once; no thread changes the environment.
    unsafe getenv(name).map { unsafe String(cString: $0) }
  }

  /// All of a file, or one byte more than a settings file may have.
  package static func bytes(_ path: String) -> Result<[UInt8], SettingsProblem> {
    let name = path == "-" ? "standard input" : "the file"
    // Safe: the path is lent as a C string during the call.
    let number = path == "-" ? fcntl(0, F_DUPFD_CLOEXEC, 3) : unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard number >= 0 else { return .failure(unreadable(name, errno)) }
    let descriptor = Descriptor(owning: number)
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while bytes.count <= YAMLLimits.bytes {
      // Safe: the kernel writes at most as many bytes as the array holds.
      let count = unsafe chunk.withUnsafeMutableBytes { unsafe read(descriptor.number, $0.baseAddress!, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { return .failure(unreadable(name, errno)) }
      guard count > 0 else { break }
      bytes += chunk[0..<count]
    }
    return .success(bytes)
  }

  private static func unreadable(_ name: String, _ code: Int32) -> SettingsProblem {
    let fix =
      switch code {
      case ENOENT: "check the path"
      case EACCES: "let the user that runs this read it"
      case EISDIR: "name a file in it"
      default: "check the path"
      }
    // Safe: strerror returns a valid string; it is copied at once.
    let reason = unsafe String(cString: strerror(code))
    return SettingsProblem(.error, at: .whole, fact: "\(name) cannot be read: \(reason)", fix: fix)
  }
}
