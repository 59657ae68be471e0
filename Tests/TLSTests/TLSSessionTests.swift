import Core
import Foundation
import Support
import TLS
import Testing

@Suite struct TLSSessionTests {
  let certificates: TestCertificates
  let listener: ListenerTLS
  let upstream: UpstreamTLS

  init() throws {
    certificates = try TestCertificates()
    var listener = ListenerTLS()
    listener.certificates = [try certificates.issue("www", for: ["www.example.test", "*.wild.test", "IP:127.0.0.1"])]
    self.listener = listener
    var upstream = UpstreamTLS()
    upstream.authorities = certificates.authority.chain
    self.upstream = upstream
  }

  func pair(
    _ name: String = "www.example.test", listener: ListenerTLS? = nil, upstream: UpstreamTLS? = nil
  ) throws -> SessionPair {
    SessionPair(
      try TLSClientContext(upstream ?? self.upstream, now: now),
      try TLSServerContext(listener ?? self.listener, ticketKeys: nil, now: now), name: name)
  }

  @Test(arguments: [Int.max, 1, 7])
  func carriesBytesBothWays(piece: Int) throws {
    let pair = try pair()
    let ends = pair.shake(piece: piece)
    #expect(ends == (.bytes(0), .bytes(0)))
    #expect(pair.client.isEstablished && pair.server.isEstablished)
    #expect(pair.client.write(text: "GET / HTTP/1.1\r\n\r\n") == .bytes(18))
    SessionPair.move(pair.client, pair.server, piece: piece)
    #expect(pair.server.readAll() == ("GET / HTTP/1.1\r\n\r\n", .wouldBlock))
    #expect(pair.server.write(text: "HTTP/1.1 200 OK\r\n\r\n") == .bytes(19))
    SessionPair.move(pair.server, pair.client, piece: piece)
    #expect(pair.client.readAll() == ("HTTP/1.1 200 OK\r\n\r\n", .wouldBlock))
    #expect(pair.server.serverNameAsked == "www.example.test")
    #expect(pair.client.version == .version13 && pair.client.protocolName == "TLSv1.3")
    #expect(pair.client.cipher == "TLS_AES_128_GCM_SHA256")
    #expect(pair.client.alpn == .http11 && pair.server.alpn == .http11)
    #expect(pair.client.peerCertificate?.subject == "CN=www,O=Tests")
    #expect(pair.client.outputCount == 0 && pair.server.outputCount == 0)
  }

  @Test func aHeadAndASmallBodyAreOneRecord() throws {
    let pair = try pair()
    pair.shake()
    #expect(pair.client.write(text: String(repeating: "x", count: 16_384)) == .bytes(16_384))
    let bytes = pair.client.output
    #expect(bytes[0] == 23 && bytes.count == 5 + Int(bytes[3]) << 8 + Int(bytes[4]))
    #expect(bytes.count == 16_384 + 22)
  }

  @Test func outputIsBounded() throws {
    let pair = try pair()
    pair.shake()
    let much = [UInt8](repeating: 7, count: 200_000)
    #expect(pair.client.write(much[...]) == .bytes(3 * 16_384))
    #expect(pair.client.outputCount <= TLSSession.outputBound)
    #expect(pair.client.write(much[...]) == .wouldBlock)
    var sent = 3 * 16_384
    var received = 0
    while received < much.count {
      SessionPair.move(pair.client, pair.server)
      received += pair.server.readAll().text.utf8.count
      if sent < much.count, case .bytes(let count) = pair.client.write(much[sent...]) {
        sent += count
      }
    }
    #expect(received == much.count)
  }

  @Test func readingFillsTheBufferAndTellsOfMore() throws {
    let pair = try pair()
    pair.shake()
    _ = pair.client.write(text: String(repeating: "a", count: 100))
    _ = pair.client.write(text: String(repeating: "b", count: 100))
    SessionPair.move(pair.client, pair.server)
    #expect(pair.server.hasPlaintext)
    var buffer = ByteBuffer(capacity: 150)
    #expect(pair.server.read(into: &buffer) == .bytes(150))
    #expect(pair.server.hasPlaintext)
    buffer.removeAll()
    #expect(pair.server.read(into: &buffer) == .bytes(50))
    #expect(!pair.server.hasPlaintext)
    // A record that is not whole is no plaintext.
    _ = pair.client.write(text: "whole")
    let bytes = pair.client.output
    pair.server.feed(Array(bytes.dropLast()))
    #expect(pair.server.read(into: &buffer) == .wouldBlock)
    #expect(!pair.server.hasPlaintext)
    pair.server.feed(Array(bytes.suffix(1)))
    #expect(pair.server.readAll().text == "whole")
  }

