/// The versions that this grammar speaks. A higher minor version of HTTP/1 is treated as 1.1 (RFC 9110 section 2.5).
package enum HTTPVersion: UInt8, Hashable, Sendable, BitwiseCopyable {
  case http10
  case http11
}
