/// Takes from a request what ``Balance/hash(_:)`` goes by.
package struct CompiledHashKey: Sendable {
  private enum Source: Sendable {
    case field(name: [UInt8])
    case cookie(name: [UInt8])
    case clientAddress
    case target
  }

  private let source: Source
  private let hash: StableHash

  /// - Parameter hash: of the upstream.
  package init(_ key: Balance.HashKey, hash: StableHash) {
    switch key {
    case .header(let name): source = .field(name: name.utf8.map { ByteClass.lowercased($0) })
    case .cookie(let name): source = .cookie(name: Array(name.utf8))
    case .clientAddress: source = .clientAddress
    case .target: source = .target
    }
    self.hash = hash
  }

  /// nil when the request has no such field or cookie, or the client no address: such requests take turns.
  ///
  /// - Parameter clientAddress: its 4 or 16 bytes, of the client behind trusted proxies where there are some; without the port.
  package func key(
    _ head: RequestHead, _ bytes: RawSpan, _ fields: borrowing FieldTable, clientAddress: [UInt8]
  ) -> UInt64? {
    switch source {
    case .field(let name):
      for index in 0..<fields.count where bytes.equalsFolded(name, at: fields[index].name) {
        return hash.hash(bytes, fields[index].value)
      }
      return nil
    case .cookie(let name): return CookieValue.first(named: name, bytes, fields).map { hash.hash(bytes, $0) }
    case .clientAddress: return clientAddress.isEmpty ? nil : hash.hash(clientAddress)
    case .target: return hash.hash(bytes, head.target.pathAndQuery)
    }
  }
}
