import Core
import Host
import Support
import Synchronization

/// Drives while the test does other things.
final class BackgroundDrive: Sendable {
  private let ledger = Mutex<DriveLedger?>(nil)

  init(_ settings: DriveSettings) throws {
    try Thread.start(named: "drive") { [self] in
      guard var driver = try? Driver(settings) else { return }
      let result = driver.run()
      ledger.withLock { $0 = result }
    }
  }

  /// What came of it; nil when it does not end in time.
  func wait(atMost limit: Nanoseconds = .seconds(300)) -> DriveLedger? {
    _ = eventually(atMost: limit) { ledger.withLock { $0 != nil } }
    return ledger.withLock { $0 }
  }
}
