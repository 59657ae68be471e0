extension LogSettings.QueryPolicy {
  /// A longer name of a parameter is taken for a secret that stands in its place.
  private static let longestName = 40
  private static let hidden = Array("...".utf8)

  /// A target or a link as logs may show it: without its query, or without the values there.
  ///
  /// A parameter without a value, and one whose "name" is too long to be one, may be the secret itself: nothing of it is shown.
  /// What follows a `#` is treated as a query is: answers of sign-in pages carry tokens there.
  package func shown(_ link: [UInt8]) -> [UInt8] {
    guard self != .keep, let start = link.firstIndex(where: Self.isStart) else { return link }
    var shown = Array(link[..<start])
    guard self == .hideValues else { return shown }
    var index = start
    while index < link.count {
      // A separator of two parts, or of two parameters, and the parameter behind it.
      shown.append(link[index])
      let end = link[(index + 1)...].firstIndex(where: Self.isSeparator) ?? link.count
      Self.appendParameter(link[(index + 1)..<end], to: &shown)
      index = end
    }
    return shown
  }

  private static func appendParameter(_ parameter: ArraySlice<UInt8>, to shown: inout [UInt8]) {
    guard !parameter.isEmpty else { return }
    if let sign = parameter.firstIndex(of: UInt8(ascii: "=")), sign - parameter.startIndex <= longestName,
      // The end of a bare text in base64 looks like a name.
      parameter[sign...].contains(where: { $0 != UInt8(ascii: "=") })
    {
      shown += parameter[...sign]
    }
    shown += hidden
  }

  private static func isStart(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "?") || byte == UInt8(ascii: "#") }

  private static func isSeparator(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: "&") || byte == UInt8(ascii: ";") || byte == UInt8(ascii: "#")
  }
}
