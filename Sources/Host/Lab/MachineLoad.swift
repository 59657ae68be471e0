internal import Core
internal import Glibc

/// CPU time at a moment, to tell what other programs took from a measurement.
package struct MachineLoad: Sendable {
  /// Of this process, its children and theirs.
  private let own: Nanoseconds
  /// Of everything that ran.
  private let busy: Nanoseconds
  /// The same with what nobody used.
  private let whole: Nanoseconds

  /// Nil where /proc does not tell.
  package init?() {
    guard let line = LabFolder.text(of: "/proc/stat")?.prefix(while: { $0 != "\n" }) else { return nil }
    // user, nice, system, idle, iowait, irq, softirq, steal: of these, steal is another machine's time.
    let ticks = line.split(separator: " ").dropFirst().map { Int64($0) ?? 0 }
    guard ticks.count >= 8 else { return nil }
    let idle = ticks[3] + ticks[4]
    let busy = ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]
    self.busy = ProcessTable.time(ofTicks: busy)
    whole = ProcessTable.time(ofTicks: busy + idle)
    own = ProcessTable.processorTime(ofTrees: [getpid()])
  }

  /// The share of the machine's CPU time since then that other programs had, from 0 to 1.
  package func foreignShare(since start: MachineLoad) -> Double? {
    let whole = Double((self.whole - start.whole).count)
    guard whole > 0 else { return nil }
    let foreign = Double((busy - start.busy).count - (own - start.own).count)
    return min(1, max(0, foreign / whole))
  }
}