  @Test func closeNotifyAndTruncationAreToldApart() throws {
    let pair = try pair()
    pair.shake()
    _ = pair.client.write(text: "last words")
    pair.client.closeNotify()
    SessionPair.move(pair.client, pair.server)
    pair.server.feedEnd()
    #expect(pair.server.readAll() == ("last words", .closeNotify))
    #expect(pair.server.write(text: "still heard") == .bytes(11))
    SessionPair.move(pair.server, pair.client)
    #expect(pair.client.readAll().text == "still heard")
    pair.client.feedEnd()
    #expect(pair.client.readAll().end.failure?.kind == .truncated)

    let cut = try self.pair()
    cut.shake()
    _ = cut.client.write(text: "cut")
    SessionPair.move(cut.client, cut.server)
    cut.server.feedEnd()
    let (text, end) = cut.server.readAll()
    #expect(text == "cut" && end.failure?.kind == .truncated)
    #expect(cut.server.outputCount == 0, "no alert for a client that is gone")
    #expect(cut.server.write(text: "a half-closed client reads on") == .bytes(29))
  }

  @Test func verifiesNamesAndAddresses() throws {
    for name in ["www.example.test", "WWW.example.test", "a.wild.test", "127.0.0.1"] {
      #expect(try pair(name).shake().client == .bytes(0), "\(name)")
    }
    for name in ["example.test", "a.b.wild.test", "127.0.0.2", "::1"] {
      let pair = try pair(name)
      let ends = pair.shake()
      let failure = try #require(ends.client.failure)
      #expect(failure.kind == .otherName, "\(name)")
      #expect(failure.detail.contains("www.example.test *.wild.test 127.0.0.1"), "\(failure.detail)")
      #expect(failure.proxyStatusError == .tlsCertificateError)
      #expect(ends.server.failure?.alertReceived == 42)
    }
    var lax = upstream
    lax.isVerified = false
    #expect(try pair("other.test", upstream: lax).shake().client == .bytes(0))
  }

  @Test func applicationProtocolsAreChosenOrRefused() throws {
    var both = listener
    both.protocols = [.http2, .http11]
    var two = upstream
    two.protocols = [.http11, .http2]
    let pair = try pair(listener: both, upstream: two)
    pair.shake()
    #expect(pair.client.alpn == .http2 && pair.server.alpn == .http2)

    var one = upstream
    one.protocols = [.http2]
    var elder = listener
    elder.protocols = [.http11]
    let refused = try self.pair(listener: elder, upstream: one)
    let ends = refused.shake()
    #expect(ends.server.failure?.kind == .noCommonProtocol && ends.server.failure?.alertSent == 120)
    #expect(ends.client.failure?.kind == .noCommonProtocol && ends.client.failure?.alertReceived == 120)
    one.protocols = []
    let none = try self.pair(upstream: one)
    #expect(none.shake() == (.bytes(0), .bytes(0)))
    #expect(none.server.alpn == nil)
  }

  @Test(arguments: [
    "GET / HTTP/1.1\r\n", "POST http://a/ HTTP/1.1\r\n", "OPTIONS * HTTP/1.1", "CONNECT a:1 HTTP/1.1",
    "PRI * HTTP/2.0\r\n\r\n", "M-SEARCH * HTTP/1.1",
  ])
  func aPlainRequestIsKnown(request: String) throws {
    for piece in [1, 100] {
      let server = TLSSession(server: try TLSServerContext(listener, ticketKeys: nil, now: now))
      var step = TLSStep.wouldBlock
      var rest = Array(request.utf8)
      while !rest.isEmpty, step == .wouldBlock {
        server.feed(Array(rest.prefix(piece)))
        rest.removeFirst(min(piece, rest.count))
        step = server.handshake()
        #expect(!server.hasPlaintext)
      }
      #expect(step.failure?.kind == .plainHTTP)
      #expect(server.outputCount == 0, "the proxy answers in HTTP")
    }
  }

  @Test(arguments: ["SSH-2.0-OpenSSH\r\n", "\r\n\r\n", "EHLO mail.test\r\n", "get / HTTP/1.1", "GETTING", "G", "\u{0}"])
  func otherBytesAreNotTLS(bytes: String) throws {
    let server = TLSSession(server: try TLSServerContext(listener, ticketKeys: nil, now: now))
    server.feed(text: bytes)
    server.feedEnd()
    #expect([.notTLS, .closedInHandshake].contains(try #require(server.handshake().failure).kind))
    #expect(server.outputCount == 0)
  }

  @Test func aServerWithoutTLSIsKnown() throws {
    let context = try TLSClientContext(upstream, now: now)
    for (text, kind) in [
      ("HTTP/1.1 400 Bad Request\r\n", TLSFailure.Kind.plainHTTP), ("220 mail ESMTP", .notTLS), ("HTTP/", .plainHTTP),
      ("", .closedInHandshake),
    ] {
      let client = TLSSession(client: context, serverName: "www.example.test")
      #expect(client.handshake() == .wouldBlock)
      #expect(client.outputCount > 0)
      client.feed(text: text)
      client.feedEnd()
      #expect(client.handshake().failure?.kind == kind, "\(text)")
    }
  }
}
