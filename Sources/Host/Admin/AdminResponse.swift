import Analysis
internal import CCompression
import Core

/// What the admin endpoint answers.
struct AdminResponse {
  var response: LocalResponse
  var fields: [(name: String, value: String)] = []

  init(_ status: UInt16, _ contentType: String, _ body: [UInt8]) {
    response = LocalResponse(status: status, body: body)
    response.contentType = Array(contentType.utf8)
  }

  static func json(_ status: UInt16 = 200, _ value: JSONText) -> AdminResponse {
    AdminResponse(status, "application/json", Array((value.text + "\n").utf8))
  }

  static func refusal(_ status: UInt16, _ text: String) -> AdminResponse { .json(status, .refusal(text)) }

  static func text(_ status: UInt16, _ text: String) -> AdminResponse {
    AdminResponse(status, "text/plain; charset=utf-8", Array((text + "\n").utf8))
  }

  /// Packed, where the client takes that and it is worth it.
  func packed(for request: AdminRequest) -> AdminResponse {
    guard request.takesGzip, response.body.count > Self.worthPacking, let packed = Self.gzip(response.body) else {
      return self
    }
    var answer = self
    answer.response.body = packed
    answer.fields.append(("Content-Encoding", "gzip"))
    answer.fields.append(("Vary", "Accept-Encoding"))
    return answer
  }

  private static let worthPacking = 1_024

  private static func gzip(_ bytes: [UInt8]) -> [UInt8]? {
    var packed = [UInt8](repeating: 0, count: photofinish_pack_bound(bytes.count))
    // Safe: both arrays are as large as is said, and valid during the call.
    let count = unsafe bytes.withUnsafeBufferPointer { source in
      unsafe packed.withUnsafeMutableBufferPointer { target in
        unsafe photofinish_pack_gzip(source.baseAddress!, source.count, target.baseAddress!, target.count)
      }
    }
    guard count > 0 else { return nil }
    return Array(packed.prefix(count))
  }

  /// What every answer says to browsers: nothing foreign is loaded, framed, kept or guessed.
  static let guards: [(name: String, value: String)] = [
    (
      "Content-Security-Policy",
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"), ("Cache-Control", "no-store"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
  ]

  func write(to buffer: inout ByteBuffer, _ request: AdminRequest?, keepsAlive: Bool) {
    let edits = CompiledEdits((Self.guards + fields).map { .set(name: $0.name, value: [.text($0.value)]) })
    response.write(
      to: &buffer, requestMethod: request?.method ?? .other, clientVersion: request?.version ?? .http11,
      clientKeepsAlive: keepsAlive, date: WallTime.httpDate(ofNanoseconds: MonotonicClock.wallNanoseconds),
      edits: edits)
  }
}
