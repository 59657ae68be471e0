import Core
import Foundation
import Support
import TLS
import Testing

/// Clients that others wrote.
@Suite struct ForeignClientTests {
  let certificates: TestCertificates
  let server: TLSServerContext

  init() throws {
    certificates = try TestCertificates()
    var listener = ListenerTLS()
    listener.certificates = [try certificates.issue("www", for: ["www.example.test", "IP:127.0.0.1"])]
    server = try TLSServerContext(
      listener, ticketKeys: TicketKeyRing(TicketKeys(random: TicketKeysTests.random(1))), now: now)
  }

  static let answer: @Sendable (String) -> String? = {
    $0.hasSuffix("\r\n\r\n") ? "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes" : ""
  }

  @Test(arguments: ["1.2", "1.3"]) func curl(version: String) throws {
    let (text, status) = try PeerProcess.serve(
      server, "curl",
      {
        [
          "-sS", "--http1.1", "--tlsv\(version)", "--tls-max", version, "--cacert", certificates.authority.chain,
          "--resolve", "www.example.test:\($0):127.0.0.1", "https://www.example.test:\($0)/",
          "https://www.example.test:\($0)/again",
        ]
      }, answer: Self.answer)
    #expect(text == "yesyes" && status == 0, "\(text)")
  }

  @Test func python() throws {
    let program = """
      import socket, ssl, sys
      context = ssl.create_default_context(cafile=sys.argv[2])
      session = None
      for number in range(2):
          plain = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
          tls = context.wrap_socket(plain, server_hostname="www.example.test", session=session)
          tls.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n")
          print(tls.version(), tls.session_reused, tls.recv(100)[-3:].decode())
          session = tls.session
          try:
              tls.unwrap().close()
          except ssl.SSLError as error:
              print(error)
      """
    let (text, status) = try PeerProcess.serve(
      server, "python3", { ["-c", program, "\($0)", certificates.authority.chain] }, connections: 2,
      answer: Self.answer)
    #expect(text.contains("TLSv1.3 False yes\n") && text.contains("TLSv1.3 True yes\n"), "\(text)")
    #expect(status == 0)
  }
}
