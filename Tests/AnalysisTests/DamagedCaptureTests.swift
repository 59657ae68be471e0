import Analysis
import Core
import Testing

/// What a capture lost, doubled or disordered may make a verdict inconclusive, never wrong.
@Suite struct DamagedCaptureTests {
  enum Damage: String, CaseIterable, Sendable {
    case dropped
    case droppedMany
    case doubled
    case reordered
    case all
  }

  static func damage(_ list: inout PacketList, _ damage: Damage, _ numbers: inout SeededNumbers) {
    func drop(_ count: Int) {
      for _ in 0..<max(0, min(count, list.packets.count - 1)) {
        list.packets.remove(at: Int.random(in: 0..<list.packets.count, using: &numbers))
      }
    }
    func double() {
      guard !list.packets.isEmpty else { return }
      let index = Int.random(in: 0..<list.packets.count, using: &numbers)
      list.packets.insert(list.packets[index], at: index + 1)
    }
    func reorder() {
      guard list.packets.count > 1 else { return }
      let index = Int.random(in: 0..<(list.packets.count - 1), using: &numbers)
      // Only packets that were captured at about the same time come in the wrong order.
      let gap = list.packets[index + 1].packet.time!.since(list.packets[index].packet.time!)
      guard gap < .milliseconds(2) else { return }
      list.packets.swapAt(index, index + 1)
    }
    switch damage {
    case .dropped: drop(1)
    case .droppedMany: drop(Int.random(in: 2...6, using: &numbers))
    case .doubled: for _ in 0..<5 { double() }
    case .reordered: for _ in 0..<20 { reorder() }
    case .all:
      drop(1)
      double()
      for _ in 0..<8 { reorder() }
    }
  }

  /// Which kinds may stand for a kind when the capture is damaged.
  private static func isAllowed(_ found: CaptureFinding, truth: [CaptureFinding]) -> Bool {
    let kind = found.finding.kind
    if kind == .inconclusive { return true }
    let here = truth.filter { $0.client == found.client }
    if here.contains(where: { $0.finding.kind == kind }) { return true }
    // Both crossed the FIN as well; what makes them more than that is in the packets that are gone.
    if kind == .crossingFIN, here.contains(where: { [.unaskedAnswer, .closeIgnored].contains($0.finding.kind) }) {
      return true
    }
    // Without the reset behind its FIN it looks as if the server had read on; the race it is all the same.
    if kind == .crossingHalfClose, here.contains(where: { $0.finding.kind == .resetUnread }) { return true }
    // One of several closes that together showed a timer is still a close during handling.
    return kind == .closedWhileHandling && here.contains { $0.finding.kind == .serverTimer }
  }

  @Test(arguments: VerdictTests.cases) func neverJudgesWrongly(_ sample: VerdictTests.Case) throws {
    let whole = try PacketList(CaptureFixtures.bytes(sample.capture))
    let truth = whole.report().findings
    for damage in Damage.allCases {
      for seed in UInt64(1)...40 {
        var numbers = SeededNumbers(seed: seed)
        var list = whole
        DamagedCaptureTests.damage(&list, damage, &numbers)
        for found in list.report().findings {
          #expect(
            DamagedCaptureTests.isAllowed(found, truth: truth),
            "\(sample.capture), \(damage.rawValue), seed \(seed): \(found.finding.kind.rawValue): \(found.finding.summary)"
          )
        }
      }
    }
  }

  /// Every single packet that can be missing.
  @Test(arguments: VerdictTests.cases) func neverJudgesWronglyWithoutOnePacket(_ sample: VerdictTests.Case) throws {
    let whole = try PacketList(CaptureFixtures.bytes(sample.capture))
    let truth = whole.report().findings
    for index in whole.packets.indices {
      var list = whole
      list.packets.remove(at: index)
      for found in list.report().findings {
        #expect(
          DamagedCaptureTests.isAllowed(found, truth: truth),
          "\(sample.capture) without frame \(index + 1): \(found.finding.kind.rawValue): \(found.finding.summary)")
      }
    }
  }

  /// A capture that begins or ends anywhere.
  @Test(arguments: VerdictTests.cases) func neverJudgesAPartWrongly(_ sample: VerdictTests.Case) throws {
    let whole = try PacketList(CaptureFixtures.bytes(sample.capture))
    let truth = whole.report().findings
    for index in whole.packets.indices.dropFirst() {
      for keepsStart in [true, false] {
        var list = whole
        list.packets = Array(keepsStart ? whole.packets[..<index] : whole.packets[index...])
        for found in list.report().findings {
          #expect(
            DamagedCaptureTests.isAllowed(found, truth: truth),
            "\(sample.capture) \(keepsStart ? "up to" : "from") frame \(index + 1): \(found.finding.kind.rawValue): \(found.finding.summary)"
          )
        }
      }
    }
  }
}
