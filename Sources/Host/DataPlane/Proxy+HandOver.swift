import Core

/// Another process takes the listeners over.
extension Proxy {
  /// Listeners as they are passed on.
  struct HandOver: Sendable {
    var listeners: [BoundListener]
  }

  /// Lends the listeners to another process. Until ``cancelHandOver()`` or ``finishHandOver(_:taken:atMost:)``
  /// nothing may change them, and an end leaves them as they are.
  func beginHandOver() throws(StartError) -> HandOver {
    let result = changing.withLock { _ in
      state.withLock { state -> Result<HandOver, StartError> in
        if state.isEnding {
          return .failure(StartError(description: "the proxy is draining already; start another in the ordinary way"))
        }
        if state.isHandingOver {
          return .failure(StartError(description: "another process is taking over at the moment; wait for it"))
        }
        state.isHandingOver = true
        return .success(HandOver(listeners: state.listeners))
      }
    }
    let handOver = try result.get()
    for listener in handOver.listeners { listener.livesOn = true }
    return handOver
  }

  /// The other process did not come up: as before.
  func cancelHandOver() {
    state.withLock { state in
      guard state.isHandingOver else { return }
      state.isHandingOver = false
      for listener in state.listeners { listener.livesOn = listener.isManaged }
    }
  }

  /// The other process serves those of the listeners whose places are in `taken`; this one drains. Says whether it was not
  /// ending already.
  func finishHandOver(_ handOver: HandOver, taken: Set<Int>, atMost patience: Nanoseconds) -> Bool {
    for (place, listener) in handOver.listeners.enumerated() where !taken.contains(place) {
      listener.livesOn = listener.isManaged
    }
    return beginDrain(atMost: patience)
  }
}
