import Core
import Foundation
import TLS
import Testing

/// A foreign program at the other end of a session: `openssl s_client` and its like, joined by a socket on loopback whose port
/// the kernel chose.
enum PeerProcess {
  struct Failed: Error { var text: String }

  /// Joins a session with a connected socket until the peer closes: what the data plane does, in small. Answers each piece of
  /// plaintext with what `answer` makes of it; nil ends the connection.
  static func pump(
    _ session: TLSSession, _ socket: Int32, whenEstablished: () -> Void = {}, answer: (String) -> String?
  ) -> TLSStep {
    var piece = [UInt8](repeating: 0, count: 4_096)
    _ = session.handshake()
    while true {
      flush(session, socket)
      let (text, end) = session.readAll()
      if !text.isEmpty {
        guard let answer = answer(text) else {
          session.closeNotify()
          flush(session, socket)
          return .closeNotify
        }
        if !answer.isEmpty { _ = session.write(text: answer) }
      }
      if session.isEstablished { whenEstablished() }
      flush(session, socket)
      guard end == .wouldBlock else { return end }
      // Safe: the array has so many bytes.
      let count = unsafe piece.withUnsafeMutableBytes { unsafe recv(socket, $0.baseAddress, $0.count, 0) }
      if count > 0 { session.feed(Array(piece.prefix(count))) } else { session.feedEnd() }
    }
  }

  private static func flush(_ session: TLSSession, _ socket: Int32) {
    while session.outputCount > 0 {
      let bytes = session.output
      // Safe: the array has so many bytes.
      let count = unsafe bytes.withUnsafeBytes {
        unsafe send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return }
      session.consumeOutput(count)
    }
  }

  /// A listening socket on loopback and its port.
  static func listen() throws -> (socket: Int32, port: UInt16) {
    let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    // Safe: the address lives as long as the calls.
    let result = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
        unsafe bind(socket, pointer, size) == 0 && Glibc.listen(socket, 16) == 0
          && getsockname(socket, pointer, &size) == 0
      }
    }
    guard socket >= 0, result else { throw Failed(text: "no socket: \(errno)") }
    return (socket, UInt16(bigEndian: address.sin_port))
  }

  /// A socket that is connected to a port of loopback; nil when nobody listens there.
  static func connect(to port: UInt16) -> Int32? {
    let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    // Safe: the address lives as long as the call.
    let result = unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe Glibc.connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    if result == 0 { return socket }
    close(socket)
    return nil
  }

  /// Runs a program against a server of one connection for each that it opens; its output.
  ///
  /// - Parameters:
  ///   - arguments: made from the port.
  ///   - input: what the program reads.
  static func serve(
    _ context: TLSServerContext, _ program: String, _ arguments: (UInt16) -> [String], input: String = "",
    connections: Int = 1, answer: @escaping @Sendable (String) -> String?
  ) throws -> (output: String, status: Int32) {
    let (listener, port) = try listen()
    let thread = Thread {
      for _ in 0..<connections {
        let socket = accept(listener, nil, nil)
        guard socket >= 0 else { return }
        _ = pump(TLSSession(server: context), socket, answer: answer)
        close(socket)
      }
    }
    thread.start()
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [program] + arguments(port)
    let output = Pipe()
    let source = Pipe()
    process.standardOutput = output
    process.standardError = output
    process.standardInput = source
    try process.run()
    try source.fileHandleForWriting.write(contentsOf: Data(input.utf8))
    try source.fileHandleForWriting.close()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    shutdown(listener, Int32(SHUT_RDWR))
    close(listener)
    return (text, process.terminationStatus)
  }

  /// Runs `openssl s_client`, which says one word and is answered. What it printed.
  @discardableResult
  static func client(_ context: TLSServerContext, _ arguments: [String]) throws -> String {
    let (text, status) = try serve(
      context, "openssl", { ["s_client", "-connect", "127.0.0.1:\($0)", "-ign_eof"] + arguments }, input: "word\n"
    ) { _ in nil }
    guard status == 0, text.contains("Cipher is"), !text.contains("(NONE)") else { throw Failed(text: text) }
    return text
  }
}

// MARK: - Foreign servers

extension PeerProcess {
  struct Asked {
    var text = ""
    var end: TLSStep
    var version: TLSVersion?
    var wasResumed: Bool
  }

  /// Asks `openssl s_server -www` for its page.
  static func ask(_ context: TLSClientContext, _ files: CertificateFiles, _ arguments: [String]) throws -> Asked {
    try serving(files, arguments) { port in [try ask(context, port)] }[0]
  }

  static func askTwice(
    _ context: TLSClientContext, _ files: CertificateFiles, _ arguments: [String]
  ) throws -> (Asked, Asked) {
    let asked = try serving(files, arguments) { port in [try ask(context, port), try ask(context, port)] }
    return (asked[0], asked[1])
  }

  private static func serving(
    _ files: CertificateFiles, _ arguments: [String], _ body: (UInt16) throws -> [Asked]
  ) throws -> [Asked] {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments =
      ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", files.chain, "-key", files.key, "-www"] + arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    process.standardInput = FileHandle.nullDevice
    try process.run()
    defer {
      // Its mask of signals is that of the tests, which may block SIGTERM.
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }
    // ACCEPT 127.0.0.1:40123
    var text = ""
    while !text.contains("ACCEPT") || !text.hasSuffix("\n") {
      let data = output.fileHandleForReading.availableData
      guard !data.isEmpty else { throw Failed(text: text) }
      text += String(decoding: data, as: UTF8.self)
    }
    let digits = text.components(separatedBy: "ACCEPT ").last?.split(separator: ":").last?.prefix { $0.isNumber }
    guard let port = digits.flatMap({ UInt16($0) }) else { throw Failed(text: text) }
    return try body(port)
  }

  private static func ask(_ context: TLSClientContext, _ port: UInt16) throws -> Asked {
    guard let socket = connect(to: port) else { throw Failed(text: "nobody listens at \(port)") }
    defer { close(socket) }
    let session = TLSSession(client: context, serverName: "www.example.test")
    var text = ""
    var isAsked = false
    let end = pump(
      session, socket,
      whenEstablished: {
        guard !isAsked else { return }
        isAsked = true
        _ = session.write(text: "GET / HTTP/1.0\r\n\r\n")
      }
    ) {
      text += $0
      return ""
    }
    return Asked(text: text, end: end, version: session.version, wasResumed: session.wasResumed)
  }
}
