/// How large a message head may be. Everything beyond a limit is an error, never a growing buffer.
package struct HeadLimits: Hashable, Sendable {
  /// Bytes of the whole head: start line, fields, and the empty line behind them. Beyond it: 431.
  package var headBytes: Int
  /// Bytes of the start line with its line end. Beyond it: 414.
  package var startLineBytes: Int
  /// Number of field lines. Beyond it: 431.
  package var fieldCount: Int

  package init(headBytes: Int = 16_384, startLineBytes: Int = 8_192, fieldCount: Int = 100) {
    precondition(headBytes > 0 && startLineBytes > 0 && fieldCount >= 0, "limits are not negative")
    self.headBytes = headBytes
    self.startLineBytes = startLineBytes
    self.fieldCount = fieldCount
  }
}
