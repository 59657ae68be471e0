import Core

extension Worker {
  /// Sets the one deadline of a client connection; a later call replaces it.
  func setDeadline(_ client: ClientConnection, after span: Nanoseconds, for reason: ClientConnection.DeadlineReason) {
    let deadline = now.advanced(by: span)
    client.deadline = deadline
    client.deadlineReason = reason
    if deadline < client.timerAt {
      client.timerAt = deadline
      timers.schedule(client.token, at: deadline)
    }
  }

  func timerFired(_ token: UInt64) {
    switch UInt8(token >> 56) {
    case Kind.client:
      guard let client = clients.element(token) else { return }
      clientTimerFired(client)
    case Kind.sweep:
      sweep(servers[Int(token & 0xffff_ffff)])
    case Kind.resumeAccepting:
      do throws(SystemError) {
        try resumeAccepting()
      } catch {
        notices.post(now) { log.error("accepting cannot be resumed: \(error)") }
        timers.schedule(token, at: now.advanced(by: .seconds(1)))
      }
    case Kind.drainDeadline:
      break
    case let kind:
      preconditionFailure("no timer has the kind \(kind)")
    }
  }

  private func clientTimerFired(_ client: ClientConnection) {
    guard client.deadline <= now else {
      // The deadline moved on since the entry was made; a sooner entry that came up before it may have been replaced.
      if client.timerAt <= now {
        client.timerAt = client.deadline
        if client.deadline != .distantFuture { timers.schedule(client.token, at: client.deadline) }
      }
      return
    }
    client.timerAt = .distantFuture
    let reason = client.deadlineReason
    client.deadline = .distantFuture
    client.deadlineReason = .none
    deadlinePassed(client, reason)
  }

  private func deadlinePassed(_ client: ClientConnection, _ reason: ClientConnection.DeadlineReason) {
    switch reason {
    case .none: break
    case .clientIdle:
      closeClient(client)
    case .requestHead:
      counters.clientTimeouts &+= 1
      answerLate(client, "the request head was not complete within \(settings.timeouts.requestHead.text)")
    case .requestBody:
      counters.clientTimeouts &+= 1
      requestBodyStalled(client)
    case .clientStalled:
      counters.clientTimeouts &+= 1
      clientStalled(client)
    case .connect: connectTimedOut(client)
    case .waiting: waitEnded(client)
    case .responseHead: responseHeadTimedOut(client)
    case .responseBody: responseBodyStalled(client)
    case .resetWait: resetWaitEnded(client)
    case .tunnel: endTunnel(client, abort: true)
    case .linger: closeClient(client)
    }
    if client.phase != .closed { advance(client) }
  }
}
