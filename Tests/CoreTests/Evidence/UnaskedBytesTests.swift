import Core
import Testing

@Suite("What bytes are that nobody asked for")
struct UnaskedBytesTests {
  @Test(
    arguments: [
      ("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", false, .answer),
      ("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison", true, .farewell),
      ("HTTP/1.1 200 OK\r\nX: a", false, .answer), ("HTTP/1.1 200 OK\r\nX: a", true, .farewell),
      ("HTT", false, .answer), ("HTTP/1.1 200 OK\r\n X\r\n\r\n", false, .answer),
      ("HTTP/1.1 408 Request Timeout\r\n\r\n", false, .farewell),
      ("HTTP/1.1 400 Bad\r\nConnection: close\r\n\r\n", false, .farewell),
      ("HTTP/1.1 500 Bad\r\nContent-Length: 0\r\n\r\n", false, .answer),
      ("HTTP/1.1 200 OK\r\n\r\n", false, .answer), ("HTTP/1.1 100 Continue\r\n\r\n", false, .other),
      ("<p>rest", false, .other), ("HTTP/2 200", false, .other), ("\r\n", true, .other), ("", true, .other),
    ] as [(String, Bool, UnaskedBytes)])
  func kinds(text: String, endsStream: Bool, expected: UnaskedBytes) {
    let bytes = Array(text.utf8)
    #expect(UnaskedBytes(bytes.rawSpan, endsStream: endsStream) == expected)
  }
}
