internal import Core
internal import Glibc

/// Turns names into addresses. It blocks, so it runs on a thread of its own.
package enum Resolver {
  package struct Failure: Error, CustomStringConvertible {
    package var host: String
    package var reason: String
    package var description: String { "'\(host)' cannot be resolved: \(reason)" }
  }

  /// All addresses of a name, in the order that the system prefers, without repetitions.
  package static func addresses(of host: String, port: UInt16, passive: Bool = false) throws(Failure) -> [SocketAddress]
  {
    if let literal = SocketAddress(literal: host, port: port) { return [literal] }
    // Safe: a local value whose pointers stay nil; getaddrinfo only reads it.
    var hints = unsafe addrinfo()
    unsafe hints.ai_family = AF_UNSPEC
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    unsafe hints.ai_flags = passive ? AI_PASSIVE : AI_ADDRCONFIG
    var list: UnsafeMutablePointer<addrinfo>? = nil
    // Safe: the list is freed below and nothing points into it afterwards.
    let code = unsafe getaddrinfo(host, "\(port)", &hints, &list)
    guard code == 0 else {
      throw Failure(host: host, reason: unsafe String(cString: gai_strerror(code)))
    }
    defer { unsafe freeaddrinfo(list) }
    var found: [SocketAddress] = []
    var entry = unsafe list
    while let current = unsafe entry {
      if let address = unsafe SocketAddress(reading: current.pointee), !found.contains(address) {
        found.append(address)
      }
      unsafe entry = current.pointee.ai_next
    }
    return found
  }
}

extension SocketAddress {
  /// - Parameter entry: from getaddrinfo; its address is valid as long as the list.
  fileprivate init?(reading entry: addrinfo) {
    var storage = sockaddr_storage()
    // Safe: the list that the entry is part of has not been freed.
    guard let source = unsafe entry.ai_addr, unsafe Int(entry.ai_addrlen) <= MemoryLayout<sockaddr_storage>.size
    else { return nil }
    // Safe: at most as many bytes as both sides have.
    unsafe withUnsafeMutableBytes(of: &storage) { target in
      unsafe target.copyMemory(from: UnsafeRawBufferPointer(start: source, count: Int(entry.ai_addrlen)))
    }
    self.init(storage)
  }
}
