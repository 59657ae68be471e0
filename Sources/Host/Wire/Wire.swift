internal import CLinux
package import Core
internal import Dispatch
internal import Synchronization

/// Two network namespaces, joined by a path with a delay.
///
/// ```
///      near namespace                      this process                       far namespace
///   10.77.0.1  TUN "wire"  <---->  forwarder: delay, jitter, loss  <---->  TUN "wire"  10.77.0.2
///   fd77::1                                                                             fd77::2
/// ```
///
/// The machine's own network is not touched. Sockets get into a namespace by ``NetworkNamespace/perform(_:)``, programs by
/// ``ChildProcess``. All of it vanishes with the process, at the latest.
package final class Wire: Sendable {
  package let near: NetworkNamespace
  package let far: NetworkNamespace
  /// Port 0 in both.
  package let nearAddress = SocketAddress(.ipv4(Wire.nearNumber, port: 0))
  package let farAddress = SocketAddress(.ipv4(Wire.farNumber, port: 0))
  /// nil where the kernel has no IPv6.
  package let nearAddress6: SocketAddress?
  package let farAddress6: SocketAddress?

  private static let nearNumber: UInt32 = 0x0a4d_0001
  private static let farNumber: UInt32 = 0x0a4d_0002
  /// fd77:: and the number of the end: addresses of nobody's (RFC 4193).
  private static func bytes6(_ end: UInt8) -> [UInt8] { [0xfd, 0x77] + [UInt8](repeating: 0, count: 13) + [end] }

  private let forwarder: Forwarder

  package init(_ settings: WireSettings) throws(WireError) {
    near = try .make()
    far = try .make()
    let nearDevice = try TunnelDevice(in: near, address: Self.nearNumber, prefix: 30)
    let farDevice = try TunnelDevice(in: far, address: Self.farNumber, prefix: 30)
    let hasIPv6 =
      nearDevice.add(Self.bytes6(1), prefix: 126, in: near) && farDevice.add(Self.bytes6(2), prefix: 126, in: far)
    nearAddress6 = hasIPv6 ? SocketAddress(.ipv6(Self.bytes6(1), port: 0, scope: 0)) : nil
    farAddress6 = hasIPv6 ? SocketAddress(.ipv6(Self.bytes6(2), port: 0, scope: 0)) : nil
    do {
      forwarder = try Forwarder(near: nearDevice, far: farDevice, settings)
      try forwarder.start()
    } catch {
      throw .system(error, doing: "starting the wire's forwarder")
    }
  }

  deinit { forwarder.stop() }

  /// Changes the wire while it runs, for the packets that enter it from now on.
  package func change(_ body: (inout WireSettings) -> Void) { forwarder.change(body) }

  /// What passed so far, from near to far and back.
  package var traffic: (toFar: WireTraffic, toNear: WireTraffic) { forwarder.traffic }
}

/// What passed in one direction of a wire.
package struct WireTraffic: Equatable, Sendable {
  package var packets = 0
  package var bytes = 0
  /// Vanished because the settings say so.
  package var lost = 0
  /// Vanished because too many packets were on their way.
  package var overflowed = 0
  /// Dropped or answered by the middlebox.
  package var forgotten = 0
  /// The longest by which a packet came out after its due time.
  package var worstLateness = Nanoseconds.zero
}

/// The thread that carries the packets.
private final class Forwarder: Sendable {
  private struct Shared {
    var settings: WireSettings
    var isStopping = false
    var toFar = WireTraffic()
    var toNear = WireTraffic()
  }

  /// What only the thread touches.
  private struct Lines: ~Copyable {
    var poller: Poller
    var timer: PreciseTimer
    var scratch = ByteBuffer(capacity: 65_536)
    var toFar: DelayLine
    var toNear: DelayLine
    var middlebox = Middlebox()
  }

  private enum Token {
    static let near: UInt64 = 0
    static let far: UInt64 = 1
    static let timer: UInt64 = 2
    static let wakeup: UInt64 = 3
  }

  private let near: TunnelDevice
  private let far: TunnelDevice
  private let shared: Mutex<Shared>
  private let wakeup: Wakeup
  private let ready = DispatchSemaphore(value: 0)
  private let ended = DispatchSemaphore(value: 0)
  private let startError = Mutex<SystemError?>(nil)

