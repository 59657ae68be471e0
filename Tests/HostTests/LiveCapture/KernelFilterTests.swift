import Core
import Glibc
import Host
import Testing

/// The programs are run by the kernel itself, on packets that a socket pair carries.
@Suite struct KernelFilterTests {
  /// A pair of datagram sockets, of which the second receives only what a filter lets pass.
  private final class Pair {
    private let sender: Int32
    private let receiver: Int32

    init(_ filter: KernelFilter) throws {
      var numbers: [Int32] = [0, 0]
      // Safe: the kernel writes two descriptors.
      let result = unsafe socketpair(
        AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0, &numbers)
      try #require(result == 0)
      (sender, receiver) = (numbers[0], numbers[1])
      try filter.attach(to: receiver)
    }

    deinit {
      close(sender)
      close(receiver)
    }

    func passes(_ packet: [UInt8]) -> Bool {
      // Safe: the bytes are read during the call.
      let sent = unsafe packet.withUnsafeBytes { unsafe send(sender, $0.baseAddress!, $0.count, 0) }
      // A packet that the filter refuses is an error for who sends it on a UNIX socket, or vanishes.
      guard sent == packet.count else { return false }
      var buffer = [UInt8](repeating: 0, count: 2_048)
      // Safe: at most as many bytes are written as there is room for.
      return unsafe buffer.withUnsafeMutableBytes { unsafe recv(receiver, $0.baseAddress!, $0.count, 0) } > 0
    }
  }

  private struct Sample {
    var version6 = false
    var source: [UInt8]
    var destination: [UInt8]
    var sourcePort: UInt16
    var destinationPort: UInt16
    var next: UInt8 = 6
    var options = 0
    var fragment: UInt16 = 0

    var bytes: [UInt8] {
      let ports = [
        UInt8(sourcePort >> 8), UInt8(truncatingIfNeeded: sourcePort), UInt8(destinationPort >> 8),
        UInt8(truncatingIfNeeded: destinationPort),
      ]
      let segment = ports + [UInt8](repeating: 0, count: 16)
      if version6 { return [0x60, 0, 0, 0, 0, 20, next, 64] + source + destination + segment }
      return [
        0x40 | UInt8(5 + options), 0, 0, 0, 0, 0, UInt8(fragment >> 8), UInt8(truncatingIfNeeded: fragment), 64, next,
      ]
        + [0, 0] + source + destination + [UInt8](repeating: 0, count: options * 4) + segment
    }

    /// What the filter is for, in plain words.
    func isWanted(_ addresses: [[UInt8]], _ ports: [UInt16]) -> Bool {
      let isExtended = version6 && [0, 43, 44, 51, 60, 135].contains(next)
      guard next == 6 || isExtended else { return false }
      guard addresses.isEmpty || addresses.contains(source) || addresses.contains(destination) else { return false }
      if isExtended || (!version6 && fragment & 0x3fff != 0) { return true }
      return ports.isEmpty || ports.contains(sourcePort) || ports.contains(destinationPort)
    }
  }

  private static func sample(_ random: inout SplitMix) -> Sample {
    let version6 = Bool.random(using: &random)
    func address() -> [UInt8] {
      let last = UInt8.random(in: 1...4, using: &random)
      return version6 ? [0x20, 1] + [UInt8](repeating: 0, count: 13) + [last] : [10, 0, 0, last]
    }
    let nexts: [UInt8] = version6 ? [6, 6, 6, 6, 17, 0, 44, 60, 58] : [6, 6, 6, 6, 17, 1]
    return Sample(
      version6: version6, source: address(), destination: address(), sourcePort: .random(in: 80...84, using: &random),
      destinationPort: .random(in: 80...84, using: &random), next: nexts.randomElement(using: &random)!,
      options: Int.random(in: 0...3, using: &random),
      fragment: [0, 0, 0, 0x2000, 0x4000, 0x00b9].randomElement(using: &random)!)
  }

  @Test(arguments: 0..<40) func passesWhatIsWantedAndNothingElse(seed: Int) throws {
    var random = SplitMix(state: UInt64(seed))
    let addresses = (0..<Int.random(in: 0...4, using: &random)).map { _ in KernelFilterTests.sample(&random).source }
    let ports = (0..<Int.random(in: 0...3, using: &random)).map { _ in UInt16.random(in: 80...84, using: &random) }
    let pair = try Pair(KernelFilter(addresses: addresses, ports: ports, snapLength: 65_535))
    for _ in 0..<100 {
      let sample = KernelFilterTests.sample(&random)
      #expect(pair.passes(sample.bytes) == sample.isWanted(addresses, ports), "seed \(seed): \(sample)")
    }
  }

  @Test func takesAsManyNamesAsItMay() throws {
    let addresses = (0..<KernelFilter.maximumAddresses).map { index in
      [UInt8(0x20), 1] + [UInt8](repeating: 0, count: 13) + [UInt8(index)]
    }
    let ports = (0..<KernelFilter.maximumPorts).map { UInt16(2_000 + $0) }
    let pair = try Pair(KernelFilter(addresses: addresses, ports: ports, snapLength: 65_535))
    var sample = Sample(
      version6: true, source: addresses[0], destination: addresses.last!, sourcePort: 1, destinationPort: ports.last!)
    #expect(pair.passes(sample.bytes))
    sample.destinationPort = 1_999
    #expect(!pair.passes(sample.bytes))
  }

  @Test func refusesWhatIsNoPacket() throws {
    let pair = try Pair(KernelFilter(addresses: [], ports: [80], snapLength: 65_535))
    for bytes: [UInt8] in [[0x45], [0x60, 0, 0], [0x00, 1, 2, 3], Array(repeating: 0x45, count: 12)] {
      #expect(!pair.passes(bytes))
    }
  }
}

/// A generator whose seed a failing test prints.
private struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
    return value ^ value >> 31
  }
}
