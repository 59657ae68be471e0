internal import Core
internal import Glibc

/// What the files of this system say about names, read anew when they change.
struct SystemNames {
  private var resolver: WatchedFile<ResolverFile>
  private var hosts: WatchedFile<HostsFile>
  private var sources: WatchedFile<HostSources>

  init(_ settings: ResolverSettings) {
    resolver = WatchedFile(settings.systemFile, limit: ResolverFile.maximumBytes) { ResolverFile(parsing: $0) }
    hosts = WatchedFile(settings.hostsFile, limit: HostsFile.maximumBytes) { HostsFile(parsing: $0) }
    sources = WatchedFile("/etc/nsswitch.conf", limit: 65_536) { HostSources(parsing: $0) }
  }

  mutating func resolverFile() -> ResolverFile { resolver.value() ?? ResolverFile(parsing: "") }
  mutating func hostsFile() -> HostsFile { hosts.value() ?? HostsFile() }
  mutating func hostSources() -> HostSources { sources.value() ?? HostSources() }
}

/// A small file that others may replace at any time.
private struct WatchedFile<Value> {
  /// What tells one content from another without reading it.
  private struct Stamp: Equatable {
    var inode: UInt
    var size: Int
    var seconds: Int
    var nanoseconds: Int
  }

  private let path: String
  /// Bytes of it that are read.
  private let limit: Int
  private let parse: (String) -> Value
  private var stamp: Stamp?
  private var held: Value?

  init(_ path: String, limit: Int, parse: @escaping (String) -> Value) {
    self.path = path
    self.limit = limit
    self.parse = parse
  }

  /// nil when the file cannot be read.
  mutating func value() -> Value? {
    var status = stat()
    // Safe: the path is a NUL-terminated string during the call, and the kernel writes one stat.
    guard unsafe stat(path, &status) == 0 else {
      stamp = nil
      held = nil
      return nil
    }
    let current = Stamp(
      inode: UInt(status.st_ino), size: Int(status.st_size), seconds: status.st_mtim.tv_sec,
      nanoseconds: status.st_mtim.tv_nsec)
    if current == stamp { return held }
    held = text().map(parse)
    stamp = current
    return held
  }

  private func text() -> String? {
    // Safe: as above.
    let number = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard number >= 0 else { return nil }
    let descriptor = Descriptor(owning: number)
    var bytes = [UInt8](repeating: 0, count: limit)
    var filled = 0
    while filled < limit {
      // Safe: the kernel writes at most as many bytes as the array holds behind those that are filled.
      let count = unsafe bytes.withUnsafeMutableBytes { buffer in
        unsafe read(descriptor.number, buffer.baseAddress! + filled, limit - filled)
      }
      guard count > 0 else { break }
      filled += count
    }
    return String(decoding: bytes[..<filled], as: UTF8.self)
  }
}
