/// The fields of one message head, as ranges of the bytes that it was parsed from.
///
/// One table serves a whole thread: parsing fills it, what was in it before is forgotten, and nothing is allocated per
/// message. It owns its memory, so it is not copyable; every access is checked against its bounds.
@safe
package struct FieldTable: ~Copyable {
  /// One field line. Both ranges are without the whitespace around the value.
  package struct Field: Sendable, BitwiseCopyable {
    package var name: ByteRange
    package var value: ByteRange
    package var known: KnownField
    /// Named by the Connection field: meant for this hop only, not passed on.
    package var isNominated: Bool
  }

  private var storage: UnsafeMutableBufferPointer<Field>
  /// Number of fields.
  package private(set) var count: Int
  /// Which known fields are among them.
  package private(set) var present: KnownFields
  /// Which known fields are there more than once.
  package private(set) var repeated: KnownFields

  /// - Parameter capacity: fields to reserve room for; the table grows when a head has more.
  package init(capacity: Int = 100) {
    // Safe: owned by this value alone and freed in deinit.
    unsafe storage = .allocate(capacity: Swift.max(capacity, 1))
    count = 0
    present = []
    repeated = []
  }

  deinit {
    // Safe: allocated in init or grow, and freed nowhere else.
    unsafe storage.deallocate()
  }

  /// The field at `index`, in the order of the message.
  @inline(__always)
  package subscript(index: Int) -> Field {
    precondition(index >= 0 && index < count, "there is no such field")
    // Safe: checked above; the first `count` entries are initialised.
    return unsafe storage[index]
  }

  package func contains(_ field: KnownField) -> Bool { present.contains(field) }

  package func isRepeated(_ field: KnownField) -> Bool { repeated.contains(field) }

  /// The value of the first field with this tag, or nil.
  package func firstValue(of field: KnownField) -> ByteRange? {
    guard present.contains(field) else { return nil }
    for index in 0..<count where self[index].known == field { return self[index].value }
    return nil
  }

  /// The value of the first field named `name` (lower case letters, digits and "-" only), or nil.
  ///
  /// - Parameter bytes: what the table was filled from.
  package func firstValue(named name: StaticString, in bytes: RawSpan) -> ByteRange? {
    for index in 0..<count where bytes.spells(name, at: self[index].name) { return self[index].value }
    return nil
  }

  /// Number of fields with this tag.
  package func count(of field: KnownField) -> Int {
    guard present.contains(field) else { return 0 }
    var found = 0
    for index in 0..<count where self[index].known == field { found += 1 }
    return found
  }

  @inline(__always)
  mutating func removeAll() {
    count = 0
    present = []
    repeated = []
  }

  @inline(__always)
  mutating func append(name: ByteRange, value: ByteRange, known: KnownField) {
    // Safe: only the size is asked for.
    if unsafe count == storage.count { grow() }
    // Safe: there is room behind the last entry.
    unsafe storage[count] = Field(name: name, value: value, known: known, isNominated: false)
    count &+= 1
    let tag = KnownFields(known)
    repeated.formUnion(present.intersection(tag))
    present.formUnion(tag)
  }

  mutating func nominate(at index: Int) {
    precondition(index >= 0 && index < count, "there is no such field")
    // Safe: checked above.
    unsafe storage[index].isNominated = true
  }

  @inline(never)
  private mutating func grow() {
    // Safe: the new block is larger than what is copied, entries are trivial, and the old block is freed once.
    let grown = UnsafeMutableBufferPointer<Field>.allocate(capacity: count * 2)
    _ = unsafe grown.initialize(fromContentsOf: storage[0..<count])
    unsafe storage.deallocate()
    unsafe storage = grown
  }
}
