/// A growable run of bytes with a read end and a write end.
///
/// ```
///        0        readOffset          writeOffset        capacity
///        +------------+-------------------+------------------+
///        | consumed   | readable          | writable         |
///        +------------+-------------------+------------------+
/// ```
///
/// It owns its memory and is not copyable, so that a buffer has one holder and goes back to its pool exactly once.
/// Every access from outside this file goes through a span and is checked against its bounds.
@safe
package struct ByteBuffer: ~Copyable {
  @usableFromInline var storage: UnsafeMutableRawBufferPointer
  /// Offset of the first byte that was not consumed.
  package private(set) var readOffset: Int
  /// Offset behind the last byte that was written.
  package private(set) var writeOffset: Int

  /// - Parameter capacity: bytes to reserve at once; the buffer grows only through ``reserve(_:)``.
  package init(capacity: Int) {
    precondition(capacity >= 0, "a buffer cannot have a negative capacity")
    // Safe: owned by this value alone and freed in deinit.
    unsafe storage = .allocate(byteCount: capacity, alignment: 16)
    readOffset = 0
    writeOffset = 0
  }

  deinit {
    unsafe storage.deallocate()
  }

  @inlinable package var capacity: Int { unsafe storage.count }
  /// Bytes that wait to be consumed.
  @inlinable package var count: Int { writeOffset &- readOffset }
  @inlinable package var isEmpty: Bool { writeOffset == readOffset }
  /// Bytes that fit behind the write end without moving or growing.
  @inlinable package var writableCount: Int { unsafe storage.count &- writeOffset }

  /// The bytes that wait to be consumed.
  package var readable: RawSpan {
    @_lifetime(borrow self)
    borrowing get {
      // Safe: readOffset <= writeOffset <= capacity always holds, and those bytes are initialised.
      let bytes = unsafe UnsafeRawBufferPointer(rebasing: storage[readOffset..<writeOffset])
      return unsafe _overrideLifetime(RawSpan(_unsafeBytes: bytes), borrowing: self)
    }
  }

  /// Every byte from the start of the buffer to the write end, the consumed ones included.
  package var written: RawSpan {
    @_lifetime(borrow self)
    borrowing get {
      // Safe: as for `readable`.
      let bytes = unsafe UnsafeRawBufferPointer(rebasing: storage[0..<writeOffset])
      return unsafe _overrideLifetime(RawSpan(_unsafeBytes: bytes), borrowing: self)
    }
  }

  /// Marks `count` bytes as consumed. When nothing is left both ends go back to the start.
  package mutating func consume(_ count: Int) {
    precondition(count >= 0 && count <= self.count, "cannot consume more than is there")
    readOffset &+= count
    if readOffset == writeOffset {
      readOffset = 0
      writeOffset = 0
    }
  }

  /// Takes back the last `count` written bytes.
  package mutating func removeLast(_ count: Int) {
    precondition(count >= 0 && count <= self.count, "cannot take back more than is there")
    writeOffset &-= count
  }

  /// Marks `count` bytes as read without forgetting them: ``rewind()`` makes them readable again.
  package mutating func advanceReadOffset(_ count: Int) {
    precondition(count >= 0 && count <= self.count, "cannot read more than is there")
    readOffset &+= count
  }

  /// Makes every byte written so far readable again.
  package mutating func rewind() {
    readOffset = 0
  }

  package mutating func removeAll() {
    readOffset = 0
    writeOffset = 0
  }

  /// Drops the consumed bytes by moving the readable ones to the front.
  package mutating func compact() {
    guard readOffset > 0 else { return }
    // Safe: both ranges lie within storage; copyMemory allows overlap.
    unsafe storage.copyMemory(from: UnsafeRawBufferPointer(rebasing: storage[readOffset..<writeOffset]))
    writeOffset &-= readOffset
    readOffset = 0
  }

  /// Makes room for at least `additional` bytes behind the write end: by dropping the consumed bytes where that is enough,
  /// else by growing. For a buffer that is never rewound: its size follows what waits, not what went through.
  package mutating func makeRoom(for additional: Int) {
    guard writableCount < additional else { return }
    compact()
    reserve(additional)
  }

  /// Makes room for at least `additional` bytes behind the write end, growing if need be. Keeps all written bytes, the
  /// consumed ones included, for ``rewind()``.
  package mutating func reserve(_ additional: Int) {
    precondition(additional >= 0)
    guard writableCount < additional else { return }
    let wanted = Swift.max(writeOffset + additional, capacity * 2)
    // Safe: the new block is larger than what is copied, and the old one is freed once.
    let grown = UnsafeMutableRawBufferPointer.allocate(byteCount: wanted, alignment: 16)
    unsafe grown.copyMemory(from: UnsafeRawBufferPointer(rebasing: storage[0..<writeOffset]))
    unsafe storage.deallocate()
    unsafe storage = grown
  }

  package mutating func append(_ byte: UInt8) {
    if writableCount == 0 { reserve(1) }
    // Safe: reserve made room.
    unsafe storage[writeOffset] = byte
    writeOffset &+= 1
  }

  /// Appends up to eight bytes that a word holds in memory order: the first in its lowest byte.
  @inline(__always)
  package mutating func append(packed word: UInt64, count: Int) {
    precondition(count >= 0 && count <= 8, "a word holds eight bytes")
    if writableCount < 8 { reserve(8) }
    // Safe: there is room for a whole word; what lies behind `count` is overwritten by the next append.
    unsafe storage.storeBytes(of: word.littleEndian, toByteOffset: writeOffset, as: UInt64.self)
    writeOffset &+= count
  }

  /// Appends the bytes of a span, growing if need be.
  package mutating func append(_ bytes: RawSpan) {
    let count = bytes.byteCount
    if writableCount < count { reserve(count) }
    guard count > 0 else { return }
    // Safe: reserve made room for `count` bytes behind writeOffset; the span cannot alias memory that we own mutably.
    unsafe bytes.withUnsafeBytes { source in
      unsafe storage.baseAddress!.advanced(by: writeOffset)
        .copyMemory(from: source.baseAddress!, byteCount: count)
    }
    writeOffset &+= count
  }

  /// Inlined, since a constant is then stored by a move or two instead of a call that copies it.
  @inline(__always)
  package mutating func append(_ string: StaticString) {
    // Safe: a static string's UTF-8 lives as long as the program.
    let source = unsafe UnsafeRawBufferPointer(start: string.utf8Start, count: string.utf8CodeUnitCount)
    if writableCount < source.count { reserve(source.count) }
    guard source.count > 0 else { return }
    unsafe storage.baseAddress!.advanced(by: writeOffset)
      .copyMemory(from: source.baseAddress!, byteCount: source.count)
    writeOffset &+= source.count
  }

  package mutating func append(_ bytes: [UInt8]) {
    // Safe: every bit of a UInt8 is initialised.
    unsafe append(bytes.span.bytes)
  }

  package mutating func append(utf8 string: String) {
    for byte in string.utf8 { append(byte) }
  }

  /// Appends a number in decimal.
  package mutating func append(decimal value: UInt64) {
    guard value > 999 else { return append(smallDecimal: value) }
    var rest = value
    var digits: InlineArray<20, UInt8> = .init(repeating: 0)
    var first = 20
    while rest > 0 {
      first &-= 1
      let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
      digits[first] = 0x30 &+ UInt8(truncatingIfNeeded: digit)
      rest = quotient
    }
    for index in first..<20 { append(digits[index]) }
  }

  /// Status codes and most lengths of small messages: no loop.
  private mutating func append(smallDecimal value: UInt64) {
    let hundreds = value / 100
    let tens = value / 10 % 10
    let packed = (0x30 &+ hundreds) | (0x30 &+ tens) &<< 8 | (0x30 &+ value % 10) &<< 16
    let leading: UInt64 = value > 99 ? 0 : value > 9 ? 1 : 2
    append(packed: packed &>> (leading &* 8), count: 3 &- Int(leading))
  }

  /// Appends a number in lower-case hexadecimal, without a prefix.
  package mutating func append(hexadecimal value: UInt64) {
    var shift = value == 0 ? 0 : (63 - value.leadingZeroBitCount) & ~3
    while shift >= 0 {
      let digit = UInt8(truncatingIfNeeded: value &>> UInt64(shift)) & 0xf
      append(digit < 10 ? 0x30 &+ digit : 0x57 &+ digit)
      shift &-= 4
    }
  }

  /// Lets `body` fill the writable part, as `read(2)` does, and counts what it wrote.
  ///
  /// - Parameter body: gets the writable bytes; returns how many of them, from the start, it filled (negative: none).
  /// - Returns: what `body` returned.
  @discardableResult
  package mutating func withUnsafeWritable(_ body: (UnsafeMutableRawBufferPointer) -> Int) -> Int {
    // Safe: the range lies within storage; `body` fills a prefix of it and reports its length, which is checked.
    let written = unsafe body(UnsafeMutableRawBufferPointer(rebasing: storage[writeOffset...]))
    precondition(written <= writableCount, "more bytes were reported than there was room for")
    if written > 0 { writeOffset &+= written }
    return written
  }
}
