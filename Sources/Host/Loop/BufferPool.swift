internal import BasicContainers
package import Core

/// Buffers of one thread that are not in use. Connections borrow one when bytes come and give it back when it is empty.
package struct BufferPool: ~Copyable {
  /// Bytes of a pooled buffer. The smallest holds a common head, so that many slow heads cost little.
  package let capacity: Int
  /// Free buffers kept; more are given back to the allocator.
  private let limit: Int
  private var free: UniqueArray<ByteBuffer>

  package init(capacity: Int = 4_096, limit: Int = 1_024) {
    self.capacity = capacity
    self.limit = limit
    free = UniqueArray(minimumCapacity: limit)
  }

  package mutating func take() -> ByteBuffer {
    free.isEmpty ? ByteBuffer(capacity: capacity) : free.removeLast()
  }

  /// Takes back a buffer. One that has grown is freed.
  package mutating func give(_ buffer: consuming ByteBuffer) {
    guard free.count < limit, buffer.capacity == capacity else { return }
    buffer.removeAll()
    free.append(buffer)
  }
}
