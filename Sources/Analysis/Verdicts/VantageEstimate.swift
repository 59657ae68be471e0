package import Core

extension Connection {
  /// Where the capture was taken, as this connection shows it: by how far its packets have travelled, by who answers at
  /// once in the handshake, and by who acknowledges at once.
  package var vantage: Vantage {
    if client.address == server.address { return .bothSides }
    let clientIsFresh = Connection.isInitialHopCount(clientStream.hops)
    let serverIsFresh = Connection.isInitialHopCount(serverStream.hops)
    if clientStream.hops > 0, serverStream.hops > 0, clientIsFresh != serverIsFresh {
      return clientIsFresh ? .clientSide : .serverSide
    }
    var gaps: (toServer: Nanoseconds, toClient: Nanoseconds)?
    if let syn, let synAck, let handshakeEnd, synCount == 1 {
      gaps = (synAck.time.since(syn.time), handshakeEnd.time.since(synAck.time))
    } else if let byServer = shortestAcknowledgement.byServer, let byClient = shortestAcknowledgement.byClient {
      gaps = (byServer, byClient)
    }
    guard let gaps else { return .unknown }
    // Below this the two ends are so near to each other that the order tells nothing.
    guard max(gaps.toServer, gaps.toClient) > .microseconds(150) else { return .unknown }
    if gaps.toServer > gaps.toClient * 4 { return .clientSide }
    if gaps.toClient > gaps.toServer * 4 { return .serverSide }
    return .unknown
  }

  /// What operating systems start with: Linux and BSD 64, Windows 128, network gear 255.
  private static func isInitialHopCount(_ hops: UInt8) -> Bool { hops == 64 || hops == 128 || hops == 255 }

  /// Round trip time as the handshake shows it, or the shortest acknowledgements.
  package var roundTrip: Nanoseconds? {
    if let syn, let handshakeEnd, synCount == 1 { return handshakeEnd.time.since(syn.time) }
    if let byServer = shortestAcknowledgement.byServer, let byClient = shortestAcknowledgement.byClient {
      return byServer + byClient
    }
    return shortestAcknowledgement.byServer ?? shortestAcknowledgement.byClient
  }

  /// The shortest time that the server took to answer or acknowledge anything, where the beginning of the handshake was seen.
  package var shortestAnswer: Nanoseconds? {
    guard let syn, let synAck, synCount == 1 else { return nil }
    let handshake = synAck.time.since(syn.time)
    return min(handshake, shortestAcknowledgement.byServer ?? handshake)
  }
}

extension Vantage {
  /// What this place keeps from being known.
  package var limits: String {
    switch self {
    case .clientSide:
      """
      Taken at the client: when the server sent something is known only from what its segments acknowledge; whether its \
      application read the request cannot be seen.
      """
    case .serverSide:
      """
      Taken at the server: requests that were lost on the way are not in it; what the client knew is known only from what its \
      segments acknowledge.
      """
    case .bothSides: "Both ends are seen: the order in the capture is the order in which things happened."
    case .unknown:
      "Where the capture was taken does not show; order is judged by acknowledgement numbers, not by the capture's clock."
    }
  }
}
