import Core
import Glibc

extension Worker {
  /// Connections taken from one listener before the other events get their turn.
  private static let acceptsPerTurn = 64
  /// How long accepting rests when no descriptor is left.
  private static let pauseAtDescriptorLimit = Nanoseconds.milliseconds(100)

  func accept(from listener: Int) {
    for _ in 0..<Self.acceptsPerTurn {
      // A listener can be gone by a reload while its event waits.
      guard !acceptingIsPaused, listener < listeners.count else { return }
      guard load.clientArrives(limit: clientLimit) else {
        pause("the limit of \(clientLimit) client connections is reached; more wait in the kernel's queue")
        return
      }
      do throws(SystemError) {
        guard let accepted = try Socket.accept(listeners[listener].descriptor.number) else { return load.clientLeft() }
        admit(accepted, at: listeners[listener])
      } catch {
        load.clientLeft()
        switch error.code {
        case EMFILE, ENFILE:
          pause("no file descriptor is left (\(SystemError.text(of: error.code))); raise 'ulimit -n' or LimitNOFILE")
        case ENOBUFS, ENOMEM:
          pause("the kernel has no memory for another connection (\(SystemError.text(of: error.code)))")
        default:
          notices.post(now) { log.warning("accept failed: \(error)") }
        }
        return
      }
    }
  }

  /// Takes what waits in the kernel's queue before the listener goes: nobody else would.
  func acceptAll(from listener: Listener) {
    // Bounded by what the queue can hold.
    for _ in 0..<4_096 {
      guard let accepted = try? Socket.accept(listener.descriptor.number) else { return }
      load.clientArrives()
      admit(accepted, at: listener)
    }
  }

  /// Takes care of a connection that the load counts already.
  private func admit(_ accepted: consuming Socket.Accepted, at listener: Listener) {
    let peer = accepted.peer
    counters.clientConnectionsAccepted &+= 1
    let descriptor = accepted.takeDescriptor()
    let number = descriptor.number
    if !peer.isUnix { Socket.sendPromptly(number) }
    var held: Descriptor? = consume descriptor
    let isSecure = listener.tls != nil
    let forwarding = forwarding(for: peer, isSecure: isSecure)
    let client = clients.insert { token in
      // The slab calls this once; a descriptor has one holder.
      ClientConnection(token: token, descriptor: held.take()!, peer: peer, isSecure: isSecure, forwarding: forwarding)
    }
    do throws(SystemError) {
      try poller.register(
        number, for: [.readable, .writable, .peerClosed], trigger: .edge, token: client.token)
    } catch {
      notices.post(now) { log.warning("a client connection cannot be watched: \(error)") }
      clients.remove(client.token)
      load.clientLeft()
      client.closeSocket()
      return
    }
    client.maySpeakHTTP2 = listener.settings.h2c
    switch listener.settings.proxyProtocol {
    case .off:
      if let tls = listener.tls { beginTLS(client, tls) }
      guard settings.guards.connectionsPerClient == nil || countConnection(of: client) else { return }
    case .required(let senders):
      guard maySendProxyHeader(client, senders) else { return }
      client.awaitsProxyHeader = true
      // It comes before TLS begins.
      client.tlsBehindHeader = listener.tls
    }
    expect(.idle, of: client, within: drain == nil ? settings.timeouts.requestHead : drainGrace)
  }

  // MARK: - Pausing

  private func pause(_ reason: String) {
    counters.acceptsPaused &+= 1
    if now.since(pauseToldAt) >= .seconds(1) {
      pauseToldAt = now
      notices.post(now) { log.error("accepting is paused: \(reason)") }
    }
    pauseAccepting()
    timers.schedule(UInt64(Kind.resumeAccepting) << 56, at: now.advanced(by: Self.pauseAtDescriptorLimit))
  }

  func pauseAccepting() {
    acceptingIsPaused = true
    for index in listeners.indices where listeners[index].isRegistered {
      poller.deregister(listeners[index].descriptor.number)
      listeners[index].isRegistered = false
    }
  }

  func resumeAccepting() throws(SystemError) {
    guard drain == nil else { return }
    acceptingIsPaused = false
    for index in listeners.indices where !listeners[index].isRegistered {
      try poller.register(
        listeners[index].descriptor.number, for: .readable,
        trigger: listeners[index].isShared ? .levelExclusive : .level,
        token: UInt64(Kind.listener) << 56 | UInt64(index))
      listeners[index].isRegistered = true
    }
  }
}
