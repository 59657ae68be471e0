internal import CLinux
package import Core
internal import Glibc
internal import Synchronization

/// A process that this one starts in order to be replaced by it.
package final class Successor: Sendable {
  /// How long it has, from its start until it serves: names are waited for, settings are read.
  package static let patience = Nanoseconds.seconds(60)

  private let replacedBy = Mutex<Int32?>(nil)

  package init() {}

  /// To be called when a process has taken over.
  package func tookOver(_ process: Int32) { replacedBy.withLock { $0 = process } }

  /// Starts the program with `arguments`, the first of which names it, and waits until it has taken over.
  ///
  /// It is no child of this process, but of the service manager, which could not see when a grandchild ends, and so would kill it at
  /// once where it should wait for it.
  package func start(_ arguments: [String]) -> Result<Int32, ControlChannel.Failure> {
    let process = Self.spawn(arguments)
    guard process > 0 else {
      return .failure(
        ControlChannel.Failure("'\(arguments.first ?? "")' cannot be started: \(SystemError.text(of: -process))"))
    }
    let deadline = MonotonicClock.now.advanced(by: Self.patience)
    while replacedBy.withLock({ $0 }) != process {
      if pf_process_has_ended(process) != 0 {
        return .failure(
          ControlChannel.Failure(
            "the new process ended before it served; its lines in the log say why. The old one goes on"))
      }
      guard MonotonicClock.now < deadline else {
        _ = kill(process, SIGTERM)
        return .failure(
          ControlChannel.Failure(
            "the new process did not take over within \(Self.patience.text) and was told to end. The old one goes on"))
      }
      pause(.milliseconds(5))
    }
    return .success(process)
  }

  /// Its arguments: those of this process, but that it takes over from the control socket at `path`.
  package static func arguments(of own: [String], takingOverFrom path: String) -> [String] {
    var result: [String] = []
    var skipsNext = false
    for argument in own {
      if skipsNext {
        skipsNext = false
      } else if argument == "--take-over" {
        skipsNext = true
      } else if !argument.hasPrefix("--take-over=") {
        result.append(argument)
      }
    }
    return result + ["--take-over", path]
  }

  private static func spawn(_ arguments: [String]) -> Int32 {
    guard !arguments.isEmpty else { return -ENOENT }
    // Safe: the copies end with nil, outlive the call, and are freed once.
    var pointers = unsafe arguments.map { unsafe strdup($0) }
    unsafe pointers.append(nil)
    defer { unsafe pointers.forEach { unsafe free($0) } }
    // The watchdog is the service's, whichever process that is; the variable names one that is about to end.
    return unsafe pf_start_successor(pointers, "WATCHDOG_PID=")
  }
}
