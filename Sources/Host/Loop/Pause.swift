package import Core
internal import Glibc

/// Lets time pass where time itself is the subject: an idle age, a delay on the wire. Never to wait for something to happen.
package func pause(_ span: Nanoseconds) {
  var time = timespec(tv_sec: Int(span.count / 1_000_000_000), tv_nsec: Int(span.count % 1_000_000_000))
  var rest = timespec()
  // Safe: nanosleep reads one timespec and writes another; after a signal it goes on with the rest.
  while unsafe nanosleep(&time, &rest) != 0 && errno == EINTR { time = rest }
}
