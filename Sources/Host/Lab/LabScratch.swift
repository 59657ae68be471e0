package import Analysis
internal import Core
internal import Glibc
internal import Synchronization

/// A folder for one call of the lab, and the memory of what that call started: what a killed lab has left behind, the next one
/// clears away.
///
/// Below `photofinish-lab-UID` there is a folder for each call, named by its process ID and the time at which that process
/// started. In it, `groups` has a line for each process group that was started: its number and its leader's start time.
package final class LabScratch: Sendable {
  package let path: String
  /// Where other calls have their folders as well.
  private let base: String
  private let groups = Mutex<Set<Int32>>([])
  private let made = Mutex<Int>(0)

  package init(temporaryFolder: String) throws(LabError) {
    base = "\(temporaryFolder)/photofinish-lab-\(getuid())"
    try LabFolder.make(base)
    Self.clearLeftovers(in: base)
    path = "\(base)/\(getpid())-\(ProcessTable.startTime(of: getpid()) ?? 0)"
    try LabFolder.make(path)
    try LabFolder.write(ProcessTable.bootID + "\n", to: path + "/boot")
  }

  /// A new folder for one run.
  func makeFolder() throws(LabError) -> String {
    let number = made.withLock { count in
      count += 1
      return count
    }
    let folder = "\(path)/\(number)"
    try LabFolder.make(folder)
    return folder
  }

  /// Remembers a process that leads a group.
  func remember(_ processID: Int32) {
    _ = groups.withLock { $0.insert(processID) }
    let line = Array("\(processID) \(ProcessTable.startTime(of: processID) ?? 0)\n".utf8)
    // Safe: the path and the bytes are lent during the calls.
    let number = unsafe open(path + "/groups", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    guard number >= 0 else { return }
    let descriptor = Descriptor(owning: number)
    _ = unsafe line.withUnsafeBytes { unsafe write(descriptor.number, $0.baseAddress, $0.count) }
  }

  /// The group is over: kills what is left of it, workers that outlived their master for instance.
  func forget(_ processID: Int32) {
    _ = groups.withLock { $0.remove(processID) }
    // A group with members keeps its number from being used again; one without is not found.
    _ = kill(-processID, SIGKILL)
  }

  /// Kills all that runs and removes the folder. Nothing may be started afterwards.
  package func clear() {
    for group in groups.withLock({ $0 }) { _ = kill(-group, SIGKILL) }
    LabFolder.remove(path)
    // Fails, as it should, while another lab has a folder in it. Safe: the path is a NUL-terminated string during the call.
    _ = unsafe rmdir(base)
  }

  // MARK: What others left

  /// Returns how many calls had left something.
  @discardableResult
  package static func clearLeftovers(in base: String) -> Int {
    var cleared = 0
    for name in LabFolder.names(in: base) {
      let parts = name.split(separator: "-").compactMap { Int64($0) }
      guard parts.count == 2, let owner = Int32(exactly: parts[0]) else { continue }
      // Its owner is alive: another lab that runs now.
      if ProcessTable.startTime(of: owner) == parts[1] { continue }
      let folder = "\(base)/\(name)"
      let isThisBoot = LabFolder.text(of: folder + "/boot") == ProcessTable.bootID + "\n"
      if isThisBoot { killGroups(LabFolder.text(of: folder + "/groups") ?? "") }
      LabFolder.remove(folder)
      cleared += 1
    }
    return cleared
  }

  private static func killGroups(_ text: String) {
    for line in text.split(separator: "\n") {
      let numbers = line.split(separator: " ").compactMap { Int64($0) }
      guard numbers.count == 2, let group = Int32(exactly: numbers[0]), group > 1 else { continue }
      // A leader with another start time is somebody else, whose number was free again; no leader means that the group, if
      // it has members, is still the old one.
      let start = ProcessTable.startTime(of: group)
      if start == nil || start == numbers[1] { _ = kill(-group, SIGKILL) }
    }
  }
}
