internal import Core

/// Something on the path that forgets a connection before either end closes it.
enum MiddleboxRules {
  static func findings(_ reading: CheckReading) -> [CheckFinding] {
    reading.middleboxes.flatMap { box -> [CheckFinding] in
      guard let limit = box.idle.value.length, limit != .unlimited else { return [] }
      let pools = reading.pools.filter {
        $0.use != .unused && !isCloud($0.software) && ($0.idle.value.length ?? .zero) >= limit
      }
      return pools.prefix(8).map { pool in
        // IPVS is on the way of every pool of its cluster. Of a balancer nobody knows whether this pool goes through it,
        // unless they are set up side by side.
        let isOnTheWay = box.software == .ipvs || pool.place.file == box.place.file
        return CheckFinding(
          .middleboxBetween, isOnTheWay ? .warning : .note, isOnTheWay ? .likely : .open, at: pool.place,
          "\(pool.title) holds idle connections \(pool.idle.value == .never ? "without limit" : "for \(pool.idle.value.spoken)"), and \(box.title) on "
            + "the path forgets them after \(limit.spoken): the next request gets no answer, or a reset.",
          evidence: [CheckEvidence("\(box.title)", at: box.place)],
          changes: [
            CheckChange(
              "hold them for less than \(limit.spoken), or send TCP keep-alive probes more often", at: pool.place)
          ])
      }
    }
  }

  /// A load balancer of a cloud reaches its servers inside, past no other balancer of these files.
  private static func isCloud(_ software: Software) -> Bool {
    switch software {
    case .alb, .classicELB, .googleLoadBalancer, .azureGateway, .cloudFront: true
    default: false
    }
  }
}
