internal import CLinux

/// Faults of our own that end the process.
package enum Faults {
  /// Has each of them leave a line on standard error that names the signal, the thread and the place in the program; an optimised
  /// program dies of a trap without a word.
  package static func leaveALine(version: String) {
    // Safe: the text is copied during the call.
    unsafe pf_name_faults(version)
  }
}
