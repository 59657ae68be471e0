package import Core
internal import Glibc

/// What the kernel tells of this process; nil or 0 where it does not.
package struct ProcessFacts: Sendable {
  package var processorTime = Nanoseconds.zero
  package var residentBytes: UInt64 = 0
  package var virtualBytes: UInt64 = 0
  package var openDescriptors: UInt64 = 0
  package var descriptorLimit: UInt64 = 0
  /// Seconds since 1970.
  package var startSeconds: Double = 0

  /// As they are now.
  package init() {
    // Behind the name, which may hold spaces: state, parent, group and so on (proc(5)).
    if let text = Self.text(of: "/proc/self/stat"), let end = text.lastIndex(of: ")") {
      let fields = text[text.index(after: end)...].split(separator: " ").map { UInt64($0) ?? 0 }
      if fields.count > 21 {
        let ticks = UInt64(max(1, sysconf(Int32(_SC_CLK_TCK))))
        processorTime = Nanoseconds(Int64(clamping: (fields[11] &+ fields[12]) &* (1_000_000_000 / ticks)))
        virtualBytes = fields[20]
        residentBytes = fields[21] &* UInt64(max(1, sysconf(Int32(_SC_PAGESIZE))))
        startSeconds = Self.bootSeconds + Double(fields[19]) / Double(ticks)
      }
    }
    openDescriptors = Self.count(of: "/proc/self/fd")
    var limit = rlimit()
    // Safe: the kernel fills in the value.
    if unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
      descriptorLimit = UInt64(limit.rlim_cur)
    }
  }

  private static let bootSeconds: Double = {
    let line = text(of: "/proc/stat")?.split(separator: "\n").first { $0.hasPrefix("btime ") }
    return line.flatMap { Double($0.dropFirst(6)) } ?? 0
  }()

  private static func text(of path: String) -> String? {
    // Safe: the path is a NUL-terminated string during the call.
    let number = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard number >= 0 else { return nil }
    let descriptor = Descriptor(owning: number)
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4_096)
    while bytes.count < 1 << 20 {
      // Safe: the kernel writes at most as many bytes as the array holds.
      let count = unsafe chunk.withUnsafeMutableBytes {
        unsafe read(descriptor.number, $0.baseAddress!, $0.count)
      }
      guard count > 0 else { break }
      bytes += chunk[0..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Entries of a folder but `.` and `..`, and the one that counting itself makes.
  private static func count(of path: String) -> UInt64 {
    // Safe: the path is a NUL-terminated string during the call; the stream is closed below and nobody else has it.
    guard let stream = unsafe opendir(path) else { return 0 }
    var count: UInt64 = 0
    // Safe: only whether there is an entry is looked at.
    while unsafe readdir(stream) != nil { count += 1 }
    unsafe closedir(stream)
    return count > 3 ? count - 3 : 0
  }
}
