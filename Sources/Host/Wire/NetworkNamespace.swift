internal import CLinux
internal import Glibc

/// A network namespace without a name: it lives as long as a descriptor or a process is in it, so that nothing is left
/// behind however this process ends.
package final class NetworkNamespace: Sendable {
  private let descriptor: Descriptor

  private init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }

  /// The namespace that the calling thread is in.
  package static func current() throws(WireError) -> NetworkNamespace {
    let number = pf_namespace_current()
    guard number >= 0 else { throw WireError("open", -number, doing: "opening this thread's network namespace") }
    return NetworkNamespace(Descriptor(owning: number))
  }

  /// A new namespace, whose loopback interface is up.
  package static func make() throws(WireError) -> NetworkNamespace {
    let home = try current()
    let code = pf_namespace_unshare()
    guard code == 0 else { throw WireError("unshare", -code, doing: "making a network namespace") }
    defer { home.enterOrTrap() }
    let made = try current()
    // Safe: the name is a NUL-terminated string during the call.
    let result = unsafe pf_interface_configure("lo", 0, 0, 0, 0)
    guard result == 0 else { throw WireError("ioctl", -result, doing: "taking the loopback interface up") }
    return made
  }

  /// Where another process of this machine finds the namespace, for instance `nsenter --net=PATH`.
  package var path: String { "/proc/\(getpid())/fd/\(descriptor.number)" }

  /// For ``ChildProcess``.
  var number: Int32 { descriptor.number }

  /// Runs `body` with the calling thread in this namespace. A socket stays in the namespace in which it was made,
  /// so `body` has only to make it. `body` must not wait for other threads to do the same work for it.
  package func perform<Result: ~Copyable, Failure>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let home = Self.currentOrTrap()
    enterOrTrap()
    defer { home.enterOrTrap() }
    return try body()
  }

  private static func currentOrTrap() -> NetworkNamespace {
    let number = pf_namespace_current()
    // A thread that does not know its way back must not go on.
    precondition(number >= 0, "this thread's network namespace cannot be opened: \(SystemError.text(of: -number))")
    return NetworkNamespace(Descriptor(owning: number))
  }

  private func enterOrTrap() {
    let code = pf_namespace_enter(descriptor.number)
    // Going on in the wrong namespace would send one side's traffic to the other.
    precondition(code == 0, "a network namespace cannot be entered: \(SystemError.text(of: -code))")
  }
}
