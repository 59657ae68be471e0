extension Array<UInt8> {
  /// The bytes of the array, to be looked at while it is not changed.
  package var rawSpan: RawSpan {
    @_lifetime(borrow self)
    borrowing get {
      // Safe: every bit of a UInt8 is initialised.
      unsafe span.bytes
    }
  }
}
