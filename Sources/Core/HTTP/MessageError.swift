/// Why a message of a peer was not understood. The peer is at fault, never this proxy.
package struct MessageError: Error, Equatable, Sendable, BitwiseCopyable {
  /// The rule that was broken.
  package enum Code: UInt8, CaseIterable, Sendable, BitwiseCopyable {
    case emptyLineRepeated
    case startLineMalformed
    case startLineTooLong
    case methodMalformed
    case connectRefused
    case targetMalformed
    case targetSchemeUnknown
    case targetAuthorityMalformed
    case asteriskWithoutOptions
    case versionMissing
    case versionMalformed
    case versionUnsupported
    case statusMalformed
    case headTooLarge
    case tooManyFields
    case whitespaceBeforeFirstField
    case foldedLine
    case fieldNameEmpty
    case fieldNameMalformed
    case whitespaceBeforeColon
    case colonMissing
    case controlCharacter
    case bareLineFeed
    case bareCarriageReturn
    case tooManyConnectionOptions
    case hostMissing
    case hostRepeated
    case hostMalformed
    case contentLengthRepeated
    case contentLengthMalformed
    case contentLengthOverflow
    case lengthAndTransferEncoding
    case transferEncodingMalformed
    case transferEncodingUnknown
    case transferEncodingInHTTP10
    case chunkedNotLast
    case chunkedRepeated
    case traceWithContent
    case expectationUnknown
    case chunkSizeMalformed
    case chunkSizeTooLong
    case chunkSizeOverflow
    case chunkExtensionMalformed
    case chunkExtensionTooLong
    case chunkEndMissing
    case trailersTooLarge
  }

  /// Who sent the message.
  package enum Sender: UInt8, Sendable, BitwiseCopyable {
    case client
    case upstream
  }

  /// What of the message is at fault.
  package enum Part: UInt8, Sendable, BitwiseCopyable {
    case head
    /// Chunks and trailers.
    case content
  }

  package var code: Code
  package var sender: Sender
  package var part: Part
  /// Offset of the first byte at fault, counted from the start of the part as it came over the wire.
  package var offset: Int

  package init(_ code: Code, at offset: Int, of part: Part = .head, from sender: Sender) {
    self.code = code
    self.offset = offset
    self.part = part
    self.sender = sender
  }

  /// The status code to answer with: what the client did wrong, or 502 for whatever an upstream did (RFC 9110 section 15).
  package var status: UInt16 {
    if sender == .upstream { return 502 }
    switch code {
    case .startLineTooLong: return 414
    case .headTooLarge, .tooManyFields, .trailersTooLarge: return 431
    case .versionUnsupported: return 505
    case .connectRefused, .transferEncodingUnknown: return 501
    case .expectationUnknown: return 417
    case .emptyLineRepeated, .startLineMalformed, .methodMalformed, .targetMalformed, .targetSchemeUnknown,
      .targetAuthorityMalformed,
      .asteriskWithoutOptions, .versionMissing, .versionMalformed, .statusMalformed, .whitespaceBeforeFirstField,
      .foldedLine, .fieldNameEmpty, .fieldNameMalformed, .whitespaceBeforeColon, .colonMissing, .controlCharacter,
      .bareLineFeed, .bareCarriageReturn, .tooManyConnectionOptions, .hostMissing, .hostRepeated, .hostMalformed,
      .contentLengthRepeated, .contentLengthMalformed, .contentLengthOverflow, .lengthAndTransferEncoding,
      .transferEncodingMalformed, .transferEncodingInHTTP10, .chunkedNotLast, .chunkedRepeated, .traceWithContent,
      .chunkSizeMalformed, .chunkSizeTooLong, .chunkSizeOverflow, .chunkExtensionMalformed, .chunkExtensionTooLong,
      .chunkEndMissing:
      return 400
    }
  }

  /// What is wrong, and where, in words. For logs: it allocates.
  package var explanation: String {
    let part = part == .head ? "head" : "content"
    return "\(code.fact), at byte \(offset) of the \(part) that the \(sender == .client ? "client" : "upstream") sent"
  }
}

