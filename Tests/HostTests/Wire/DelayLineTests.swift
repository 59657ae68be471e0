import Core
import Host
import Testing

struct DelayLineTests {
  private let start = Instant(nanoseconds: 1_000_000_000)

  @Test func packetsComeOutInOrderAfterTheDelay() {
    var line = DelayLine(seed: 1)
    let settings = WireSettings(delay: .milliseconds(10))
    for number in 0..<5 as Range<UInt8> {
      #expect(line.admit([number], at: start.advanced(by: .microseconds(Int64(number))), settings) == .delayed)
    }
    #expect(line.nextDue(at: start.advanced(by: .microseconds(9_999))) == nil)
    for number in 0..<5 as Range<UInt8> {
      let due = start.advanced(by: .microseconds(10_000 + Int64(number)))
      #expect(line.soonest == due)
      #expect(line.nextDue(at: due)?.bytes == [number])
    }
    #expect(line.soonest == nil)
  }

  @Test(arguments: 1...20 as ClosedRange<UInt64>)
  func jitterKeepsTheOrder(seed: UInt64) {
    var line = DelayLine(seed: seed)
    var settings = WireSettings(delay: .milliseconds(10))
    settings.jitter = .milliseconds(5)
    for number in 0..<200 as Range<UInt8> { _ = line.admit([number], at: start, settings) }
    var order: [UInt8] = []
    while let packet = line.nextDue(at: .distantFuture) {
      let delay = packet.release.since(start)
      #expect(delay >= .milliseconds(5) && delay <= .milliseconds(15))
      order.append(packet.bytes[0])
    }
    #expect(order == Array(0..<200), "seed \(seed)")
  }

  @Test func reorderedPacketsAreOvertaken() {
    var line = DelayLine(seed: 3)
    var settings = WireSettings(delay: .milliseconds(10))
    settings.reordering = 0.2
    for number in 0..<100 as Range<UInt8> {
      _ = line.admit([number], at: start.advanced(by: .microseconds(Int64(number) * 100)), settings)
    }
    var order: [UInt8] = []
    while let packet = line.nextDue(at: .distantFuture) { order.append(packet.bytes[0]) }
    #expect(order != Array(0..<100))
    #expect(order.sorted() == Array(0..<100))
  }

  @Test func lossIsASeededShare() {
    var lost = 0
    var line = DelayLine(seed: 9)
    var again = DelayLine(seed: 9)
    var settings = WireSettings(delay: .zero)
    settings.loss = 0.1
    for _ in 0..<10_000 {
      let fate = line.admit([1], at: start, settings)
      #expect(fate == again.admit([1], at: start, settings))
      if fate == .lost { lost += 1 }
    }
    #expect((800...1_200).contains(lost))
  }

  @Test func fullLineDrops() {
    var line = DelayLine(seed: 1)
    var settings = WireSettings(delay: .seconds(1))
    settings.packetsInFlight = 2
    #expect(line.admit([1], at: start, settings) == .delayed)
    #expect(line.admit([2], at: start, settings) == .delayed)
    #expect(line.admit([3], at: start, settings) == .overflowed)
  }
}
