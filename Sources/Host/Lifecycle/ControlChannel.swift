package import Analysis
internal import CLinux
package import Core
internal import Glibc

/// One end of a connection to a control socket: lines of JSON, and descriptors in between.
package final class ControlChannel {
  /// Bytes of one line: the state of a proxy with some thousand servers.
  package static let longestLine = 16 << 20

  package struct Failure: Error, Equatable, CustomStringConvertible {
    package var description: String
    package init(_ description: String) { self.description = description }
  }

  private let socket: BlockingSocket

  package init(_ socket: BlockingSocket) { self.socket = socket }

  /// Connects to the proxy that has its control socket at `path`.
  package init(path: String) throws(Failure) {
    guard path.utf8.count <= SocketAddress.longestPath else {
      throw Failure("'\(path)' is too long for a socket; the kernel takes \(SocketAddress.longestPath) bytes")
    }
    do {
      socket = try BlockingSocket(to: SocketAddress(.unix(path: path)))
    } catch let error as SystemError {
      throw Failure(Self.explain(error, path))
    } catch {
      throw Failure("\(path): \(error)")
    }
  }

  private static func explain(_ error: SystemError, _ path: String) -> String {
    switch error.code {
    case ENOENT: "there is no \(path); is a proxy running with --control \(path)?"
    case ECONNREFUSED: "nobody listens at \(path) any more; the proxy that made it is gone"
    case EACCES: "\(path): permission denied; use the account that the proxy runs under, or root"
    case ENOTSOCK, EPROTOTYPE: "\(path) is no control socket"
    default: "\(path): \(error)"
    }
  }

  /// The process at the other end.
  var peerProcess: Int32 { pf_peer_process(socket.number) }

  // MARK: - Lines

  package func send(_ value: JSONText) throws(Failure) {
    do {
      try socket.send(value.text + "\n")
    } catch {
      throw Failure("the other end of the control socket does not take it: \(error)")
    }
  }

  /// The next line; nil when the other end has closed.
  package func receive(atMost patience: Nanoseconds) throws(Failure) -> JSONValue? {
    let deadline = MonotonicClock.now.advanced(by: patience)
    var searched = 0
    while true {
      if let end = socket.offsetOfLineEnd(from: searched) {
        searched = end
        break
      }
      searched = socket.buffer.count
      guard searched <= Self.longestLine else { throw Failure("a line of more than \(Self.longestLine) bytes") }
      do {
        switch try socket.receiveOnce(atMost: max(.milliseconds(1), deadline.since(MonotonicClock.now))) {
        case .bytes, .wouldBlock: continue
        case .endOfStream, .failed: return nil
        }
      } catch {
        throw Failure("no answer within \(patience.text)")
      }
    }
    do {
      let line = try socket.receive(exactly: searched + 1)
      return try JSONValue(parsing: line)
    } catch {
      throw Failure("\(error)")
    }
  }

  /// Asks and waits for the answer; an answer that says no is thrown.
  @discardableResult
  package func ask(_ request: JSONText, atMost patience: Nanoseconds) throws(Failure) -> JSONValue {
    try send(request)
    guard let answer = try receive(atMost: patience) else {
      throw Failure("the proxy closed the connection without an answer")
    }
    guard answer["ok"]?.bool == true else { throw Failure(answer["error"]?.string ?? "the answer is not understood") }
    return answer
  }

  // MARK: - Descriptors

  /// The most that go at once.
  static let mostDescriptors = Int(PF_MOST_DESCRIPTORS)

  func send(descriptors numbers: [Int32]) throws(Failure) {
    // Safe: the array is valid during the call.
    let code = unsafe numbers.withUnsafeBufferPointer {
      unsafe pf_send_descriptors(socket.number, $0.baseAddress!, Int32($0.count))
    }
    guard code == 0 else { throw Failure("the sockets cannot be passed: \(SystemError.text(of: -code))") }
  }

  /// To be called when nothing else can be under way: a line that is read swallows descriptors that come with it.
  func receiveDescriptors(atMost patience: Nanoseconds) throws(Failure) -> [Int32] {
    guard socket.buffer.isEmpty, socket.waitForInput(atMost: patience) else {
      throw Failure("the sockets did not come within \(patience.text)")
    }
    var numbers = [Int32](repeating: -1, count: Self.mostDescriptors)
    // Safe: the array has room for as many as it says.
    let count = unsafe numbers.withUnsafeMutableBufferPointer {
      unsafe pf_receive_descriptors(socket.number, $0.baseAddress!, Int32($0.count))
    }
    guard count >= 0 else { throw Failure("the sockets cannot be taken: \(SystemError.text(of: -count))") }
    return Array(numbers.prefix(Int(count)))
  }
}

extension JSONText {
  /// An answer that says no.
  package static func refusal(_ text: String) -> JSONText { .object([("ok", .bool(false)), ("error", .string(text))]) }

  /// An answer that says yes, and what more there is.
  package static func success(_ members: [(String, JSONText)] = []) -> JSONText {
    .object([("ok", .bool(true))] + members)
  }
}
