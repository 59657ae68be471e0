import Core
import Glibc
import Host
import Synchronization

/// Two UDP sockets at the ends of a wire. TCP mends what a wire does to packets; datagrams show it.
struct DatagramPair: ~Copyable {
  private let near: Descriptor
  private let far: Descriptor

  init(_ wire: Wire) throws {
    let near = try wire.near.perform { try Self.open() }
    let far = try wire.far.perform { try Self.open() }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = UInt16(7_000).bigEndian
    address.sin_addr.s_addr = UInt32(0x0a4d_0002).bigEndian
    // Safe: both calls read a socket address of the length that they are told.
    guard unsafe Self.call(far.number, address, bind) == 0 else { throw SystemError("bind", errno) }
    guard unsafe Self.call(near.number, address, connect) == 0 else { throw SystemError("connect", errno) }
    // A burst must fit.
    var size: Int32 = 8 << 20
    // Safe: the option's value lives through the call.
    _ = unsafe setsockopt(far.number, SOL_SOCKET, SO_RCVBUFFORCE, &size, socklen_t(MemoryLayout<Int32>.size))
    self.near = near
    self.far = far
  }

  private static func open() throws(SystemError) -> Descriptor {
    let number = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
    guard number >= 0 else { throw SystemError("socket", errno) }
    return Descriptor(owning: number)
  }

  private static func call(
    _ number: Int32, _ address: sockaddr_in, _ body: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32
  ) -> Int32 {
    var address = address
    // Safe: a sockaddr_in is read as what it is, during the call.
    return unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe body(number, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
  }

  /// Sends a number from the near end.
  func send(_ number: Int64) {
    var number = number
    // Safe: eight bytes are read during the call.
    _ = unsafe Glibc.send(near.number, &number, 8, 0)
  }

  /// The next number at the far end; nil when none comes for `limit`.
  func receive(atMost limit: Nanoseconds) -> Int64? {
    var request = pollfd(fd: far.number, events: Int16(POLLIN), revents: 0)
    // Safe: one pollfd is read and written.
    guard unsafe poll(&request, 1, Int32(limit.milliseconds)) > 0 else { return nil }
    var number: Int64 = 0
    // Safe: the kernel writes at most eight bytes.
    guard unsafe recv(far.number, &number, 8, 0) == 8 else { return nil }
    return number
  }

  /// Sends 0, 1, 2 and so on, an interval apart, and gives what arrived, in its order, with the time that each took.
  func arrivals(of count: Int64, every interval: Nanoseconds) throws -> [(number: Int64, took: Nanoseconds)] {
    let sent = SendTimes(count: Int(count))
    let number = near.number
    let start = MonotonicClock.now
    try Thread.start(named: "datagrams") {
      for index in 0..<count {
        let due = start.advanced(by: interval * index)
        let left = due.since(MonotonicClock.now)
        if left > .zero { pause(left) }
        sent.set(Int(index), MonotonicClock.now)
        var value = index
        // Safe: eight bytes are read during the call; the pair outlives it, since all is waited for below.
        _ = unsafe Glibc.send(number, &value, 8, 0)
      }
      sent.finish()
    }
    var arrived: [(Int64, Nanoseconds)] = []
    while true {
      if let number = receive(atMost: .milliseconds(300)) {
        arrived.append((number, MonotonicClock.now.since(sent.at(Int(number)))))
      } else if sent.isFinished {
        return arrived
      }
    }
  }
}

/// When each datagram was sent, from the thread that sends.
private final class SendTimes: Sendable {
  private struct State {
    var times: [Instant]
    var isFinished = false
  }

  private let state: Mutex<State>

  init(count: Int) { state = Mutex(State(times: Array(repeating: .distantFuture, count: count))) }

  func set(_ index: Int, _ time: Instant) { state.withLock { $0.times[index] = time } }
  func at(_ index: Int) -> Instant { state.withLock { $0.times[index] } }
  func finish() { state.withLock { $0.isFinished = true } }
  var isFinished: Bool { state.withLock { $0.isFinished } }
}
