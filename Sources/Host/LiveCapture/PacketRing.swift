internal import CLinux
package import Core
internal import Glibc

/// Packets of an interface as they pass, from their IP header on, through memory that is shared with the kernel.
@safe
package struct PacketRing: ~Copyable {
  /// Bytes of a block, in which the kernel hands packets over: a packet and its head must fit.
  package static let blockBytes: UInt32 = 1 << 19
  /// How long a block that is not full waits before it is handed over, in milliseconds.
  private static let patienceMilliseconds: UInt32 = 20

  package struct Failure: Error, CustomStringConvertible {
    package var description: String
  }

  package struct Packet: Sendable, BitwiseCopyable {
    /// When the kernel saw it, in nanoseconds since 1970.
    package var time: Instant
    /// Bytes from the IP header on that were on the wire; the captured ones can be fewer.
    package var wireLength: Int
  }

  package struct Counts: Equatable, Sendable {
    package var seen = 0
    /// Packets for which the ring had no room.
    package var dropped = 0

    package init(seen: Int = 0, dropped: Int = 0) {
      self.seen = seen
      self.dropped = dropped
    }
  }

  package let interface: String
  private let index: UInt32
  private let ring: OpaquePointer

  /// - Parameters:
  ///   - interface: its name; `any` for all of them.
  ///   - bytes: size of the ring, rounded up to whole blocks.
  package init(interface: String, bytes: UInt64, filter: KernelFilter) throws(Failure) {
    let number = try PacketRing.index(of: interface)
    let blocks = UInt32(clamping: max(2, (bytes + UInt64(PacketRing.blockBytes) - 1) / UInt64(PacketRing.blockBytes)))
    var error: Int32 = 0
    // Safe: the kernel copies the program during the call; the ring is owned by this value and closed in deinit.
    let opened = unsafe filter.program.withUnsafeBufferPointer { program in
      unsafe pf_packet_ring_open(
        Int32(number), PacketRing.blockBytes, blocks, PacketRing.patienceMilliseconds, program.baseAddress,
        UInt16(program.count), &error)
    }
    guard let opened = unsafe opened else {
      throw Failure(description: PacketRing.explain(error, interface: interface, bytes: bytes))
    }
    self.interface = interface
    index = number
    unsafe ring = opened
  }

  // Safe: nobody else has the ring.
  deinit { unsafe pf_packet_ring_close(ring) }

  /// To be registered as readable, level-triggered.
  // Safe: the ring is open as long as this value lives.
  package var number: Int32 { unsafe pf_packet_ring_descriptor(ring) }

  /// Hands on at most `limit` packets that have come.
  ///
  /// - Parameter body: gets a packet and its captured bytes, which are valid during the call only.
  /// - Returns: how many there were.
  package mutating func take(atMost limit: Int, _ body: (Packet, RawSpan) -> Void) -> Int {
    // Safe: a value of numbers and a pointer that is not used before the call has set it.
    var packet = unsafe pf_packet()
    var count = 0
    // Safe: the ring is open as long as this value lives.
    while count < limit, unsafe pf_packet_ring_next(ring, &packet) == 1 {
      count += 1
      // Safe: the bytes stay where they are until the next call above.
      let bytes = unsafe UnsafeRawBufferPointer(start: packet.bytes, count: Int(packet.captured))
      let about = unsafe Packet(
        time: Instant(nanoseconds: packet.nanoseconds), wireLength: Int(packet.length))
      unsafe body(about, bytes.bytes)
    }
    return count
  }

  /// What happened since the last call.
  package mutating func takeCounts() -> Counts {
    // Safe: the ring is open as long as this value lives.
    let counts = unsafe pf_packet_ring_counts(ring)
    return Counts(seen: Int(counts.seen), dropped: Int(counts.dropped))
  }

  /// What became of the interface.
  package enum Health: Equatable, Sendable {
    case up
    /// Down; packets come again when it is up again.
    case down
    /// Gone: another one that is given the same name is not the same.
    case gone
  }

  /// Looks at the interface. It takes the socket's error, without which waiting would return at once again and again.
  package func health() -> Health {
    _ = Socket.takeError(number)
    guard index != 0 else { return .up }
    // Safe: the name is lent as a C string during the call; the ring is open as long as this value lives.
    switch unsafe pf_packet_ring_interface_state(ring, interface, Int32(index)) {
    case 2: return .up
    case 1: return .down
    default: return .gone
    }
  }

  private static func index(of name: String) throws(Failure) -> UInt32 {
    if name == "any" { return 0 }
    // Safe: the name is lent as a C string during the call.
    let index = unsafe if_nametoindex(name)
    guard index == 0 else { return index }
    throw Failure(
      description: "there is no interface '\(name)'; there are " + names().joined(separator: ", ") + ", and any for all"
    )
  }

  private static func names() -> [String] {
    // Safe: the list ends with an entry without a name, and is freed once.
    guard let list = unsafe if_nameindex() else { return [] }
    defer { unsafe if_freenameindex(list) }
    var names: [String] = []
    var entry = unsafe list
    while let name = unsafe entry.pointee.if_name {
      unsafe names.append(String(cString: name))
      unsafe entry += 1
    }
    return names
  }

  private static func explain(_ code: Int32, interface: String, bytes: UInt64) -> String {
    switch code {
    case EPERM, EACCES:
      "'\(interface)' may not be listened to: that needs CAP_NET_RAW. Run as root, or once as root "
        + "'setcap cap_net_raw+ep' with this program's path"
    case ENOMEM, EINVAL:
      "the kernel gives no ring of \(bytes >> 20) MiB: \(SystemError.text(of: code)); try a smaller --buffer"
    case ENETDOWN: "'\(interface)' is down; take it up first"
    default: "'\(interface)' cannot be listened to: \(SystemError.text(of: code))"
    }
  }
}
