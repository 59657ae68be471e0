internal import Glibc

/// Why a wire cannot be made.
package enum WireError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The process lacks CAP_SYS_ADMIN.
  case notPermitted
  /// There is no /dev/net/tun, or no driver behind it.
  case noTunnelDriver
  /// Another call failed; `doing` says for what it was needed.
  case system(SystemError, doing: String)

  /// - Parameters:
  ///   - call: the system call.
  ///   - code: its errno.
  init(_ call: String, _ code: Int32, doing: String) {
    switch code {
    case EPERM, EACCES: self = .notPermitted
    case ENOENT, ENODEV, ENXIO: self = .noTunnelDriver
    default: self = .system(SystemError(call, code), doing: doing)
    }
  }

  package var description: String {
    switch self {
    case .notPermitted:
      "the delay wire makes network namespaces and TUN devices, which takes CAP_SYS_ADMIN and CAP_NET_ADMIN: run it as root"
    case .noTunnelDriver:
      "the delay wire needs /dev/net/tun, which is missing here: load it with 'modprobe tun', or hand the device to the container"
    case .system(let error, let doing):
      "\(doing): \(error)"
    }
  }
}
