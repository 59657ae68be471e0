import Analysis
import Core
import Host
import Logging
import Support
import Synchronization

/// A proxy with its control socket, as one process after the other would be.
final class Generation: Sendable {
  let proxy: Proxy
  let control: ProxyControl
  private let server: ControlServer
  private let hasEnded: Ending

  private final class Ending: Sendable {
    let flag = Mutex(false)
  }

  /// - Parameter predecessor: whom it takes over from, at the same control path.
  init(_ settings: ProxySettings, control path: String, from predecessor: Predecessor? = nil) throws {
    let log = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let proxy = try Proxy(settings: settings, log: log, accessLog: nil, inherited: predecessor?.listeners ?? [])
    let ending = Ending()
    let control = ProxyControl(
      proxy, version: "0", level: ControlLogLevel(.info), log: log,
      deeds: ProxyControl.Deeds(
        reload: {
          do throws(Proxy.StartError) {
            return ReloadOutcome(isSuccess: true, lines: try proxy.reload(proxy.settings))
          } catch {
            return ReloadOutcome(isSuccess: false, lines: [error.description])
          }
        },
        drain: {
          guard proxy.beginDrain(atMost: .seconds(60)) else { return false }
          Self.end(proxy, ending)
          return true
        },
        upgrade: { .failure(ControlChannel.Failure("not here")) },
        replaced: { _ in Self.end(proxy, ending) }))
    self.proxy = proxy
    self.control = control
    hasEnded = ending
    server = try ControlServer(path: path, replacing: predecessor != nil) { control.answer($0, in: $1) }
    if let predecessor {
      try predecessor.release(
        taken: predecessor.listeners.indices.filter { index in
          settings.listeners.contains { predecessor.listeners[index].serves($0.address) }
        })
    }
  }

  private static func end(_ proxy: Proxy, _ ending: Ending) {
    try? Host.Thread.start(named: "ending") {
      proxy.waitForEnd()
      ending.flag.withLock { $0 = true }
    }
  }

  /// Waits until it has drained.
  func ends(atMost limit: Nanoseconds = .seconds(60)) -> Bool {
    let result = eventually(atMost: limit) { hasEnded.flag.withLock { $0 } }
    server.stop()
    return result
  }

  func drain() -> Bool {
    guard proxy.beginDrain(atMost: .seconds(60)) else { return false }
    Self.end(proxy, hasEnded)
    return ends()
  }
}
