import CCompression
import Core

/// Unpacks gzip, zstd and xz, piece by piece.
@safe
struct Unpacker: ~Copyable {
  enum Packing: Sendable {
    case gzip
    case zstd
    case xz

    /// Told by the first four bytes; nil for plain bytes.
    init?(firstBytes: [UInt8]) {
      if firstBytes.starts(with: [0x1f, 0x8b]) {
        self = .gzip
      } else if firstBytes.starts(with: [0x28, 0xb5, 0x2f, 0xfd]) || Packing.isSkippableFrame(firstBytes) {
        self = .zstd
      } else if firstBytes.starts(with: [0xfd, 0x37, 0x7a, 0x58]) {
        self = .xz
      } else {
        return nil
      }
    }

    /// What zstd may have in front of its data (RFC 8878 section 3.1.2): parallel packers write an index there.
    private static func isSkippableFrame(_ bytes: [UInt8]) -> Bool {
      bytes.count >= 4 && bytes[0] & 0xf0 == 0x50 && bytes[1...3].elementsEqual([0x2a, 0x4d, 0x18])
    }
  }

  private let handle: OpaquePointer

  /// nil when there is no memory.
  init?(_ packing: Packing) {
    let packing =
      switch packing {
      case .gzip: photofinish_packing_gzip
      case .zstd: photofinish_packing_zstd
      case .xz: photofinish_packing_xz
      }
    // Safe: the handle is owned by this value alone and closed in deinit.
    guard let handle = unsafe photofinish_unpacker_open(packing) else { return nil }
    unsafe self.handle = handle
  }

  deinit {
    // Safe: nobody else has the handle.
    unsafe photofinish_unpacker_close(handle)
  }

  /// The packed bytes so far end where something that was packed ends.
  var isBetween: Bool {
    // Safe: the handle is open as long as this value lives.
    unsafe photofinish_unpacker_is_between(handle) != 0
  }

  /// Unpacks what waits in `source` until `target` is full or nothing is left.
  ///
  /// - Returns: how many packed bytes were used, and whether they are sound.
  mutating func unpack(
    _ source: borrowing ByteBuffer, into target: inout ByteBuffer
  ) -> (consumed: Int, isSound: Bool) {
    var consumed = 0
    var isSound = true
    let packed = source.readable
    // Safe: the unpacker writes into the room that it is given only, and tells how much; that is checked.
    unsafe target.withUnsafeWritable { room in
      var produced = 0
      // Safe: both pointers are valid for the counts that are given, and the call keeps neither.
      unsafe packed.withUnsafeBytes { bytes in
        guard let from = bytes.baseAddress, let into = room.baseAddress else { return }
        let status = unsafe photofinish_unpack(
          handle, from.assumingMemoryBound(to: UInt8.self), bytes.count, &consumed,
          into.assumingMemoryBound(to: UInt8.self), room.count, &produced)
        isSound = status == photofinish_unpack_ok
      }
      return produced
    }
    return (consumed, isSound)
  }
}
