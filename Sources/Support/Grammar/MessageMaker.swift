/// Makes messages at random: legal ones, and from them such as an attacker might send.
package enum MessageMaker {
  /// A legal message behind a byte that says what it is, as ``GrammarOracle/check(_:)`` takes it.
  package static func message(using random: inout some RandomNumberGenerator) -> [UInt8] {
    switch Int.random(in: 0..<5, using: &random) {
    case 0, 1: [0] + Array(request(using: &random).utf8)
    case 2, 3: [1] + Array(response(using: &random).utf8)
    default: [2] + Array(chunked(using: &random).utf8)
    }
  }

  /// `message` with one to four changes, its first byte left as it is.
  package static func mutated(_ message: [UInt8], using random: inout some RandomNumberGenerator) -> [UInt8] {
    var bytes = message
    for _ in 0..<Int.random(in: 1...4, using: &random) {
      guard bytes.count > 2 else { return bytes }
      let position = Int.random(in: 1..<bytes.count, using: &random)
      switch Int.random(in: 0..<7, using: &random) {
      case 0: bytes[position] = UInt8.random(in: .min ... .max, using: &random)
      case 1: bytes[position] = pick(dangerousBytes, using: &random)
      case 2: bytes.insert(pick(dangerousBytes, using: &random), at: position)
      case 3: bytes.remove(at: position)
      case 4:
        bytes.insert(contentsOf: pick(dangerousLines, using: &random).utf8, at: lineStart(bytes, position))
      case 5:
        let end = Swift.min(bytes.count, position + Int.random(in: 1...20, using: &random))
        bytes.insert(contentsOf: Array(bytes[position..<end]), at: position)
      default: bytes.removeSubrange(position..<Swift.min(bytes.count, position + Int.random(in: 1...8, using: &random)))
      }
    }
    return bytes
  }

  private static let dangerousBytes: [UInt8] = [
    0, 9, 10, 11, 13, 32, 34, 35, 44, 45, 47, 58, 59, 61, 63, 64, 91, 92, 93, 95, 127, 128, 160, 255,
  ]

  private static let dangerousLines = [
    "Content-Length: 5\r\n", "Content-Length: 0x5\r\n", "Content-Length: 5, 5\r\n", "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding : chunked\r\n", "Transfer-Encoding: identity\r\n", "Transfer_Encoding: chunked\r\n",
    " folded\r\n", "Host: b\r\n", "Host: a b\r\n", "Connection: host, content-length, x-forwarded-for, x-a\r\n",
    "Connection: close\r\n", "Connection: upgrade\r\n", "Upgrade: h2c\r\n", "Upgrade: websocket\r\n", "Expect: x\r\n",
    "Expect: 100-continue\r\n", "X-Forwarded-For: 6.6.6.6\r\n", "X_Forwarded_For: 6.6.6.6\r\n", "X-Request-Id: a b\r\n",
    "\r\n", "\n", "0\r\n\r\n", "GET / HTTP/1.1\r\n", "5;a=\"b\"\r\n", "Max-Forwards: 0\r\n", "Trailer: x\r\n",
  ]

  private static func pick<Choice>(_ choices: [Choice], using random: inout some RandomNumberGenerator) -> Choice {
    choices[Int.random(in: 0..<choices.count, using: &random)]
  }

  private static func lineStart(_ bytes: [UInt8], _ position: Int) -> Int {
    var start = position
    while start > 1 && bytes[start - 1] != 10 { start -= 1 }
    return start
  }
}

// MARK: - Legal messages

extension MessageMaker {
  private static func request(using random: inout some RandomNumberGenerator) -> String {
    let method = pick(["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "X"], using: &random)
    let hosts = ["a", "a.example:80", "[::1]:8080", "192.0.2.1", "x_y"]
    let target = pick(
      ["/", "/a/b?c=d", "http://b.example/c", "https://b?d", "http://b", "//x", "/%20{|}"], using: &random)
    let version = Bool.random(using: &random) ? "HTTP/1.1" : "HTTP/1.0"
    var fields = fields(using: &random)
    fields.append("Host: \(pick(hosts, using: &random))")
    switch Int.random(in: 0..<4, using: &random) {
    case 0: fields.append("Content-Length: \(Int.random(in: 0..<100_000, using: &random))")
    case 1 where version == "HTTP/1.1": fields.append("Transfer-Encoding: chunked")
    default: break
    }
    fields.shuffle(using: &random)
    return "\(method) \(target) \(version)\r\n" + fields.map { $0 + "\r\n" }.joined() + "\r\nrest"
  }

  private static func response(using random: inout some RandomNumberGenerator) -> String {
    let status = pick([100, 101, 103, 200, 204, 206, 301, 304, 404, 500, 599], using: &random)
    let version = Bool.random(using: &random) ? "HTTP/1.1" : "HTTP/1.0"
    let reason = pick([" OK", " ", "", " Not \u{f6}"], using: &random)
    var fields = fields(using: &random)
    switch Int.random(in: 0..<4, using: &random) {
    case 0: fields.append("Content-Length: \(Int.random(in: 0..<100_000, using: &random))")
    case 1 where version == "HTTP/1.1": fields.append("Transfer-Encoding: Chunked")
    case 2: fields.append("Keep-Alive: timeout=5, max=\(Int.random(in: 0..<1000, using: &random))")
    default: break
    }
    fields.shuffle(using: &random)
    return "\(version) \(status)\(reason)\r\n" + fields.map { $0 + "\r\n" }.joined() + "\r\nrest"
  }

  private static func chunked(using random: inout some RandomNumberGenerator) -> String {
    var body = ""
    for _ in 0..<Int.random(in: 0..<4, using: &random) {
      let count = Int.random(in: 1..<40, using: &random)
      let size = String(count, radix: 16, uppercase: Bool.random(using: &random))
      let extensions = pick(["", "", ";a", ";a=b;c=\"d \\\" e\""], using: &random)
      body +=
        "\(size)\(extensions)\r\n\(String(repeating: pick(["\r", "\n", "0", "x"], using: &random), count: count))\r\n"
    }
    let trailers = pick(["", "", "Digest: x\r\n", "Content-Length: 5\r\nX_Y: z\r\n"], using: &random)
    return body + "0\r\n\(trailers)\r\nrest"
  }

  private static func fields(using random: inout some RandomNumberGenerator) -> [String] {
    let choices = [
      "Accept: */*", "User-Agent:curl/8.0", "X-A:\t\u{f6} \t", "X-A: 2", "x_b: 3", "Cookie: a=b; c=d", "Empty:",
      "Connection: keep-alive", "Connection: close", "Connection: X-A, te",
      "Connection: cookie, Date, via, x-request-id, Content-Type", "TE: trailers", "Via: 1.1 p",
      "X-Forwarded-For: 6.6.6.6", "X-Forwarded-Port: 1", "Forwarded: for=x", "X-Request-Id: id", "X-Request-Id: a b",
      "Proxy: x", "Upgrade: websocket", "Connection: upgrade", "Content_Type: x", "traceparent: 00-a-b-01",
      "X-Long-Name-That-Nobody-Knows-About: \(String(repeating: "v", count: 40))", "Proxy-Authorization: x", "Date: d",
    ]
    return (0..<Int.random(in: 0..<8, using: &random)).map { _ in pick(choices, using: &random) }
  }
}
