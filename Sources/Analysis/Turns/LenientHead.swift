import Core

/// Reads a head that Core's grammar refuses, as most programs would, and notes where they could disagree.
struct LenientHead {
  struct Fields {
    var contentLength: Int64?
    var isChunked = false
    var hasOtherCoding = false
    var closes = false
    var keepsAlive = false
    var advertisedTimeout: Int?
    var ambiguity: MessageError.Code?
  }

  private let lines: [ArraySlice<UInt8>]
  private let mixesLineEnds: Bool
  private let hasBareReturn: Bool

  init(_ bytes: [UInt8]) {
    var lines: [ArraySlice<UInt8>] = []
    var (withReturn, without) = (0, 0)
    var hasBareReturn = false
    for line in bytes.split(separator: 0x0a, omittingEmptySubsequences: false).dropLast() {
      let isReturned = line.last == 0x0d
      if isReturned { withReturn += 1 } else { without += 1 }
      let content = isReturned ? line.dropLast() : line
      if content.contains(0x0d) { hasBareReturn = true }
      if !content.isEmpty { lines.append(content) }
    }
    self.lines = lines
    self.hasBareReturn = hasBareReturn
    mixesLineEnds = withReturn > 0 && without > 0
  }

  func requestLine() -> (method: ArraySlice<UInt8>, target: ArraySlice<UInt8>, isVersion10: Bool)? {
    guard let line = lines.first else { return nil }
    let parts = line.split(separator: 0x20, omittingEmptySubsequences: true)
    guard parts.count >= 3, let version = parts.last, version.count == 8,
      version.starts(with: [0x48, 0x54, 0x54, 0x50, 0x2f, 0x31, 0x2e])
    else { return nil }
    return (parts[0], line[parts[1].startIndex..<parts[parts.count - 2].endIndex], version.last == UInt8(ascii: "0"))
  }

  func statusLine() -> (status: Int, isVersion10: Bool)? {
    guard let line = lines.first, line.count >= 12,
      line.starts(with: [0x48, 0x54, 0x54, 0x50, 0x2f, 0x31, 0x2e]), line[line.startIndex + 8] == 0x20
    else { return nil }
    var status = 0
    for byte in line[(line.startIndex + 9)..<(line.startIndex + 12)] {
      guard byte >= 0x30, byte <= 0x39 else { return nil }
      status = status * 10 + Int(byte - 0x30)
    }
    guard status >= 100 else { return nil }
    return (status, line[line.startIndex + 7] == UInt8(ascii: "0"))
  }

  func fields(isVersion10: Bool, isRequest: Bool) -> Fields {
    var fields = Fields()
    var lengths: [Int64] = []
    var codings: [String] = []
    func note(_ code: MessageError.Code) { fields.ambiguity = fields.ambiguity ?? code }
    if hasBareReturn { note(.bareCarriageReturn) }
    if mixesLineEnds { note(.bareLineFeed) }
    for line in lines.dropFirst() {
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
      // Only the names that matter become text.
      guard colon - line.startIndex <= 24 else { continue }
      let written = lowercased(line[..<colon])
      let name = trimmed(written)
      let value = trimmed(lowercased(line[(colon + 1)...].prefix(256)))
      switch name {
      case "content-length":
        if written != name { note(line.first == 0x20 || line.first == 0x09 ? .foldedLine : .whitespaceBeforeColon) }
        if let length = decimal(value) { lengths.append(length) } else { note(.contentLengthMalformed) }
      case "transfer-encoding":
        if written != name { note(line.first == 0x20 || line.first == 0x09 ? .foldedLine : .whitespaceBeforeColon) }
        codings += value.split(separator: ",", omittingEmptySubsequences: false).map { trimmed($0) }
      case "connection":
        for token in value.split(separator: ",") {
          if trimmed(token) == "close" { fields.closes = true }
          if trimmed(token) == "keep-alive" { fields.keepsAlive = true }
        }
      case "keep-alive":
        for token in value.split(separator: ",") where trimmed(token).hasPrefix("timeout=") {
          fields.advertisedTimeout = Int(trimmed(trimmed(token).dropFirst(8)))
        }
      default: break
      }
    }
    if let first = lengths.first {
      fields.contentLength = first
      if lengths.contains(where: { $0 != first }) { note(.contentLengthRepeated) }
    }
    if !codings.isEmpty { weigh(codings, lengths, isVersion10, isRequest, &fields) }
    return fields
  }

  private func weigh(
    _ codings: [String], _ lengths: [Int64], _ isVersion10: Bool, _ isRequest: Bool, _ fields: inout Fields
  ) {
    func note(_ code: MessageError.Code) { fields.ambiguity = fields.ambiguity ?? code }
    if !lengths.isEmpty { note(.lengthAndTransferEncoding) }
    if isVersion10 { note(.transferEncodingInHTTP10) }
    fields.isChunked = codings.last == "chunked"
    fields.hasOtherCoding = !fields.isChunked
    let chunked = codings.count { $0 == "chunked" }
    if chunked > 1 { note(.chunkedRepeated) }
    if chunked > 0, !fields.isChunked { note(.chunkedNotLast) }
    // A response in another coding lasts until the close (RFC 9112 section 6.3); a request cannot.
    if chunked == 0, isRequest { note(.transferEncodingUnknown) }
  }

  private func decimal(_ text: String) -> Int64? {
    guard !text.isEmpty, text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
    return Int64(text)
  }

  private func lowercased(_ part: ArraySlice<UInt8>) -> String {
    String(decoding: part.map { $0 >= 0x41 && $0 <= 0x5a ? $0 | 0x20 : $0 }, as: UTF8.self)
  }

  private func trimmed(_ text: some StringProtocol) -> String {
    var part = Substring(text)
    while let first = part.first, first == " " || first == "\t" { part.removeFirst() }
    while let last = part.last, last == " " || last == "\t" || last == "\r" { part.removeLast() }
    return String(part)
  }
}