extension MessageError.Code {
  /// The key of the settings that has the limit; nil where no limit of theirs was met.
  package var setting: String? {
    switch self {
    case .headTooLarge: "limits.head"
    case .startLineTooLong: "limits.request-line"
    case .tooManyFields: "limits.fields"
    default: nil
    }
  }

  /// The broken rule in words.
  package var fact: String {
    switch self {
    case .emptyLineRepeated: "there is more than one empty line before the request line"
    case .startLineMalformed: "the start line is not of the form that RFC 9112 gives it"
    case .startLineTooLong: "the start line is longer than the limit"
    case .methodMalformed: "the method is not a token"
    case .connectRefused: "CONNECT asks for a tunnel, which a reverse proxy does not open"
    case .targetMalformed: "the request target holds a character that no URI may hold, or has no known form"
    case .targetSchemeUnknown: "the request target's scheme is neither http nor https"
    case .targetAuthorityMalformed: "the host or port in the request target is malformed"
    case .asteriskWithoutOptions: "the request target * goes with OPTIONS only"
    case .versionMissing: "the request line names no HTTP version (HTTP/0.9 is not spoken here)"
    case .versionMalformed: "the HTTP version is malformed"
    case .versionUnsupported: "the HTTP version is not 1.0 or 1.1"
    case .statusMalformed: "the status code is not a number from 100 to 999"
    case .headTooLarge: "the head is larger than the limit"
    case .tooManyFields: "the head has more fields than the limit"
    case .whitespaceBeforeFirstField: "there is whitespace between the start line and the first field"
    case .foldedLine: "a field value is continued on a second line (obs-fold)"
    case .fieldNameEmpty: "a field has no name"
    case .fieldNameMalformed: "a field name is not a token"
    case .whitespaceBeforeColon: "there is whitespace between a field name and its colon"
    case .colonMissing: "a field line has no colon"
    case .controlCharacter: "there is a control character"
    case .bareLineFeed: "a line ends with a line feed alone"
    case .bareCarriageReturn: "a carriage return is not followed by a line feed"
    case .tooManyConnectionOptions: "the Connection field has more options than the limit"
    case .hostMissing: "the Host field is missing"
    case .hostRepeated: "there is more than one Host field"
    case .hostMalformed: "the Host field is not a host with an optional port"
    case .contentLengthRepeated: "there is more than one Content-Length field"
    case .contentLengthMalformed: "the Content-Length is not a plain decimal number"
    case .contentLengthOverflow: "the Content-Length is larger than 2^63 - 1"
    case .lengthAndTransferEncoding: "there are both Content-Length and Transfer-Encoding"
    case .transferEncodingMalformed: "the Transfer-Encoding field is malformed"
    case .transferEncodingUnknown: "the Transfer-Encoding names a coding other than chunked"
    case .transferEncodingInHTTP10: "an HTTP/1.0 message has a Transfer-Encoding"
    case .chunkedNotLast: "chunked is not the last transfer coding"
    case .chunkedRepeated: "chunked is applied more than once"
    case .traceWithContent: "a TRACE request has content"
    case .expectationUnknown: "the Expect field asks for something other than 100-continue"
    case .chunkSizeMalformed: "a chunk size is not a plain hexadecimal number"
    case .chunkSizeTooLong: "a chunk size has more than 16 digits"
    case .chunkSizeOverflow: "a chunk size is larger than 2^63 - 1"
    case .chunkExtensionMalformed: "a chunk extension is malformed"
    case .chunkExtensionTooLong: "the chunk extensions are longer than the limit"
    case .chunkEndMissing: "a chunk's data is not followed by CRLF"
    case .trailersTooLarge: "the trailer section is larger than the limit"
    }
  }
}
