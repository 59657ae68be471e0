internal import Glibc

/// Signals as values: blocked for every thread, taken by the one that waits for them.
package enum Signals {
  package enum Signal: Sendable {
    /// SIGTERM or SIGINT: end in order; the second time at once.
    case terminate
    /// SIGUSR1: open the logs anew.
    case reopenLogs
    /// SIGUSR2: tell about pools and counters.
    case report
    /// SIGHUP: take up new settings.
    case reload
  }

  /// To be called before any other thread starts: threads inherit the mask.
  package static func block() {
    var set = sigset()
    // Safe: the set lives through the call.
    unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
    // A peer that is gone is an error of `write`, never the end of the process.
    _ = signal(SIGPIPE, SIG_IGN)
  }

  /// Waits for the next of them.
  package static func next() -> Signal {
    var set = sigset()
    while true {
      var number: Int32 = 0
      // Safe: both live through the call.
      guard unsafe sigwait(&set, &number) == 0 else { continue }
      switch number {
      case SIGTERM, SIGINT: return .terminate
      case SIGUSR1: return .reopenLogs
      case SIGUSR2: return .report
      case SIGHUP: return .reload
      default: continue
      }
    }
  }

  private static func sigset() -> sigset_t {
    var set = sigset_t()
    // Safe: the set lives through the calls.
    unsafe sigemptyset(&set)
    for number in [SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGHUP] { unsafe sigaddset(&set, number) }
    return set
  }
}
