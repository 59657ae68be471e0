import Core
import Testing

@testable import Host

struct MiddleboxTests {
  private let start = Instant(nanoseconds: 0)
  private let settings = MiddleboxSettings(memory: .seconds(1), answer: .silence)

  @Test func rememberedFlowPassesBothWays() {
    var box = Middlebox()
    #expect(box.inspect(segment(from: 1, to: 2, flags: 2), at: start, settings) == .passes)
    let later = start.advanced(by: .milliseconds(900))
    #expect(box.inspect(segment(from: 2, to: 1, flags: 16), at: later, settings) == .passes)
    #expect(
      box.inspect(segment(from: 1, to: 2, flags: 16), at: later.advanced(by: .milliseconds(900)), settings) == .passes)
  }

  @Test func quietFlowIsForgotten() {
    var box = Middlebox()
    _ = box.inspect(segment(from: 1, to: 2, flags: 2), at: start, settings)
    #expect(box.inspect(segment(from: 1, to: 2, flags: 16), at: start.advanced(by: .seconds(1)), settings) == .dropped)
    #expect(box.lastSeen.count == 0)
  }

  @Test func resetCarriesTheAcknowledgedNumberAndAValidChecksum() throws {
    var box = Middlebox()
    let settings = MiddleboxSettings(memory: .seconds(1), answer: .reset)
    let fate = box.inspect(segment(from: 1, to: 2, flags: 16, acknowledgement: 0x0102_0304), at: start, settings)
    guard case .answered(let packet) = fate else {
      Issue.record("\(fate)")
      return
    }
    #expect(Array(packet[24..<28]) == [1, 2, 3, 4])
    #expect(packet[33] == 4)
    #expect(Array(packet[12..<16]) == [10, 0, 0, 2] && Array(packet[16..<20]) == [10, 0, 0, 1])
    #expect(sum(packet[0..<20]) == 0xffff)
    #expect(sum([10, 0, 0, 2, 10, 0, 0, 1, 0, 6, 0, 20] + packet[20..<40]) == 0xffff)
  }

  @Test func resetIsNotAnsweredByAReset() {
    var box = Middlebox()
    let settings = MiddleboxSettings(memory: .seconds(1), answer: .reset)
    #expect(box.inspect(segment(from: 1, to: 2, flags: 4), at: start, settings) == .dropped)
  }

  @Test func tableIsBounded() {
    var box = Middlebox()
    var settings = settings
    settings.flows = 2
    for host in 1...3 as ClosedRange<UInt8> {
      let now = start.advanced(by: .milliseconds(Int64(host)))
      #expect(box.inspect(segment(from: host, to: 9, flags: 2), at: now, settings) == .passes)
    }
    let now = start.advanced(by: .milliseconds(4))
    #expect(box.lastSeen.count == 2)
    #expect(box.inspect(segment(from: 1, to: 9, flags: 16), at: now, settings) == .dropped)
    #expect(box.inspect(segment(from: 3, to: 9, flags: 16), at: now, settings) == .passes)
  }

  @Test func otherPacketsPass() {
    var box = Middlebox()
    var datagram = segment(from: 1, to: 2, flags: 16)
    datagram[9] = 17
    #expect(box.inspect(datagram, at: start, settings) == .passes)
    #expect(box.inspect([], at: start, settings) == .passes)
    #expect(box.inspect([0x60] + [UInt8](repeating: 0, count: 60), at: start, settings) == .passes)
  }

  @Test func ipv6IsTheSame() {
    var box = Middlebox()
    let settings = MiddleboxSettings(memory: .seconds(1), answer: .reset)
    #expect(box.inspect(segment6(from: 1, to: 2, flags: 2), at: start, settings) == .passes)
    // The same numbers in IPv4 are another flow.
    #expect(box.inspect(segment(from: 1, to: 2, flags: 4), at: start, settings) == .dropped)
    let soon = start.advanced(by: .milliseconds(900))
    #expect(box.inspect(segment6(from: 2, to: 1, flags: 16), at: soon, settings) == .passes)
    let fate = box.inspect(segment6(from: 1, to: 2, flags: 16), at: soon.advanced(by: .seconds(1)), settings)
    guard case .answered(let packet) = fate else {
      Issue.record("\(fate)")
      return
    }
    #expect(packet.count == 60 && packet[0] == 0x60 && packet[6] == 6 && Array(packet[4..<6]) == [0, 20])
    #expect(packet[23] == 2 && packet[39] == 1 && packet[53] == 4)
    #expect(Array(packet[44..<48]) == [1, 2, 3, 4])
    #expect(sum(packet[8..<40] + [0, 6, 0, 20] + packet[40..<60]) == 0xffff)
  }

  private func segment6(from source: UInt8, to destination: UInt8, flags: UInt8) -> [UInt8] {
    let short = segment(from: source, to: destination, flags: flags, acknowledgement: 0x0102_0304)
    var packet = [UInt8](repeating: 0, count: 40) + short[20..<40]
    packet[0] = 0x60
    packet[5] = 20
    packet[6] = 6
    packet[8] = 0xfd
    packet[23] = source
    packet[24] = 0xfd
    packet[39] = destination
    return packet
  }

  private func segment(from source: UInt8, to destination: UInt8, flags: UInt8, acknowledgement: UInt32 = 0) -> [UInt8]
  {
    var packet = [UInt8](repeating: 0, count: 40)
    packet[0] = 0x45
    packet[3] = 40
    packet[9] = 6
    packet.replaceSubrange(12..<20, with: [10, 0, 0, source, 10, 0, 0, destination])
    packet[21] = source
    packet[23] = destination
    for index in 0..<4 { packet[28 + index] = UInt8(truncatingIfNeeded: acknowledgement >> (24 - 8 * index)) }
    packet[32] = 0x50
    packet[33] = flags
    return packet
  }

  /// The folded sum of 16-bit words: 0xffff when a checksum among them is right.
  private func sum(_ bytes: some Sequence<UInt8>) -> Int {
    let bytes = Array(bytes)
    var total = stride(from: 0, to: bytes.count, by: 2).reduce(0) { $0 + Int(bytes[$1]) << 8 + Int(bytes[$1 + 1]) }
    while total > 0xffff { total = total & 0xffff + total >> 16 }
    return total
  }
}