  init(near: consuming TunnelDevice, far: consuming TunnelDevice, _ settings: WireSettings) throws(SystemError) {
    self.near = near
    self.far = far
    shared = Mutex(Shared(settings: settings))
    wakeup = try Wakeup()
  }

  func start() throws(SystemError) {
    try Thread.start(named: "wire") { [self] in run() }
    ready.wait()
    if let error = startError.withLock({ $0 }) { throw error }
  }

  func stop() {
    shared.withLock { $0.isStopping = true }
    wakeup.signal()
    ended.wait()
  }

  func change(_ body: (inout WireSettings) -> Void) {
    shared.withLock { body(&$0.settings) }
  }

  var traffic: (toFar: WireTraffic, toNear: WireTraffic) {
    shared.withLock { ($0.toFar, $0.toNear) }
  }

  // MARK: The thread

  private func run() {
    defer { ended.signal() }
    // Not fatal when it fails: the delays are then as exact as the machine is idle.
    _ = pf_thread_hurry()
    do {
      var lines = try makeLines()
      ready.signal()
      while !shared.withLock({ $0.isStopping }) { turn(&lines) }
    } catch {
      startError.withLock { $0 = error }
      ready.signal()
    }
  }

  private func makeLines() throws(SystemError) -> Lines {
    let seed = shared.withLock { $0.settings.seed }
    let lines = Lines(
      poller: try Poller(batch: 8), timer: try PreciseTimer(),
      toFar: DelayLine(seed: seed), toNear: DelayLine(seed: ~seed))
    try lines.poller.register(near.number, for: .readable, trigger: .level, token: Token.near)
    try lines.poller.register(far.number, for: .readable, trigger: .level, token: Token.far)
    try lines.poller.register(lines.timer.number, for: .readable, trigger: .level, token: Token.timer)
    try lines.poller.register(wakeup.number, for: .readable, trigger: .level, token: Token.wakeup)
    return lines
  }

  private func turn(_ lines: inout Lines) {
    let count = lines.poller.wait(atMost: nil)
    for index in 0..<count {
      switch lines.poller.token(at: index) {
      case Token.near: takeIn(from: near, into: &lines.toFar, \.toFar, &lines.scratch, &lines.middlebox)
      case Token.far: takeIn(from: far, into: &lines.toNear, \.toNear, &lines.scratch, &lines.middlebox)
      case Token.timer: lines.timer.clear()
      default: wakeup.clear()
      }
    }
    release(&lines.toFar, to: far, \.toFar)
    release(&lines.toNear, to: near, \.toNear)
    lines.timer.set([lines.toFar.soonest, lines.toNear.soonest].compactMap { $0 }.min())
  }

  /// Reads all that a namespace has sent, at most so many packets that the other direction gets its turn.
  private func takeIn(
    from device: borrowing TunnelDevice, into line: inout DelayLine,
    _ direction: WritableKeyPath<Shared, WireTraffic>, _ scratch: inout ByteBuffer, _ middlebox: inout Middlebox
  ) {
    for _ in 0..<64 {
      guard let packet = device.read(with: &scratch) else { return }
      let now = MonotonicClock.now
      let settings = shared.withLock { $0.settings }
      if let box = settings.middlebox {
        switch middlebox.inspect(packet, at: now, box) {
        case .passes: break
        case .dropped:
          shared.withLock { $0[keyPath: direction].forgotten += 1 }
          continue
        case .answered(let answer):
          shared.withLock { $0[keyPath: direction].forgotten += 1 }
          device.write(answer)
          continue
        }
      }
      let admission = line.admit(packet, at: now, settings)
      shared.withLock {
        switch admission {
        case .delayed: break
        case .lost: $0[keyPath: direction].lost += 1
        case .overflowed: $0[keyPath: direction].overflowed += 1
        }
      }
    }
  }

  private func release(
    _ line: inout DelayLine, to device: borrowing TunnelDevice, _ direction: WritableKeyPath<Shared, WireTraffic>
  ) {
    while true {
      let now = MonotonicClock.now
      guard let packet = line.nextDue(at: now) else { return }
      device.write(packet.bytes)
      shared.withLock {
        $0[keyPath: direction].packets += 1
        $0[keyPath: direction].bytes += packet.bytes.count
        $0[keyPath: direction].worstLateness = max(
          $0[keyPath: direction].worstLateness, now.since(packet.release))
      }
    }
  }
}
