/// Where the proxy shows how it is, and who may change something there.
package struct AdminSettings: Sendable, Hashable {
  /// A TCP address or a UNIX socket.
  package var address: ListenAddress
  /// What a client has to show as `Authorization: Bearer`: for changes over TCP, and for everything where other machines can
  /// connect. nil: nobody changes anything over TCP.
  package var token: String?
  /// Names beside IP addresses and localhost that requests may have as Host.
  package var hosts: [String] = []

  package init(_ address: ListenAddress) { self.address = address }

  /// Fewer bytes can be guessed.
  package static let shortestToken = 16
}
