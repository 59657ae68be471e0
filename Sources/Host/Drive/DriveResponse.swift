internal import Core

/// As much of a response as the driver must understand: where it ends, and its status.
enum DriveResponse {
  case incomplete
  case malformed
  /// - Parameters:
  ///   - length: bytes of the whole response; nil when it ends with the connection.
  ///   - keepsOpen: another request may follow.
  case complete(status: Int, keepsOpen: Bool)

  /// - Parameter isEnded: the proxy has sent its FIN.
  static func parse(_ text: String, isEnded: Bool) -> DriveResponse {
    let bytes = Array(text.utf8)
    guard let headEnd = end(of: [13, 10, 13, 10], in: bytes, from: 0) else {
      return bytes.count > 65_536 ? .malformed : .incomplete
    }
    let lines = String(decoding: bytes[..<headEnd], as: UTF8.self).split(separator: "\r\n")
    guard let first = lines.first, first.hasPrefix("HTTP/1."), let status = Int(first.split(separator: " ")[1]) else {
      return .malformed
    }
    // An interim response: the answer follows.
    if (100..<200).contains(status) {
      return parse(String(decoding: bytes[headEnd...], as: UTF8.self), isEnded: isEnded)
    }
    func field(_ name: String) -> String? {
      lines.dropFirst().first { $0.lowercased().hasPrefix(name + ":") }?
        .split(separator: ":", maxSplits: 1).last?.trimmingSpaces().lowercased()
    }
    let keepsOpen = !(field("connection")?.contains("close") ?? false) && !first.hasPrefix("HTTP/1.0")
    if let length = field("content-length").flatMap(Int.init) {
      return bytes.count >= headEnd + length ? .complete(status: status, keepsOpen: keepsOpen) : .incomplete
    }
    if field("transfer-encoding")?.contains("chunked") ?? false {
      let isWhole = end(of: Array("0\r\n\r\n".utf8), in: bytes, from: headEnd) != nil
      return isWhole ? .complete(status: status, keepsOpen: keepsOpen) : .incomplete
    }
    return isEnded ? .complete(status: status, keepsOpen: false) : .incomplete
  }

  private static func end(of mark: [UInt8], in bytes: [UInt8], from start: Int) -> Int? {
    guard bytes.count - start >= mark.count else { return nil }
    return (start...bytes.count - mark.count).first { bytes[$0..<$0 + mark.count].elementsEqual(mark) }
      .map { $0 + mark.count }
  }
}

extension Substring {
  fileprivate func trimmingSpaces() -> String {
    String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
  }
}
