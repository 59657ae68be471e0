internal import Glibc

/// An open file descriptor: owned by one holder, closed exactly once, when its holder lets go of it.
package struct Descriptor: ~Copyable {
  package let number: Int32

  /// Takes over `number`, which must be open and owned by nobody else.
  package init(owning number: Int32) {
    precondition(number >= 0, "a descriptor is not negative")
    self.number = number
  }

  deinit {
    // EINTR and EIO leave the descriptor closed on Linux: nothing is to be done about them.
    _ = close(number)
  }
}
