/// A text with names to be filled in, written `@name@`. An at sign that begins no such name stays as it is, since
/// configurations are full of them.
package enum LabTemplate {
  /// - Throws: the first name that has no value.
  package static func fill(_ text: String, _ values: [String: String]) throws(MissingValue) -> String {
    var result = ""
    var rest = text[...]
    while let start = rest.firstIndex(of: "@") {
      result += rest[..<start]
      let after = rest[rest.index(after: start)...]
      let name = after.prefix { $0 == "_" || ($0.isASCII && ($0.isLowercase || $0.isNumber)) }
      guard !name.isEmpty, name.endIndex < rest.endIndex, rest[name.endIndex] == "@" else {
        result += "@"
        rest = after
        continue
      }
      guard let value = values[String(name)] else { throw MissingValue(name: String(name)) }
      result += value
      rest = rest[rest.index(after: name.endIndex)...]
    }
    return result + rest
  }

  package struct MissingValue: Error, Equatable, Sendable {
    package var name: String

    package init(name: String) { self.name = name }
  }
}
