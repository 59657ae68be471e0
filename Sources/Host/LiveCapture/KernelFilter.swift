internal import CLinux

/// A classic BPF program that lets TCP over IP pass, of given addresses and ports only, so that the kernel copies nothing else.
///
/// It looks at packets that begin with their IP header. What it cannot tell (fragments, IPv6 with extension headers) passes;
/// whoever reads the packets looks again.
package struct KernelFilter: Sendable {
  /// Addresses and ports that a program may name: far below the kernel's limit of 4096 instructions.
  package static let maximumAddresses = 64
  package static let maximumPorts = 64

  private(set) var program: [pf_filter_instruction]

  /// - Parameters:
  ///   - addresses: 4 or 16 bytes each, network order; none stands for all. One of both ends must be among them.
  ///   - ports: none stands for all. One of both ends must be among them.
  ///   - snapLength: bytes of a packet that are copied at most.
  package init(addresses: [[UInt8]], ports: [UInt16], snapLength: UInt32) {
    precondition(addresses.count <= KernelFilter.maximumAddresses && ports.count <= KernelFilter.maximumPorts)
    var assembly = Assembly()
    assembly.skipSecondSightOfLoopback()
    assembly.loadByte(at: 0)
    assembly.shiftRight(by: 4)
    assembly.jump(to: .version4, whenEqual: 4)
    assembly.jump(to: .version6, whenEqual: 6)
    assembly.jump(to: .drop)
    assembly.version4(addresses: addresses, ports: ports)
    assembly.version6(addresses: addresses, ports: ports)
    assembly.place(.drop)
    assembly.end(passing: 0)
    assembly.place(.pass)
    assembly.end(passing: snapLength)
    program = assembly.resolved()
  }

  /// Has a socket receive only what passes.
  package func attach(to descriptor: Int32) throws(SystemError) {
    // Safe: the kernel copies the program during the call.
    let code = unsafe program.withUnsafeBufferPointer {
      unsafe pf_attach_filter(descriptor, $0.baseAddress, UInt16($0.count))
    }
    guard code == 0 else { throw SystemError("setsockopt", -code) }
  }
}

/// Instructions whose jumps still name labels.
///
/// A comparison jumps over the next instruction or not, and that one jumps anywhere: the distances of a conditional jump
/// have eight bits, those of an unconditional one thirty-two.
private struct Assembly {
  enum Label: Hashable { case version4, version6, ports4, ports6, pass, drop, address(Int) }

  // From linux/bpf_common.h and linux/filter.h.
  private static let loadWordAbsolute: UInt16 = 0x20
  private static let loadHalfAbsolute: UInt16 = 0x28
  private static let loadByteAbsolute: UInt16 = 0x30
  private static let loadHalfIndirect: UInt16 = 0x48
  private static let loadIndexFromHeaderLength: UInt16 = 0xb1
  private static let shiftRightConstant: UInt16 = 0x74
  private static let jumpAlways: UInt16 = 0x05
  private static let jumpEqual: UInt16 = 0x15
  private static let jumpBitsSet: UInt16 = 0x45
  private static let returnConstant: UInt16 = 0x06
  private static let packetType: UInt32 = 0xffff_f000 + 4
  private static let hardwareType: UInt32 = 0xffff_f000 + 28
  private static let outgoing: UInt32 = 4
  private static let loopbackHardware: UInt32 = 772
  private static let tcp: UInt32 = 6

  private var code: [pf_filter_instruction] = []
  private var places: [Label: Int] = [:]
  private var jumps: [(at: Int, to: Label)] = []
  private var addressLabels = 0

  mutating func place(_ label: Label) { places[label] = code.count }

  private mutating func add(_ operation: UInt16, _ value: UInt32, ifTrue: UInt8 = 0, ifFalse: UInt8 = 0) {
    code.append(pf_filter_instruction(code: operation, jump_true: ifTrue, jump_false: ifFalse, value: value))
  }

  mutating func loadByte(at offset: UInt32) { add(Assembly.loadByteAbsolute, offset) }
  mutating func loadHalf(at offset: UInt32) { add(Assembly.loadHalfAbsolute, offset) }
  mutating func loadWord(at offset: UInt32) { add(Assembly.loadWordAbsolute, offset) }
  mutating func shiftRight(by count: UInt32) { add(Assembly.shiftRightConstant, count) }
  mutating func end(passing count: UInt32) { add(Assembly.returnConstant, count) }

