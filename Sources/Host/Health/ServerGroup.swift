package import Core
internal import Synchronization

/// The servers of one upstream as far as they are judged together: only a share of them may be ejected at once.
///
/// Workers tell how attempts ended. Where all are healthy nothing is told, so that the lock is taken for failures, and for the
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
    /// Those that left, the last one last: names that give another part of their addresses each time bring them back.
    var former: [ServerRecord] = []
    var isFirst = true
    var generator = SystemRandomNumberGenerator()
  }

  private let state = Mutex(State())

  /// Servers that left and are remembered.
  private static let maximumFormer = 256

  package init() {}

  /// What is known of a server that was here before: how long it keeps idle connections, above all.
  package func formerRecord(of address: SocketAddress, _ origin: OriginAddress) -> ServerRecord? {
    state.withLock { $0.former.last { $0.address == address && $0.origin == origin } }
  }

  /// Takes over the servers that the upstream has now. Those that stay keep their state, unless its settings changed; those
  /// that join others start slowly.
  package func adopt(_ servers: [UpstreamMember], under settings: UpstreamSettings, now: Instant) {
    state.withLock { state in
      let keeps = state.settings == settings.ejection
      for member in state.members where !servers.contains(where: { $0.record === member.record }) {
        state.former.append(member.record)
      }
      state.former.removeAll { record in servers.contains { $0.record === record } }
      state.former.removeFirst(max(0, state.former.count - Self.maximumFormer))
      state.members = servers.map { server in
        let record = server.record
        guard let known = state.members.first(where: { $0.record === record }) else {
          if !state.isFirst { record.health.warms(since: now) }
          record.health.publish(nil)
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
