package import Core

/// What became of a request that an origin has read completely.
package struct LedgerEntry: Equatable, Sendable {
  package enum Answer: String, Sendable {
    case answered
    /// The origin's script made it die instead.
    case died
    /// Read after the origin had half-closed the connection, so that no answer was possible.
    case halfClosed = "half-closed"
    /// Read by a step; what came of it is in the steps.
    case read
  }

  /// The request's X-Race-Id.
  package var id: String
  package var method: String
  package var target: String
  package var answer: Answer
  /// Number of the connection, from 1 on in the order of accepting.
  package var connection: Int
  /// Number of the request on its connection, from 1 on.
  package var exchange: Int
  package var at: Instant

  /// One line of JSON. Times in microseconds of a monotonic clock.
  package var json: String {
    "{\"id\":\(Self.quoted(id)),\"method\":\(Self.quoted(method)),\"target\":\(Self.quoted(target)),"
      + "\"answer\":\"\(answer.rawValue)\",\"connection\":\(connection),\"exchange\":\(exchange),"
      + "\"at_us\":\(at.nanoseconds / 1000)}"
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\": result += "\\\(scalar)"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}

/// What an origin does, as it does it, for people to watch.
package struct OriginEvent: Equatable, Sendable {
  /// Number of the connection, from 1 on.
  package var connection: Int
  package var at: Instant
  package var text: String
}

/// What an origin has done since its start.
package struct OriginCounters: Equatable, Sendable {
  package var accepted = 0
  package var open = 0
  package var requests = 0
  package var responses = 0
  package var deaths = 0
  /// Connections ended because they were idle, in the way of the script.
  package var idleEnds = 0
  package var farewells = 0
  /// Bytes read after the origin's own half-close.
  package var bytesAfterHalfClose = 0
  /// Requests read completely after the origin's own half-close.
  package var requestsAfterHalfClose = 0
  /// Connections that the peer ended.
  package var peerEnds = 0
  package var malformed = 0
  /// Requests that found no more room in the ledger.
  package var unrecorded = 0

  package var json: String {
    "{\"accepted\":\(accepted),\"open\":\(open),\"requests\":\(requests),\"responses\":\(responses),"
      + "\"deaths\":\(deaths),\"idle_ends\":\(idleEnds),\"farewells\":\(farewells),"
      + "\"bytes_after_half_close\":\(bytesAfterHalfClose),\"requests_after_half_close\":\(requestsAfterHalfClose),"
      + "\"peer_ends\":\(peerEnds),\"malformed\":\(malformed),\"unrecorded\":\(unrecorded)}"
  }
}
