internal import CTLS

/// The keys of session tickets (RFC 5077, RFC 8446 section 4.6.1): the newest encrypts, all decrypt. Whoever has them can read
/// what was said on connections of TLS 1.2 that tickets resumed, so they are to be rotated and to be kept from disks.
package struct TicketKeys: Sendable, Equatable {
  /// Random bytes that a key takes.
  package static let keySize = Int(PHOTOFINISH_TLS_TICKET_KEY_SIZE)
  package static let limit = Int(PHOTOFINISH_TLS_TICKET_KEYS)

  /// The newest first, each of ``keySize`` bytes.
  package private(set) var bytes: [UInt8]

  package init(random: [UInt8]) {
    precondition(random.count == Self.keySize, "a key takes \(Self.keySize) random bytes")
    bytes = random
  }

  /// As ``bytes`` gave them, to another process for instance; nil when these are no keys.
  package init?(bytes: [UInt8]) {
    guard !bytes.isEmpty, bytes.count % Self.keySize == 0, bytes.count <= Self.limit * Self.keySize else { return nil }
    self.bytes = bytes
  }

  /// With a newest key of these bytes; the oldest goes when there are too many.
  package func rotated(random: [UInt8]) -> TicketKeys {
    precondition(random.count == Self.keySize, "a key takes \(Self.keySize) random bytes")
    var rotated = self
    rotated.bytes = random + bytes.prefix((Self.limit - 1) * Self.keySize)
    return rotated
  }
}

/// The keys in use, shared by all threads and by the contexts of all reload generations.
@safe
package final class TicketKeyRing: @unchecked Sendable {  // Safe: the C side holds a lock around every access.
  let ring: OpaquePointer

  package init(_ keys: TicketKeys) {
    // Safe: made here, freed in deinit; nil only without memory.
    guard let made = unsafe photofinish_tls_ring_new() else {
      preconditionFailure("there is no memory for ticket keys")
    }
    unsafe ring = made
    self.keys = keys
  }

  deinit {
    // Safe: nobody else holds it: contexts hold this object.
    unsafe photofinish_tls_ring_free(ring)
  }

  package var keys: TicketKeys {
    get {
      var bytes = [UInt8](repeating: 0, count: TicketKeys.limit * TicketKeys.keySize)
      // Safe: the array has room for all keys.
      let count = unsafe bytes.withUnsafeMutableBytes { unsafe photofinish_tls_ring_get(ring, $0.baseAddress!) }
      bytes.removeLast((TicketKeys.limit - count) * TicketKeys.keySize)
      return TicketKeys(bytes: bytes)!  // The ring holds only what a value of this type held.
    }
    set {
      // Safe: the count is that of the array.
      unsafe newValue.bytes.withUnsafeBytes {
        unsafe photofinish_tls_ring_set(ring, $0.baseAddress!, newValue.bytes.count / TicketKeys.keySize)
      }
    }
  }
}
