/// A run of bytes within a buffer whose owner is known from the context: an offset and a length, each below 4 GiB.
package struct ByteRange: Hashable, Sendable, BitwiseCopyable {
  package var offset: UInt32
  package var length: UInt32

  @inlinable
  package init(offset: Int, count: Int) {
    self.offset = UInt32(offset)
    self.length = UInt32(count)
  }

  package static let empty = ByteRange(offset: 0, count: 0)

  @inlinable package var start: Int { Int(offset) }
  @inlinable package var end: Int { Int(offset) &+ Int(length) }
  @inlinable package var count: Int { Int(length) }
  @inlinable package var isEmpty: Bool { length == 0 }
}
