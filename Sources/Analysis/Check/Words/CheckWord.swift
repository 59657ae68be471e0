/// A word of a configuration with its place: quotes are gone, variables stand as they were written.
package struct CheckWord: Sendable, Hashable {
  package var text: String
  package var place: CheckPlace
  /// It stood in quotes, so it may be empty and is never a keyword.
  package var isQuoted: Bool

  package init(_ text: String, at place: CheckPlace, isQuoted: Bool = false) {
    self.text = text
    self.place = place
    self.isQuoted = isQuoted
  }
}
