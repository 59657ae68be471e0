internal import CTLS
package import Core

/// What tells whether files are other ones than before, symbolic links followed: so a link that was swapped, as certbot and
/// Kubernetes do it, is seen.
package struct FilesFingerprint: Equatable, Sendable {
  private struct Stamp: Equatable, Sendable {
    var path: String
    var isThere: Bool
    var device: UInt64
    var inode: UInt64
    var size: UInt64
    var seconds: Int64
    var nanoseconds: Int64
  }

  private var stamps: [Stamp]

  /// It asks the file system, so it belongs on a thread that may wait.
  package init(of paths: [String]) {
    stamps = paths.map { path in
      var stamp = photofinish_tls_stamp()
      // Safe: the string lives as long as the call, which fills the stamp.
      let isThere = unsafe photofinish_tls_file_stamp(path, &stamp) == 1
      return Stamp(
        path: path, isThere: isThere, device: stamp.device, inode: stamp.inode, size: stamp.size,
        seconds: stamp.seconds, nanoseconds: stamp.nanoseconds)
    }
  }
}

extension ListenerTLS {
  /// All files that a context reads.
  package var files: [String] {
    var files = certificates.flatMap { [$0.chain, $0.key] }
    switch clientCertificates {
    case .off: break
    case .optional(let authorities), .required(let authorities): files.append(authorities)
    }
    return files
  }
}

extension UpstreamTLS {
  /// All files that a context reads, those of the system aside.
  package var files: [String] {
    [authorities, certificate?.chain, certificate?.key].compactMap { $0 }
  }
}
