internal import Glibc

/// The file that a UNIX-domain socket has made at its path, known by what it is, not only by where it is.
package struct SocketFile: Sendable, Equatable {
  private let path: String
  private let device: UInt
  private let inode: UInt

  /// nil when there is no socket at `path`.
  package init?(_ path: String) {
    guard let status = Self.status(path), status.st_mode & S_IFMT == S_IFSOCK else { return nil }
    self.path = path
    device = UInt(status.st_dev)
    inode = UInt(status.st_ino)
  }

  /// Whether both paths lead to one socket, in whatever words.
  package static func areSame(_ one: String, _ other: String) -> Bool {
    guard let one = SocketFile(one), let other = SocketFile(other) else { return false }
    return one.device == other.device && one.inode == other.inode
  }

  /// Removes it, unless something else has taken its place.
  package func remove() {
    guard let now = Self.status(path), UInt(now.st_dev) == device, UInt(now.st_ino) == inode else { return }
    // Safe: the path is a NUL-terminated copy during the call.
    _ = unsafe unlink(path)
  }

  /// Removes a socket that a dead process left behind; one that somebody listens on is not removed, and nothing else either.
  package static func removeStale(_ path: String) throws(SystemError) {
    guard let found = SocketFile(path) else { return }
    do throws(SystemError) {
      _ = try Socket.connect(to: SocketAddress(.unix(path: path)))
      throw SystemError("bind", EADDRINUSE)
    } catch  where error.code == ECONNREFUSED {
      found.remove()
    } catch  where error.code == ENOENT {
      return
    } catch  where error.code == EAGAIN {
      // Its queue is full: somebody listens.
      throw SystemError("bind", EADDRINUSE)
    }
  }

  private static func status(_ path: String) -> stat? {
    var status = stat()
    // Safe: the path is a NUL-terminated copy during the call, and the kernel writes one stat.
    guard unsafe lstat(path, &status) == 0 else { return nil }
    return status
  }
}
