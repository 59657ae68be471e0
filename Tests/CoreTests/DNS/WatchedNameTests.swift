import Core
import Testing

/// What is kept of a name over answers, failures and silence, and when it is looked up again.
@Suite struct WatchedNameTests {
  private let name = DNSName("app.example")!
  private let bounds = WatchedName.Bounds(minimum: .seconds(1), maximum: .seconds(30))

  private func time(_ seconds: Int64) -> Instant { Instant(nanoseconds: 0).advanced(by: .seconds(seconds)) }

  private func answer(_ values: [UInt32], seconds: UInt32 = 10, ipv6: LookupOutcome.FamilyResult = .none)
    -> LookupOutcome
  {
    .answered(name: name, ipv4: .addresses(values.map { .ipv4($0) }, seconds: seconds), ipv6: ipv6)
  }

  @Test func theTTLHoldsWithinItsBounds() {
    var watched = WatchedName(bounds: bounds, now: time(0))
    #expect(watched.due == time(0))
    #expect(!watched.isSettled)
    #expect(watched.lookedUp(answer([2, 1]), now: time(0)) == .addresses)
    #expect(watched.addresses == [.ipv4(1), .ipv4(2)])
    #expect(watched.due == time(10))
    #expect(watched.lookedUp(answer([1, 2], seconds: 0), now: time(10)) == .none, "another order is no change")
    #expect(watched.due == time(11))
    #expect(watched.lookedUp(answer([1], seconds: 86_400), now: time(11)) == .addresses)
    #expect(watched.due == time(41))
  }

  /// Where the settings set no least time, servers that say 0 are not asked without end.
  @Test func nobodyIsAskedWithoutEnd() {
    var watched = WatchedName(bounds: WatchedName.Bounds(minimum: .zero, maximum: .seconds(30)), now: time(0))
    _ = watched.lookedUp(answer([1], seconds: 0), now: time(0))
    #expect(watched.due == time(0).advanced(by: WatchedName.shortestPeriod))
  }

  @Test func failuresKeepWhatThereIsAndAreRepeatedWithGrowingPauses() {
    var watched = WatchedName(bounds: bounds, now: time(0))
    _ = watched.lookedUp(answer([1]), now: time(0))
    var now = time(10)
    var pauses: [Int64] = []
    for index in 0..<8 {
      #expect(watched.lookedUp(.failed(.silent(0)), now: now) == .failed(isFirst: index == 0))
      pauses.append(watched.due.since(now).count / 1_000_000_000)
      now = watched.due
    }
    #expect(pauses == [1, 2, 4, 8, 16, 30, 30, 30])
    #expect(watched.addresses == [.ipv4(1)])
    #expect(watched.lookedUp(answer([1]), now: now) == .recovered(changed: false))
    #expect(watched.lookedUp(.failed(.silent(0)), now: now) == .failed(isFirst: true))
    #expect(watched.due.since(now) == .seconds(1))
  }

  @Test func aNameThatIsGoneForLongLosesItsServers() {
    var watched = WatchedName(bounds: bounds, now: time(0))
    _ = watched.lookedUp(answer([1]), now: time(0))
    let gone = LookupOutcome.notFound(asked: [name])
    #expect(watched.lookedUp(gone, now: time(10)) == .failed(isFirst: true))
    #expect(watched.lookedUp(gone, now: time(39)) == .failed(isFirst: false))
    #expect(watched.addresses == [.ipv4(1)])
    #expect(watched.lookedUp(gone, now: time(40)) == .emptied)
    #expect(watched.addresses.isEmpty)
    #expect(watched.lookedUp(gone, now: time(80)) == .failed(isFirst: false))
    #expect(watched.lookedUp(answer([3]), now: time(90)) == .recovered(changed: true))
  }

  @Test func silenceBetweenMeansThatNobodyKnows() {
    var watched = WatchedName(bounds: bounds, now: time(0))
    _ = watched.lookedUp(answer([1]), now: time(0))
    _ = watched.lookedUp(.notFound(asked: [name]), now: time(10))
    _ = watched.lookedUp(.failed(.silent(0)), now: time(30))
    #expect(watched.lookedUp(.notFound(asked: [name]), now: time(50)) == .failed(isFirst: false))
    #expect(watched.addresses == [.ipv4(1)])
  }

  @Test func aFamilyThatFailsKeepsItsAddresses() {
    var watched = WatchedName(bounds: bounds, now: time(0))
    _ = watched.lookedUp(answer([1], ipv6: .addresses([.ipv6(0, 5)], seconds: 3)), now: time(0))
    #expect(watched.due == time(3))
    #expect(watched.lookedUp(answer([2], ipv6: .failed), now: time(3)) == .addresses)
    #expect(watched.addresses == [.ipv4(2), .ipv6(0, 5)])
    #expect(watched.lookedUp(answer([2]), now: time(13)) == .addresses)
    #expect(watched.addresses == [.ipv4(2)])
    let other = LookupOutcome.answered(
      name: DNSName("other")!, ipv4: .failed, ipv6: .addresses([.ipv6(0, 6)], seconds: 3))
    #expect(watched.lookedUp(other, now: time(23)) == .addresses)
    #expect(watched.addresses == [.ipv6(0, 6)], "those of another name are no answer for this one")
  }

  @Test func beforeTheFirstAnswerItIsTriedSoon() {
    var watched = WatchedName(bounds: bounds, now: time(0))
    #expect(watched.lookedUp(.failed(.silent(0)), now: time(5)) == .failed(isFirst: true))
    #expect(watched.isSettled)
    #expect(watched.due == time(6))
    watched.lookupWanted(now: time(5))
    #expect(watched.due == time(5))
  }
}
