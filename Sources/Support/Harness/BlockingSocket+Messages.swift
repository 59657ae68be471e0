package import Core
internal import Host

extension BlockingSocket {
  // MARK: - Reading

  /// Reads a head and nothing behind it.
  package func receiveHead(atMost limit: Nanoseconds = .seconds(20)) throws -> Message {
    Message(head: try receive(through: "\r\n\r\n", atMost: limit))
  }

  /// Reads a whole request.
  package func receiveRequest(atMost limit: Nanoseconds = .seconds(20)) throws -> Message {
    var request = try receiveHead(atMost: limit)
    try receiveContent(of: &request, closeDelimits: false, atMost: limit)
    return request
  }

  /// Reads a whole request; nil when the connection ends before its first byte.
  package func receiveRequestOrEnd(atMost limit: Nanoseconds = .seconds(30)) throws -> Message? {
    while buffer.isEmpty {
      switch try receiveOnce(atMost: limit) {
      case .bytes, .wouldBlock: continue
      case .endOfStream, .failed: return nil
      }
    }
    return try receiveRequest()
  }

  /// Reads a whole response; an interim one (1xx) counts as one.
  package func receiveResponse(to method: String = "GET", atMost limit: Nanoseconds = .seconds(20)) throws -> Message {
    var response = try receiveHead(atMost: limit)
    if method == "HEAD" || response.status < 200 || response.status == 204 || response.status == 304 { return response }
    try receiveContent(of: &response, closeDelimits: true, atMost: limit)
    return response
  }

  /// Reads what the head says that there is.
  package func receiveContent(of message: inout Message, closeDelimits: Bool, atMost limit: Nanoseconds) throws {
    if message["Transfer-Encoding"]?.lowercased() == "chunked" {
      message.framing = .chunked
      while true {
        let line = try receiveLine(limit)
        guard let size = Int(line.prefix { $0 != ";" }, radix: 16) else { throw Failure.ended("chunk size '\(line)'") }
        if size == 0 { break }
        message.content += try receiveBytes(exactly: size, atMost: limit)
        guard try receiveLine(limit) == "" else { throw Failure.ended("no line end behind a chunk") }
      }
      while true {
        let line = try receiveLine(limit)
        if line.isEmpty { return }
        message.trailers.append(Message.field(line))
      }
    } else if let length = message["Content-Length"] {
      guard let count = Int(length) else { throw Failure.ended("Content-Length '\(length)'") }
      message.framing = .length(count)
      message.content = try receiveBytes(exactly: count, atMost: limit)
    } else if closeDelimits {
      message.framing = .close
      message.content = try receiveAllBytes(atMost: limit)
    }
  }

  private func receiveLine(_ limit: Nanoseconds) throws -> String {
    let line = try receive(through: "\r\n", atMost: limit)
    return String(decoding: line.utf8.dropLast(2), as: UTF8.self)
  }

  /// Reads until `count` bytes are there and takes them.
  package func receiveBytes(exactly count: Int, atMost limit: Nanoseconds = .seconds(20)) throws -> [UInt8] {
    try fill(atMost: limit) { self.buffer.count >= count }
    return takeBytes(count)
  }

  /// Reads until `mark` is there and takes all up to its end.
  package func receiveBytes(through mark: [UInt8], atMost limit: Nanoseconds = .seconds(20)) throws -> [UInt8] {
    takeBytes(try offset(behind: mark, atMost: limit))
  }

  /// Reads until the peer's FIN and takes all that came.
  package func receiveAllBytes(atMost limit: Nanoseconds = .seconds(20)) throws -> [UInt8] {
    let deadline = MonotonicClock.now.advanced(by: limit)
    while true {
      switch try receiveOnce(atMost: deadline.since(MonotonicClock.now)) {
      case .bytes, .wouldBlock: continue
      case .endOfStream: return takeBytes(buffer.count)
      case .failed(let code): throw Failure.failed("receive", code)
      }
    }
  }

  private func takeBytes(_ count: Int) -> [UInt8] {
    let bytes = buffer.bytes(count)
    buffer.consume(count)
    return bytes
  }

  // MARK: - Asking and answering

  /// Sends a request without content, or with what `extra` holds, and reads the response.
  package func get(_ target: String = "/", _ extra: String = "", method: String = "GET") throws -> Message {
    try send("\(method) \(target) HTTP/1.1\r\nHost: test\r\n\(extra)\r\n")
    return try receiveResponse(to: method)
  }

  /// Sends a head, and content framed as `framing` says.
  package func send(head: String, content: [UInt8], framing: Message.Framing, chunkSize: Int = 4_096) throws {
    switch framing {
    case .none, .close: try send(Array("\(head)\r\n".utf8) + content)
    case .length: try send(Array("\(head)Content-Length: \(content.count)\r\n\r\n".utf8) + content)
    case .chunked:
      var bytes = Array("\(head)Transfer-Encoding: chunked\r\n\r\n".utf8)
      for start in stride(from: 0, to: content.count, by: chunkSize) {
        let chunk = content[start..<min(start + chunkSize, content.count)]
        bytes += Array("\(String(chunk.count, radix: 16))\r\n".utf8) + chunk + [0x0d, 0x0a]
      }
      try send(bytes + Array("0\r\n\r\n".utf8))
    }
  }

  /// Sends a request with counted content and reads the response.
  package func post(_ target: String = "/", _ content: String = "", method: String = "POST") throws -> Message {
    try send("\(method) \(target) HTTP/1.1\r\nHost: test\r\nContent-Length: \(content.utf8.count)\r\n\r\n\(content)")
    return try receiveResponse(to: method)
  }

  /// Answers with a status and counted content.
  package func answer(_ status: Int = 200, _ content: String = "", _ extra: String = "") throws {
    try send("HTTP/1.1 \(status) Status\r\nContent-Length: \(content.utf8.count)\r\n\(extra)\r\n\(content)")
  }

  // MARK: - Knowing the end

  /// Whether nothing comes for `span` and the connection stays open.
  package func staysQuiet(for span: Nanoseconds) throws -> Bool {
    guard buffer.isEmpty else { return false }
    do {
      _ = try receiveOnce(atMost: span)
      return false
    } catch Failure.timedOut {
      return true
    }
  }
}

extension ByteBuffer {
  fileprivate func bytes(_ count: Int) -> [UInt8] {
    // Safe: the bytes are copied during the call.
    unsafe readable.withUnsafeBytes { unsafe Array($0.prefix(count)) }
  }
}
