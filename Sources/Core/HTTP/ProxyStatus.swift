/// What a Proxy-Status field says of a response that this proxy made or spoiled (RFC 9209).
package struct ProxyStatus: Equatable, Sendable {
  /// The proxy error types of RFC 9209 section 2.3, and what this proxy may have to say with them.
  package enum ErrorType: String, CaseIterable, Sendable {
    case dnsTimeout = "dns_timeout"
    case dnsError = "dns_error"
    case destinationNotFound = "destination_not_found"
    case destinationUnavailable = "destination_unavailable"
    case destinationIPProhibited = "destination_ip_prohibited"
    case destinationIPUnroutable = "destination_ip_unroutable"
    case connectionRefused = "connection_refused"
    case connectionTerminated = "connection_terminated"
    case connectionTimeout = "connection_timeout"
    case connectionReadTimeout = "connection_read_timeout"
    case connectionWriteTimeout = "connection_write_timeout"
    case connectionLimitReached = "connection_limit_reached"
    case tlsProtocolError = "tls_protocol_error"
    case tlsCertificateError = "tls_certificate_error"
    case tlsAlertReceived = "tls_alert_received"
    case httpRequestError = "http_request_error"
    case httpRequestDenied = "http_request_denied"
    case httpResponseIncomplete = "http_response_incomplete"
    case httpResponseHeaderSectionSize = "http_response_header_section_size"
    case httpResponseHeaderSize = "http_response_header_size"
    case httpResponseBodySize = "http_response_body_size"
    case httpResponseTrailerSectionSize = "http_response_trailer_section_size"
    case httpResponseTrailerSize = "http_response_trailer_size"
    case httpResponseTransferCoding = "http_response_transfer_coding"
    case httpResponseContentCoding = "http_response_content_coding"
    case httpResponseTimeout = "http_response_timeout"
    case httpUpgradeFailed = "http_upgrade_failed"
    case httpProtocolError = "http_protocol_error"
    case proxyInternalResponse = "proxy_internal_response"
    case proxyInternalError = "proxy_internal_error"
    case proxyConfigurationError = "proxy_configuration_error"
    case proxyLoopDetected = "proxy_loop_detected"
  }

  /// Details beyond this many bytes are cut off.
  package static let maximumDetailsLength = 512

  /// The name that this proxy gives itself.
  package var pseudonym: String
  package var error: ErrorType?
  /// The status code that the upstream sent, if it sent one.
  package var receivedStatus: UInt16?
  /// The server that was asked: its name or address.
  package var nextHop: String?
  /// What happened, in words.
  package var details: String?

  package init(
    pseudonym: String = "photofinish", error: ErrorType? = nil, receivedStatus: UInt16? = nil, nextHop: String? = nil,
    details: String? = nil
  ) {
    self.pseudonym = pseudonym
    self.error = error
    self.receivedStatus = receivedStatus
    self.nextHop = nextHop
    self.details = details
  }

  /// The member of the field's list, a structured field (RFC 8941 and its successor RFC 9651). It allocates: for errors.
  package var fieldValue: [UInt8] {
    var value: [UInt8] = []
    Self.append(itemNamed: pseudonym, to: &value)
    if let error {
      value += Array("; error=".utf8)
      value += Array(error.rawValue.utf8)
    }
    if let receivedStatus {
      value += Array("; received-status=\(receivedStatus)".utf8)
    }
    if let nextHop {
      value += Array("; next-hop=".utf8)
      Self.append(quoted: nextHop, to: &value)
    }
    if let details {
      value += Array("; details=".utf8)
      Self.append(quoted: details, to: &value)
    }
    return value
  }

  /// A token where the text can be one (RFC 9651 section 3.3.4), else a string.
  private static func append(itemNamed text: String, to value: inout [UInt8]) {
    let bytes = Array(text.utf8)
    let startsWell = bytes.first.map { ByteClass.lowercased($0) &- 0x61 < 26 || $0 == UInt8(ascii: "*") } ?? false
    let isToken = bytes.allSatisfy { ByteClass.isToken($0) || $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: "/") }
    if startsWell && isToken {
      value += bytes
    } else {
      append(quoted: text, to: &value)
    }
  }

  /// A string (RFC 9651 section 3.3.3): printable ASCII only, so every other byte becomes "?".
  private static func append(quoted text: String, to value: inout [UInt8]) {
    value.append(UInt8(ascii: "\""))
    for byte in text.utf8.prefix(maximumDetailsLength) {
      if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { value.append(UInt8(ascii: "\\")) }
      value.append(byte >= ByteClass.space && byte < ByteClass.delete ? byte : UInt8(ascii: "?"))
    }
    value.append(UInt8(ascii: "\""))
  }
}

extension MessageError {
  /// The error type of RFC 9209 for a message that was not understood.
  package var proxyError: ProxyStatus.ErrorType {
    if sender == .client { return .httpRequestError }
    switch code {
    case .headTooLarge, .tooManyFields: return .httpResponseHeaderSectionSize
    case .startLineTooLong: return .httpResponseHeaderSize
    case .trailersTooLarge: return .httpResponseTrailerSectionSize
    case .transferEncodingMalformed, .transferEncodingUnknown, .transferEncodingInHTTP10, .chunkedNotLast,
      .chunkedRepeated, .chunkSizeMalformed, .chunkSizeTooLong, .chunkSizeOverflow, .chunkExtensionMalformed,
      .chunkExtensionTooLong,
      .chunkEndMissing:
      return .httpResponseTransferCoding
    case .emptyLineRepeated, .startLineMalformed, .methodMalformed, .connectRefused, .targetMalformed,
      .targetSchemeUnknown,
      .targetAuthorityMalformed, .asteriskWithoutOptions, .versionMissing, .versionMalformed, .versionUnsupported,
      .statusMalformed, .whitespaceBeforeFirstField, .foldedLine, .fieldNameEmpty, .fieldNameMalformed,
      .whitespaceBeforeColon, .colonMissing, .controlCharacter, .bareLineFeed, .bareCarriageReturn,
      .tooManyConnectionOptions, .hostMissing, .hostRepeated, .hostMalformed, .contentLengthRepeated,
      .contentLengthMalformed, .contentLengthOverflow, .lengthAndTransferEncoding, .traceWithContent,
      .expectationUnknown:
      return .httpProtocolError
    }
  }
}
