internal import CLinux

/// What the machine gives to this process.
package enum Machine {
  /// CPUs that the process may use, cgroup quota and affinity honoured; at least 1.
  package static var availableProcessors: Int { Int(pf_available_processors()) }

  /// Raises the soft limit of open descriptors to the hard one; returns what holds now.
  package static func raiseDescriptorLimit() -> Int { Int(pf_raise_descriptor_limit()) }
}
