import Core

/// A request to the admin endpoint, as those who answer it have it.
struct AdminRequest {
  var method: Method
  /// The parts of the path between its slashes, decoded.
  var path: [String]
  var version: HTTPVersion
  var keepsAlive: Bool
  /// Host without its port, in lower case; empty when there is none.
  var host: String
  var accept = ""
  var acceptEncoding = ""
  var authorization = ""
  /// What a browser says of the page that asks.
  var origin: String?
  var fetchSite: String?
  var body: [UInt8] = []

  /// nil when the path is none: a segment that is not UTF-8 once decoded.
  init?(_ head: RequestHead, _ bytes: RawSpan, _ fields: borrowing FieldTable) {
    method = head.method
    version = head.version
    keepsAlive = head.keepsAlive
    guard let path = Self.segments(bytes.text(head.target.path(bytes))) else { return nil }
    self.path = path
    host = Self.hostName(bytes.text(head.host))
    func value(_ name: StaticString) -> String? { fields.firstValue(named: name, in: bytes).map { bytes.text($0) } }
    accept = value("accept") ?? ""
    acceptEncoding = value("accept-encoding") ?? ""
    authorization = fields.firstValue(of: .authorization).map { bytes.text($0) } ?? ""
    origin = value("origin")
    fetchSite = value("sec-fetch-site")
  }

  /// The parts between slashes, `%2F` of a part decoded behind the split.
  static func segments(_ path: String) -> [String]? {
    var segments: [String] = []
    for part in path.split(separator: "/", omittingEmptySubsequences: true) {
      var bytes: [UInt8] = []
      var rest = Array(part.utf8)[...]
      while let byte = rest.popFirst() {
        guard byte == UInt8(ascii: "%") else {
          bytes.append(byte)
          continue
        }
        guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else {
          return nil
        }
        rest = rest.dropFirst(2)
        bytes.append(value)
      }
      guard let segment = String(validating: bytes, as: UTF8.self) else { return nil }
      segments.append(segment)
    }
    return segments
  }

  static func hostName(_ authority: String) -> String {
    let lower = authority.lowercased()
    if lower.hasPrefix("["), let end = lower.firstIndex(of: "]") { return String(lower[lower.startIndex...end]) }
    return lower.firstIndex(of: ":").map { String(lower[..<$0]) } ?? lower
  }

  /// Whether an answer may be packed with gzip.
  var takesGzip: Bool {
    acceptEncoding.split(separator: ",").contains { element in
      let parts = element.split(separator: ";").map { $0.filter { $0 != " " }.lowercased() }
      guard parts.first == "gzip" else { return false }
      return !parts.dropFirst().contains { ["q=0", "q=0.0", "q=0.00", "q=0.000"].contains($0) }
    }
  }

  /// The form of metrics that the scraper likes best.
  var metricsForm: MetricsText.Form {
    func weight(_ type: String) -> Double {
      for element in accept.split(separator: ",") {
        let parts = element.split(separator: ";").map { $0.filter { $0 != " " }.lowercased() }
        guard parts.first == type else { continue }
        // Of OpenMetrics there is one version here.
        if let version = parts.first(where: { $0.hasPrefix("version=") }), type.contains("openmetrics"),
          version != "version=1.0.0"
        {
          continue
        }
        return parts.first { $0.hasPrefix("q=") }.flatMap { Double($0.dropFirst(2)) } ?? 1
      }
      return 0
    }
    let wanted = weight("application/openmetrics-text")
    return wanted > 0 && wanted >= weight("text/plain") ? .openMetrics : .prometheus
  }
}
