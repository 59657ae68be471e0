/// Which requests are meant, and what becomes of them.
package struct RouteSettings: Sendable, Hashable {
  /// For logs and counters; unique.
  package var name: String
  package var match = RouteMatch()
  package var action: RouteAction
  /// Applied to the request as it goes to the server, in this order.
  package var requestEdits: [FieldEdit] = []
  /// Applied to every response of the route, the proxy's own included.
  package var responseEdits: [FieldEdit] = []
  /// nil where the upstream's or the proxy's own settings hold.
  package var timeouts = Timeouts()
  package var bodyBytes: UInt64?
  package var replay: UpstreamSettings.ReplaySettings?
  package var retry: RetrySettings?

  package init(name: String, action: RouteAction) {
    self.name = name
    self.action = action
  }

  /// It leads to the same place by https, and nowhere else: for who has come by https it would be a circle, so it is not for them.
  package var leadsToHTTPSAlone: Bool {
    guard case .redirect(let redirect) = action else { return false }
    return redirect.scheme == "https" && redirect.host == nil && redirect.rewrite == .none && redirect.keepsQuery
  }

  package struct Timeouts: Sendable, Hashable {
    package var responseHead: Nanoseconds?
    package var bodyIdle: Nanoseconds?
    package var tunnelIdle: Nanoseconds?
    /// From the request's first byte to the response's last, all attempts included (504, or a break).
    package var exchange: Nanoseconds?
    package init() {}
  }
}

/// What a request must have for a route. Everything that is named must hold; of several values in a list one is enough.
///
/// More specific is, in this order: an exact host before a wildcard (a longer one first) before any; an exact path before a
/// longer prefix before a shorter one before any; more conditions on method and fields before fewer, where a list of methods is
/// one condition.
package struct RouteMatch: Sendable, Hashable {
  package var hosts: [HostPattern] = []
  package var paths: [PathPattern] = []
  /// Case-sensitive, as methods are.
  package var methods: [String] = []
  package var fields: [FieldMatch] = []
  package init() {}

  /// A host without its port, in lower case.
  package enum HostPattern: Sendable, Hashable {
    case exact(String)
    /// `*.example.com`: any name below `example.com`, however deep, not itself. Holds the part behind the asterisk with its dot.
    case suffix(String)
  }

  /// Compared byte by byte with the path as it was sent, the query left out: nothing is decoded or made shorter.
  package enum PathPattern: Sendable, Hashable {
    case exact(String)
    /// `/api` matches `/api` and `/api/x`, not `/apis`; `/api/` matches what begins so.
    case prefix(String)
  }

  package struct FieldMatch: Sendable, Hashable {
    /// In lower case.
    package var name: String
    package var condition: Condition
    package init(name: String, condition: Condition) {
      self.name = name
      self.condition = condition
    }

    package enum Condition: Sendable, Hashable {
      case present
      case absent
      case equals(String)
      case contains(String)
    }
  }
}

package enum RouteAction: Sendable, Hashable {
  /// To the upstream of this index.
  case forward(upstream: Int, rewrite: PathRewrite)
  case redirect(Redirect)
  case respond(FixedResponse)
}

package enum PathRewrite: Sendable, Hashable {
  case none
  /// Takes the prefix away; what remains begins with "/".
  case stripPrefix(String)
  case replacePrefix(String, with: String)
  /// The whole path; the query stays.
  case replacePath(String)
}

/// A redirect (RFC 9110 section 15.4). Parts that are nil stay as they were asked for.
package struct Redirect: Sendable, Hashable {
  /// 301, 302, 303, 307 or 308.
  package var status: UInt16 = 308
  package var scheme: String?
  /// With its port, if it has one.
  package var host: String?
  package var rewrite = PathRewrite.none
  /// Whether the query is kept.
  package var keepsQuery = true
  package init() {}
}

package struct FixedResponse: Sendable, Hashable {
  package var status: UInt16
  package var contentType: String
  package var body: [UInt8]
  package init(status: UInt16, contentType: String = "text/plain; charset=utf-8", body: [UInt8] = []) {
    self.status = status
    self.contentType = contentType
    self.body = body
  }
}

/// A change of one field of a head. Names and values are legal ones, and no name is one that frames the message or belongs to
/// this hop (Content-Length, Transfer-Encoding, Connection and the like).
package enum FieldEdit: Sendable, Hashable {
  /// In place of all lines of that name.
  case set(name: String, value: [ValuePart])
  /// Behind what is there.
  case add(name: String, value: [ValuePart])
  case remove(name: String)

  package var name: String {
    switch self {
    case .set(let name, _), .add(let name, _), .remove(let name): name
    }
  }

  /// Values may name what is known of the request: `{client-address}` and the like.
  package enum ValuePart: Sendable, Hashable {
    case text(String)
    case clientAddress
    case clientPort
    case host
    case requestID
    case scheme
    case server
    case upstream
    case route
  }
}
