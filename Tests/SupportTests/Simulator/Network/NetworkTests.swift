import Core
import Simulator
import Testing

/// What any TCP owes its applications, whatever the path does.
struct NetworkTests {
  @Test("Bytes arrive once, in order and whole, through loss, jitter and overtaking", arguments: UInt64(0)..<40)
  func streamsAreWhole(seed: UInt64) {
    var random = RandomSource(seed: seed)
    var path = Path(oneWayDelay: .milliseconds(random.between(1, 30)))
    path.jitter = path.oneWayDelay
    path.reorders = true
    path.lossPerMille = random.between(0, 200)
    path.faultsEnd = Instant(nanoseconds: Nanoseconds.seconds(3).count)
    path.delayedAcknowledgment = random.chance(perMille: 500) ? .milliseconds(40) : .zero
    var network = Network(path: path, random: RandomSource(seed: seed &+ 1))
    let connection = network.connect()
    let ends = [EndpointID(connection, .proxy), EndpointID(connection, .server)]
    run(&network, until: { $0[ends[0]].state == .established && $0[ends[1]].state == .established })

    var written: [[Int32]] = [[], []]
    var read: [[Int32]] = [[], []]
    for tag in Int32(0)..<12 {
      let side = Int(random.below(2))
      let count = Int32(random.between(1, 6_000))
      #expect(network.write(ends[side], count: count, tag: tag) == nil)
      written[side].append(tag)
      for _ in 0..<random.below(6) where network.nextTime < .distantFuture { network.step() }
    }
    for end in ends { network.shutdownWrite(end) }
    var over = [false, false]
    while network.nextTime < .distantFuture, over != [true, true] {
      network.step()
      for side in 0...1 where !over[side] {
        reading: while true {
          switch network.read(ends[side]) {
          case .bytes(_, let tag, let isLast): if isLast { read[1 - side].append(tag) }
          case .endOfFile:
            over[side] = true
            break reading
          case .failed(let error):
            Issue.record("seed \(seed): \(error)")
            return
          case .wouldBlock: break reading
          }
        }
      }
    }
    #expect(over == [true, true], "seed \(seed): the end never came")
    #expect(read == written, "seed \(seed)")
    while network.nextTime < .distantFuture { network.step() }
    for end in ends {
      let left = network.outstanding(end)
      #expect(left == 0, "seed \(seed): bytes were never acknowledged")
    }
  }

  @Test("Nobody listens: refused; nobody answers: it times out")
  func connectFails() {
    for (listener, expected) in [(Network.Listener.refusing, SocketFailure.connectionRefused), (.silent, .timedOut)] {
      var network = Network(path: Path(oneWayDelay: .milliseconds(10)), random: RandomSource(seed: 1))
      network.listener = listener
      let proxy = EndpointID(network.connect(), .proxy)
      while network.nextTime < .distantFuture { network.step() }
      let error = network.takeError(proxy)
      #expect(error == expected)
    }
  }

  @Test("The client's SYN counts as one acknowledged byte")
  func synchronizeCounts() {
    var network = Network(path: Path(oneWayDelay: .milliseconds(10)), random: RandomSource(seed: 1))
    let proxy = EndpointID(network.connect(), .proxy)
    while network.nextTime < .distantFuture { network.step() }
    let acked = network[proxy].bytesAcked
    #expect(acked == 1)
    let roundTrip = network[proxy].smoothedRoundTrip
    #expect(roundTrip == .milliseconds(20))
  }

  private func run(_ network: inout Network, until isDone: (borrowing Network) -> Bool) {
    while !isDone(network), network.nextTime < .distantFuture { network.step() }
  }
}
