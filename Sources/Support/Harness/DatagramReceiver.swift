package import Core
internal import Glibc
internal import Host

/// A UNIX socket that takes datagrams, as a service manager's.
package final class DatagramReceiver: Sendable {
  private let socket: Descriptor

  /// - Parameter path: one that begins with `@` names an abstract socket.
  package init(path: String) throws {
    let number = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard number >= 0 else { throw SystemError("socket", errno) }
    socket = Descriptor(owning: number)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    var bytes = Array(path.utf8)
    if bytes.first == UInt8(ascii: "@") { bytes[0] = 0 }
    // Safe: the path is shorter than sun_path, which holds zeros.
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
    let length = socklen_t(2 + bytes.count + (bytes.first == 0 ? 0 : 1))
    // Safe: the address is valid during the call.
    let result = unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(number, $0, length) }
    }
    guard result == 0 else { throw SystemError("bind", errno) }
  }

  /// The lines of the next datagram; nil when none comes in time.
  package func receive(atMost limit: Nanoseconds = .seconds(20)) -> [String]? {
    guard BlockingSocket.waitForInput(socket.number, atMost: limit) else { return nil }
    var bytes = [UInt8](repeating: 0, count: 65_536)
    // Safe: the kernel writes at most as many bytes as the array holds.
    let count = unsafe bytes.withUnsafeMutableBytes { unsafe recv(socket.number, $0.baseAddress!, $0.count, 0) }
    guard count >= 0 else { return nil }
    return String(decoding: bytes[0..<count], as: UTF8.self).split(separator: "\n").map(String.init)
  }
}
