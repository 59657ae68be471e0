package import Core

/// Buffers of one thread that are not in use. Connections borrow one when bytes come and give it back when it is empty.
package struct BufferPool: ~Copyable {
  /// Bytes of a pooled buffer: a head limit's worth.
  package let capacity: Int
  /// Free buffers kept; more are given back to the allocator.
  private let limit: Int
  private var first: Node?
  private var count = 0

  // A list, since an array cannot hold noncopyable elements.
  private final class Node {
    var buffer: ByteBuffer?
    var next: Node?
    init() {}
  }
  private var spare: Node?

  package init(capacity: Int = 16_384, limit: Int = 512) {
    self.capacity = capacity
    self.limit = limit
  }

  package mutating func take() -> ByteBuffer {
    guard let node = first, let buffer = node.buffer.take() else { return ByteBuffer(capacity: capacity) }
    first = node.next
    node.next = spare
    spare = node
    count &-= 1
    return buffer
  }

  /// Takes back a buffer. One that has grown is freed.
  package mutating func give(_ buffer: consuming ByteBuffer) {
    guard count < limit, buffer.capacity == capacity else { return }
    var buffer = buffer
    buffer.removeAll()
    let node: Node
    if let reused = spare {
      node = reused
      spare = reused.next
    } else {
      node = Node()
    }
    node.buffer = consume buffer
    node.next = first
    first = node
    count &+= 1
  }
}
