package import Core
internal import Synchronization

/// The servers of one upstream as far as they are judged together: only a share of them may be ejected at once.
///
/// Workers tell how attempts ended. Where all is well nothing is told, so that the lock is taken for failures, and for the
/// first success behind one.
package final class ServerGroup: Sendable {
  private struct Member {
    var record: ServerRecord
    var ejection: Ejection?
    var hasWeight: Bool
  }

  private struct State {
    var settings: EjectionSettings?
    var members: [Member] = []
    var isFirst = true
    var generator = SystemRandomNumberGenerator()
  }

  private let state = Mutex(State())

  package init() {}

  /// Takes over the servers that the upstream has now. Those that stay keep their state, unless its settings changed; those
  /// that join others start slowly.
  package func adopt(_ servers: [UpstreamMember], under settings: UpstreamSettings, now: Instant) {
    state.withLock { state in
      let keeps = state.settings == settings.ejection
      state.members = servers.map { server in
        let record = server.record
        guard let known = state.members.first(where: { $0.record === record }) else {
          if !state.isFirst { record.health.warms(since: now) }
          return Member(
            record: record, ejection: settings.ejection.map { Ejection($0) }, hasWeight: server.weight > 0)
        }
        let ejection = keeps ? known.ejection : settings.ejection.map { Ejection($0) }
        record.health.publish(ejection)
        return Member(record: record, ejection: ejection, hasWeight: server.weight > 0)
      }
      state.settings = settings.ejection
      // Until a name is known for the first time there is nobody to join.
      if !servers.isEmpty { state.isFirst = false }
    }
  }

  /// An attempt at a server ended.
  ///
  /// - Returns: what changed, and how many failures in a row it takes.
  package func ended(
    _ outcome: Ejection.Outcome, at record: ServerRecord, now: Instant
  ) -> Ejection.Change {
    state.withLock { state in
      guard let index = state.members.firstIndex(where: { $0.record === record }) else { return .unchanged }
      guard var ejection = state.members[index].ejection else { return .unchanged }
      var ejected = 0
      var servers = 0
      for (other, member) in state.members.enumerated() where member.hasWeight {
        servers += 1
        if other != index, member.ejection?.isEjected(now: now) == true { ejected += 1 }
      }
      let random = state.generator.next()
      let change = ejection.ended(outcome, ejected: ejected, servers: servers, now: now, random: random)
      state.members[index].ejection = ejection
      record.health.publish(ejection)
      if case .ejected(let until) = change {
        record.health.wasEjected()
        // It comes back slowly.
        record.health.warms(since: until)
      }
      return change
    }
  }
}
