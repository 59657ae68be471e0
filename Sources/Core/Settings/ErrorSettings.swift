/// What clients see of a failure that this proxy answers itself.
package struct ErrorSettings: Sendable, Hashable {
  package var details = Details.log
  /// At most one for each of its statuses.
  package var pages: [ErrorPage] = []
  package init() {}

  /// Who is told which server was asked and what happened there. The log always is.
  package enum Details: String, Sendable, Hashable, CaseIterable {
    /// Nobody else.
    case log
    /// Peers whose forwarding fields are believed (``ForwardingSettings/trustedPeers``).
    case trusted
    case all
  }
}

/// The content of answers with some statuses, in at least one form.
package struct ErrorPage: Sendable, Hashable {
  package enum Statuses: Sendable, Hashable {
    case one(UInt16)
    /// `4xx` or `5xx`: those that have no page of their own.
    case all(ofClass: UInt16)
  }

  package var statuses: Statuses
  package var text: [UInt8]?
  package var html: [UInt8]?
  package var json: [UInt8]?

  package init(_ statuses: Statuses) { self.statuses = statuses }

  package subscript(form: ErrorPageForm) -> [UInt8]? {
    switch form {
    case .text: text
    case .html: html
    case .json: json
    }
  }
}

/// In the order in which they are preferred where the client prefers none.
package enum ErrorPageForm: UInt8, Sendable, Hashable, CaseIterable, BitwiseCopyable {
  case text, html, json
}
