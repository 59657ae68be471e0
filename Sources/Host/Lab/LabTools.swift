package import Analysis
internal import Core
internal import Glibc

/// Where the programs of the lab are, and which versions.
package struct LabTools: Sendable {
  /// Folders in which programs are looked for: the lab's own Python environment, PATH, and where servers are installed.
  package let searchPath: [String]
  package let environmentFolder: String
  package let photofinish: String

  package init(environmentFolder: String, photofinish: String, path: String) {
    self.environmentFolder = environmentFolder
    self.photofinish = photofinish
    var folders = [environmentFolder + "/bin"] + path.split(separator: ":").map(String.init)
    for folder in ["/usr/local/sbin", "/usr/sbin", "/sbin"] where !folders.contains(folder) { folders.append(folder) }
    searchPath = folders
  }

  /// As this process's environment says where things are.
  /// - Parameter environmentFolder: nil for the one that script/lab-setup makes.
  package init(photofinish: String, environmentFolder: String? = nil) {
    let cache = Self.variable("XDG_CACHE_HOME") ?? (Self.variable("HOME") ?? "") + "/.cache"
    self.init(
      environmentFolder: environmentFolder ?? cache + "/photofinish/lab", photofinish: photofinish,
      path: Self.variable("PATH") ?? "/usr/bin:/bin")
  }

  private static func variable(_ name: String) -> String? {
    // Safe: getenv returns null or a valid string, which is copied at once; no thread changes the environment.
    unsafe getenv(name).map { unsafe String(cString: $0) }
  }

  /// The environment in which programs run.
  var environment: [String: String] {
    ["PATH": searchPath.joined(separator: ":"), "PYTHONUNBUFFERED": "1", "LC_ALL": "C.UTF-8"]
  }

  /// Where a program is; nil when it is missing.
  package func find(_ name: String) -> String? {
    if name.hasPrefix("/") { return LabFolder.isProgram(name) ? name : nil }
    return searchPath.lazy.map { $0 + "/" + name }.first(where: LabFolder.isProgram)
  }

  /// Whether a program of the catalog can be run, which a look at its first word and its files tells.
  package func isInstalled(_ program: LabProgram) -> Bool {
    let words = program.command + program.version
    guard let first = program.command.first else { return false }
    if first != "@photofinish@", find(first) == nil { return false }
    // A script that a shell is to run, as Tomcat's.
    return words.filter { $0.hasPrefix("/") && !$0.contains(" ") }.allSatisfy(LabFolder.exists)
  }

  /// What the program says of its version, in a line.
  package func version(of program: LabProgram, scratch: String) -> String? {
    let words = program.version.compactMap { try? LabTemplate.fill($0, ["photofinish": photofinish]) }
    guard let first = words.first, let path = find(first) else { return nil }
    let file = "\(scratch)/version-\(program.role.rawValue)-\(program.name)"
    guard
      let process = try? ChildProcess(
        [path] + words.dropFirst(), environment: environment.merging(["HOME": scratch]) { $1 },
        output: .file(path: file))
    else { return nil }
    _ = process.wait(atMost: .seconds(20))
    process.end(grace: .zero)
    let lines = LabFolder.text(of: file)?.split(separator: "\n") ?? []
    return lines.first { $0.contains(where: \.isNumber) }.map { Self.number(in: String($0)) }
  }

  /// The first word that looks like a version, `1.22.1` of `nginx version: nginx/1.22.1`; else the whole line.
  static func number(in line: String) -> String {
    let words = line.split { " ,;()/\t".contains($0) }
    for word in words {
      // v18.1.0, and Redis's v=7.0.15
      let bare = word.drop { $0 == "v" || $0 == "=" }
      // varnish-7.1.1
      let tail = bare.contains("-") && bare.first?.isLetter == true ? bare.drop { !$0.isNumber } : bare
      if tail.first?.isNumber == true, tail.contains(".") { return String(tail) }
    }
    return line
  }
}