  mutating func jump(to label: Label) {
    jumps.append((code.count, label))
    add(Assembly.jumpAlways, 0)
  }

  mutating func jump(to label: Label, whenEqual value: UInt32) {
    add(Assembly.jumpEqual, value, ifTrue: 0, ifFalse: 1)
    jump(to: label)
  }

  mutating func jump(to label: Label, unlessEqual value: UInt32) {
    add(Assembly.jumpEqual, value, ifTrue: 1, ifFalse: 0)
    jump(to: label)
  }

  mutating func jump(to label: Label, whenAnyOf bits: UInt32) {
    add(Assembly.jumpBitsSet, bits, ifTrue: 0, ifFalse: 1)
    jump(to: label)
  }

  /// The loopback interface shows each packet twice: leaving, and coming in.
  mutating func skipSecondSightOfLoopback() {
    add(Assembly.loadByteAbsolute, Assembly.packetType)
    // Not from this machine: three instructions on. The hardware type can be asked for only where there is a device.
    add(Assembly.jumpEqual, Assembly.outgoing, ifTrue: 0, ifFalse: 3)
    add(Assembly.loadHalfAbsolute, Assembly.hardwareType)
    jump(to: .drop, whenEqual: Assembly.loopbackHardware)
  }

  mutating func version4(addresses: [[UInt8]], ports: [UInt16]) {
    place(.version4)
    loadByte(at: 9)
    jump(to: .drop, unlessEqual: Assembly.tcp)
    let wanted = addresses.filter { $0.count == 4 }.map { Assembly.word($0, 0) }
    if !addresses.isEmpty {
      for offset: UInt32 in [12, 16] {
        loadWord(at: offset)
        for address in wanted { jump(to: .ports4, whenEqual: address) }
      }
      jump(to: .drop)
    }
    place(.ports4)
    guard !ports.isEmpty else { return jump(to: .pass) }
    loadHalf(at: 6)
    jump(to: .pass, whenAnyOf: 0x3fff)
    add(Assembly.loadIndexFromHeaderLength, 0)
    for offset: UInt32 in [0, 2] {
      add(Assembly.loadHalfIndirect, offset)
      for port in ports { jump(to: .pass, whenEqual: UInt32(port)) }
    }
    jump(to: .drop)
  }

  mutating func version6(addresses: [[UInt8]], ports: [UInt16]) {
    place(.version6)
    let wanted = addresses.filter { $0.count == 16 }
    if !addresses.isEmpty {
      for offset: UInt32 in [8, 24] {
        for address in wanted {
          let next = Label.address(addressLabels)
          addressLabels += 1
          for part in 0..<4 {
            loadWord(at: offset + UInt32(part * 4))
            jump(to: next, unlessEqual: Assembly.word(address, part))
          }
          jump(to: .ports6)
          place(next)
        }
      }
      jump(to: .drop)
    }
    place(.ports6)
    loadByte(at: 6)
    // Extension headers: hop-by-hop, routing, fragment, authentication, destination options, mobility.
    for header: UInt32 in [0, 43, 44, 51, 60, 135] { jump(to: .pass, whenEqual: header) }
    jump(to: .drop, unlessEqual: Assembly.tcp)
    guard !ports.isEmpty else { return jump(to: .pass) }
    for offset: UInt32 in [40, 42] {
      loadHalf(at: offset)
      for port in ports { jump(to: .pass, whenEqual: UInt32(port)) }
    }
    jump(to: .drop)
  }

  private static func word(_ bytes: [UInt8], _ index: Int) -> UInt32 {
    bytes[(index * 4)..<(index * 4 + 4)].reduce(0) { $0 << 8 | UInt32($1) }
  }

  func resolved() -> [pf_filter_instruction] {
    var result = code
    for jump in jumps {
      guard let target = places[jump.to] else { preconditionFailure("a jump goes to a label that was never placed") }
      result[jump.at].value = UInt32(target - jump.at - 1)
    }
    return result
  }
}
