import Core
import Testing

/// Who gets a connection that comes back while others wait.
struct PoolHandOverTests {
  private let fresh = IdleBounds(leaseLimit: .seconds(60), provenAge: .milliseconds(10))
  /// The server closes some connections unannounced, right after a response.
  private let suspicious = IdleBounds(leaseLimit: .seconds(60), provenAge: .zero)

  @Test("Where not even an idle age of zero is proven, what cannot be repaired waits for a fresh connection")
  func unprovenHandOver() {
    var pool = Pool(settings: PoolSettings(maximumConnections: 1))
    let lease = Self.firstLease(&pool, bounds: suspicious)
    Self.enqueue(2, idempotent: false, &pool, bounds: suspicious)
    switch pool.leaseReturned(lease, reusable: true, bounds: suspicious, now: .start) {
    case .close(let reason, let room):
      #expect(reason == .freshWanted)
      guard case .connect(_, let exchange) = room else {
        Issue.record("nobody got the room")
        return
      }
      #expect(exchange == ExchangeID(slot: 2, generation: 0))
    case .handOver(let next):
      Issue.record("a used connection was handed over")
      _ = pool.leaseReturned(next, reusable: false, bounds: suspicious, now: .start)
    case .keptIdle: Issue.record("a connection idles while somebody waits")
    }
  }

  @Test("An idempotent request, and any request at a server that keeps its connections, takes what comes back")
  func provenHandOver() {
    for (idempotent, bounds) in [(true, suspicious), (true, fresh), (false, fresh)] {
      var pool = Pool(settings: PoolSettings(maximumConnections: 1))
      let lease = Self.firstLease(&pool, bounds: bounds)
      Self.enqueue(2, idempotent: idempotent, &pool, bounds: bounds)
      switch pool.leaseReturned(lease, reusable: true, bounds: bounds, now: .start) {
      case .handOver(let next):
        let exchange = next.exchange
        #expect(exchange == ExchangeID(slot: 2, generation: 0))
        _ = pool.leaseReturned(next, reusable: false, bounds: bounds, now: .start)
      case .close: Issue.record("the connection was closed")
      case .keptIdle: Issue.record("a connection idles while somebody waits")
      }
    }
  }

  private static func firstLease(_ pool: inout Pool, bounds: IdleBounds) -> Lease {
    let exchange = ExchangeID(slot: 1, generation: 0)
    guard
      case .connect(let connection, _) = pool.requestArrived(
        exchange, idempotent: true, freshOnly: false, bounds: bounds, now: .start),
      case .lease(let lease) = pool.connectSucceeded(connection, bounds: bounds, now: .start)
    else { preconditionFailure("an empty pool opens a connection") }
    return lease
  }

  private static func enqueue(_ slot: UInt32, idempotent: Bool, _ pool: inout Pool, bounds: IdleBounds) {
    guard
      case .wait = pool.requestArrived(
        ExchangeID(slot: slot, generation: 0), idempotent: idempotent, freshOnly: false, bounds: bounds, now: .start)
    else { preconditionFailure("the only connection is leased") }
  }
}

extension Instant {
  fileprivate static let start = Instant(nanoseconds: 0)
}
