internal import CLinux
internal import Glibc

/// A thread of the operating system that runs one closure to its end.
package enum Thread {
  private final class Body: Sendable {
    let name: String
    let run: @Sendable () -> Void

    init(_ name: String, _ run: @escaping @Sendable () -> Void) {
      self.name = String(name.prefix(15))
      self.run = run
    }
  }

  /// - Parameter name: as tools show it; at most 15 bytes are kept.
  package static func start(named name: String, _ run: @escaping @Sendable () -> Void) throws(SystemError) {
    var thread = pthread_t()
    var attributes = pthread_attr_t()
    // Safe: a local value, initialised here and destroyed below, when no call uses it any more.
    unsafe pthread_attr_init(&attributes)
    unsafe pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    // Safe: the retained body is released exactly once, by the thread, or here when there is none.
    let body = unsafe Unmanaged.passRetained(Body(name, run))
    let code = unsafe pthread_create(
      &thread, &attributes,
      { pointer in
        let body = unsafe Unmanaged<Body>.fromOpaque(pointer!).takeRetainedValue()
        unsafe pf_name_this_thread(body.name)
        body.run()
        return nil
      }, body.toOpaque())
    unsafe pthread_attr_destroy(&attributes)
    guard code == 0 else {
      unsafe body.release()
      throw SystemError("pthread_create", code)
    }
  }
}
