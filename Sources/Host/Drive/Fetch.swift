package import Core

/// Gets small pages, for the driver's own needs.
package enum Fetch {
  /// The body of a 200 answer to a GET; tried again until `limit` is over, since servers take their time to start.
  package static func get(_ path: String, from address: SocketAddress, atMost limit: Nanoseconds) throws -> String {
    let deadline = MonotonicClock.now.advanced(by: limit)
    while true {
      do {
        let socket = try BlockingSocket(to: address, atMost: .seconds(3))
        try socket.send("GET \(path) HTTP/1.1\r\nHost: \(address)\r\nConnection: close\r\n\r\n")
        let answer = try socket.receiveAll(atMost: .seconds(30))
        guard answer.hasPrefix("HTTP/1.1 200 "), let end = answer.firstRange(of: "\r\n\r\n") else {
          throw BlockingSocket.Failure.ended(String(answer.prefix(100)))
        }
        return String(answer[end.upperBound...])
      } catch {
        guard MonotonicClock.now < deadline else { throw error }
        pause(.milliseconds(50))
      }
    }
  }
}
