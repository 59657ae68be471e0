internal import CLinux
internal import Core
internal import Glibc

/// One end of the wire: a TUN device in a namespace. What the namespace sends into it is read here, and the other way.
struct TunnelDevice: ~Copyable {
  static let name = "wire"
  static let mtu = 1500
  /// Packets that the kernel keeps for us to read. A burst of connections must fit, since a full queue drops.
  private static let queueLength = 32_768

  private let descriptor: Descriptor

  /// - Parameters:
  ///   - address: IPv4, host order.
  ///   - prefix: bits of the network that lies on the wire.
  init(in namespace: NetworkNamespace, address: UInt32, prefix: Int) throws(WireError) {
    // Safe: the name is a NUL-terminated string during the call.
    let number = namespace.perform { unsafe pf_tunnel_open(Self.name) }
    guard number >= 0 else { throw WireError("open", -number, doing: "making a TUN device") }
    let opened = Descriptor(owning: number)
    let code = namespace.perform {
      // Safe: as above.
      unsafe pf_interface_configure(Self.name, address, Int32(prefix), Int32(Self.mtu), Int32(Self.queueLength))
    }
    guard code == 0 else { throw WireError("ioctl", -code, doing: "configuring a TUN device") }
    descriptor = opened
  }

  var number: Int32 { descriptor.number }

  /// Adds an IPv6 address of 16 bytes; false where the kernel has no IPv6.
  func add(_ address: [UInt8], prefix: Int, in namespace: NetworkNamespace) -> Bool {
    precondition(address.count == 16, "an IPv6 address has 16 bytes")
    // Safe: the name is a NUL-terminated string and the address has 16 bytes, both during the call.
    return namespace.perform { unsafe pf_interface_add_ipv6(Self.name, address, Int32(prefix)) } == 0
  }

  /// Takes a packet that the namespace sent; nil when there is none.
  func read(with scratch: inout ByteBuffer) -> [UInt8]? {
    scratch.removeAll()
    // Safe: the kernel writes at most as many bytes as there is room for.
    let count = unsafe scratch.withUnsafeWritable { unsafe Glibc.read(descriptor.number, $0.baseAddress!, $0.count) }
    guard count > 0 else { return nil }
    // Safe: a span of initialised bytes is copied.
    return unsafe scratch.readable.withUnsafeBytes { unsafe Array($0) }
  }

  /// Gives the namespace a packet. One that the kernel does not want is lost, as on any network.
  func write(_ packet: [UInt8]) {
    // Safe: the kernel reads the array's bytes during the call.
    _ = unsafe packet.withUnsafeBytes { unsafe Glibc.write(descriptor.number, $0.baseAddress!, $0.count) }
  }
}
