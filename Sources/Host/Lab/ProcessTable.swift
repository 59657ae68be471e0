internal import Core
internal import Glibc

/// What /proc tells of processes.
enum ProcessTable {
  static var bootID: String {
    (LabFolder.text(of: "/proc/sys/kernel/random/boot_id") ?? "").filter { !$0.isWhitespace }
  }

  /// Clock ticks from the boot to the start of a process; nil when there is no such process.
  static func startTime(of processID: Int32) -> Int64? {
    fields(of: "\(processID)").flatMap { $0.count > 19 ? Int64($0[19]) : nil }
  }

  /// CPU time of these processes, of all that descend from them, and of those among them that have ended.
  static func processorTime(ofTrees roots: [Int32]) -> Nanoseconds {
    var parents: [Int32: Int32] = [:]
    var ticks: [Int32: Int64] = [:]
    for name in LabFolder.names(in: "/proc") where name.first?.isNumber == true {
      guard let number = Int32(name), let fields = fields(of: name), fields.count > 14 else { continue }
      parents[number] = Int32(fields[1])
      ticks[number] = fields[11...14].reduce(0) { $0 + (Int64($1) ?? 0) }
    }
    func descends(_ number: Int32) -> Bool {
      var number = number
      // A snapshot that was taken while processes came and went might hold a ring.
      for _ in 0..<64 {
        if roots.contains(number) { return true }
        guard let parent = parents[number], parent > 1 else { return false }
        number = parent
      }
      return false
    }
    return time(ofTicks: ticks.reduce(0) { descends($1.key) ? $0 + $1.value : $0 })
  }

  static func time(ofTicks ticks: Int64) -> Nanoseconds {
    Nanoseconds(ticks * (1_000_000_000 / Int64(max(1, sysconf(Int32(_SC_CLK_TCK))))))
  }

  /// The fields of /proc/PID/stat behind the name, which may hold spaces: state, parent, group and so on.
  private static func fields(of name: String) -> [Substring]? {
    guard let text = LabFolder.text(of: "/proc/\(name)/stat"), let end = text.lastIndex(of: ")") else { return nil }
    return text[text.index(after: end)...].split { $0 == " " || $0 == "\n" }
  }
}
