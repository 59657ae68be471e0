package import Core
internal import Glibc
internal import Logging
internal import Synchronization
internal import TLS

/// TLS to the clients of listeners with the same settings, as the files are now.
final class ListenerContext: Sendable {
  let settings: ListenerTLS
  private let held: Mutex<TLSServerContext>

  init(_ settings: ListenerTLS, _ context: TLSServerContext) {
    self.settings = settings
    held = Mutex(context)
  }

  /// For new connections; those that are open go on with what they began with.
  var current: TLSServerContext {
    get { held.withLock { $0 } }
    set { held.withLock { $0 = newValue } }
  }
}

/// TLS to the servers of upstreams with the same settings, as the files are now.
final class UpstreamContext: Sendable {
  let settings: UpstreamTLS
  private let held: Mutex<TLSClientContext>

  init(_ settings: UpstreamTLS, _ context: TLSClientContext) {
    self.settings = settings
    held = Mutex(context)
  }

  /// For new connections; those that are open go on with what they began with.
  var current: TLSClientContext {
    get { held.withLock { $0 } }
    set { held.withLock { $0 = newValue } }
  }
}

/// How TLS is spoken to one server.
struct ServerTLS: Sendable {
  let context: UpstreamContext
  /// What the certificate must be for.
  let name: String
}

/// All certificates of the process and the keys of its session tickets. Files that change are read again, by a thread of its own.
///
/// A file that cannot be used is told once, and what was read before serves on.
final class TLSContexts: Sendable {
  private struct State {
    var listeners: [Watched<ListenerContext>] = []
    var upstreams: [Watched<UpstreamContext>] = []
  }

  private struct Watched<Context: AnyObject & Sendable>: Sendable {
    let context: Context
    let files: [String]
    var fingerprint: FilesFingerprint
  }

  private let state = Mutex(State())
  private let ring: TicketKeyRing
  private let log: Logger
  private let isStopped = Mutex(false)
  private let wakeup: Wakeup

  /// How often files are looked at.
  private static let watchPeriod = Nanoseconds.seconds(1)
  /// How long one key makes tickets. Three are kept, so a session can be resumed for two to three times as long.
  private static let ticketKeyAge = Nanoseconds.seconds(8 * 3_600)
  /// Before the end of a certificate's validity, in seconds, from when on the log warns once a day.
  private static let warningSpan: Int64 = 14 * 86_400

  init(log: Logger) throws(SystemError) {
    self.log = log
    ring = TicketKeyRing(TicketKeys(random: Self.randomKey()))
    wakeup = try Wakeup()
  }

  /// Begins to watch. It ends with ``stop()``.
  func start() throws(SystemError) {
    try Thread.start(named: "certificates") { [self] in
      do throws(SystemError) { try watch() } catch { log.error("certificates are not watched: \(error)") }
    }
  }

  func stop() {
    isStopped.withLock { $0 = true }
    wakeup.signal()
  }

  // MARK: - Asking

  /// The context for these settings, read now unless one is in use.
  func context(for settings: ListenerTLS) throws(TLSFaults) -> ListenerContext {
    if let known = state.withLock({ $0.listeners.first { $0.context.settings == settings } }) {
      refresh()
      return known.context
    }
    let fingerprint = FilesFingerprint(of: settings.files)
    let made = ListenerContext(settings, try TLSServerContext(settings, ticketKeys: ring, now: Self.now))
    state.withLock {
      $0.listeners.append(Watched(context: made, files: settings.files, fingerprint: fingerprint))
    }
    tell(made.current)
    return made
  }

  func context(for settings: UpstreamTLS) throws(TLSFaults) -> UpstreamContext {
    if let known = state.withLock({ $0.upstreams.first { $0.context.settings == settings } }) {
      refresh()
      return known.context
    }
    let fingerprint = FilesFingerprint(of: settings.files)
    let made = UpstreamContext(settings, try TLSClientContext(settings, now: Self.now))
    state.withLock {
      $0.upstreams.append(Watched(context: made, files: settings.files, fingerprint: fingerprint))
    }
    return made
  }

  /// Forgets the contexts that no settings name any more.
  func keep(_ listeners: [ListenerTLS], _ upstreams: [UpstreamTLS]) {
    state.withLock { state in
      state.listeners.removeAll { !listeners.contains($0.context.settings) }
      state.upstreams.removeAll { !upstreams.contains($0.context.settings) }
    }
  }

  /// All certificates in use, for `status`.
  var certificates: [CertificateSummary] {
    state.withLock { state in
      state.listeners.flatMap { $0.context.current.certificates }
        + state.upstreams.compactMap { $0.context.current.certificate }
    }
  }

  /// The keys of tickets, which another process that takes over needs so that sessions can be resumed there.
  var ticketKeys: TicketKeys {
    get { ring.keys }
    set { ring.keys = newValue }
  }

  // MARK: - Watching

  private func watch() throws(SystemError) {
    var poller = try Poller(batch: 1)
    try poller.register(wakeup.number, for: .readable, trigger: .level, token: 0)
    var keyMadeAt = MonotonicClock.now
    var warnedAt: Instant?
    while !isStopped.withLock({ $0 }) {
      _ = poller.wait(atMost: Self.watchPeriod)
      refresh()
      let now = MonotonicClock.now
      if now.since(keyMadeAt) >= Self.ticketKeyAge {
        keyMadeAt = now
        ring.keys = ring.keys.rotated(random: Self.randomKey())
      }
      if warnedAt.map({ now.since($0) >= .seconds(86_400) }) ?? true {
        warnedAt = now
        warnOfExpiry()
      }
    }
  }

  /// Reads again what has changed.
  private func refresh() {
    let (listeners, upstreams) = state.withLock { ($0.listeners, $0.upstreams) }
    for watched in listeners {
      let fingerprint = FilesFingerprint(of: watched.files)
      guard fingerprint != watched.fingerprint, note(fingerprint, of: watched.context) else { continue }
      do throws(TLSFaults) {
        let context = try TLSServerContext(watched.context.settings, ticketKeys: ring, now: Self.now)
        watched.context.current = context
        tell(context)
      } catch {
        tell(error)
      }
    }
    for watched in upstreams {
      let fingerprint = FilesFingerprint(of: watched.files)
      guard fingerprint != watched.fingerprint, note(fingerprint, of: watched.context) else { continue }
      do throws(TLSFaults) {
        watched.context.current = try TLSClientContext(watched.context.settings, now: Self.now)
        log.info("the files of TLS to servers were read again: \(watched.files.joined(separator: ", "))")
      } catch {
        tell(error)
      }
    }
  }

  /// - Returns: whether it was news: two threads may have looked.
  private func note(_ fingerprint: FilesFingerprint, of context: ListenerContext) -> Bool {
    state.withLock { state in
      guard let index = state.listeners.firstIndex(where: { $0.context === context }),
        state.listeners[index].fingerprint != fingerprint
      else { return false }
      state.listeners[index].fingerprint = fingerprint
      return true
    }
  }

  private func note(_ fingerprint: FilesFingerprint, of context: UpstreamContext) -> Bool {
    state.withLock { state in
      guard let index = state.upstreams.firstIndex(where: { $0.context === context }),
        state.upstreams[index].fingerprint != fingerprint
      else { return false }
      state.upstreams[index].fingerprint = fingerprint
      return true
    }
  }

  private func tell(_ context: TLSServerContext) {
    for certificate in context.certificates {
      log.info(
        "certificate \(certificate.files.chain): for \(certificate.names.joined(separator: ", ")), valid until \(certificate.expiry), by \(certificate.issuer)"
      )
    }
  }

  private func tell(_ faults: TLSFaults) {
    for fault in faults.faults { log.error("\(fault); what was read before serves on") }
  }

  private func warnOfExpiry() {
    let now = Self.now
    for certificate in certificates where certificate.notAfter - now < Self.warningSpan {
      let date = certificate.expiry
      if certificate.notAfter <= now {
        log.error("\(certificate.files.chain): the certificate has expired (\(date)); renew it")
      } else {
        log.warning(
          "\(certificate.files.chain): the certificate expires in \((certificate.notAfter - now) / 86_400) days (\(date)); renew it"
        )
      }
    }
  }

  private static var now: Int64 { Int64(MonotonicClock.wallNanoseconds / 1_000_000_000) }

  private static func randomKey() -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    return (0..<TicketKeys.keySize).map { _ in UInt8.random(in: 0...255, using: &generator) }
  }
}

extension ProxySettings {
  /// What is wrong with the files of certificates, authorities and keys; those are read, and nothing is begun.
  ///
  /// - Returns: each with its place, the fact and the fix, once.
  package var certificateFaults: [SettingsProblem] {
    let now = MonotonicClock.wallNanoseconds / 1_000_000_000
    var found: [TLSFault] = []
    func note(_ faults: TLSFaults) { for fault in faults.faults where !found.contains(fault) { found.append(fault) } }
    for tls in listeners.compactMap(\.tls) {
      do throws(TLSFaults) { _ = try TLSServerContext(tls, ticketKeys: nil, now: now) } catch { note(error) }
    }
    for upstream in upstreams where upstream.servers.contains(where: \.isTLS) {
      do throws(TLSFaults) { _ = try TLSClientContext(upstream.tls, now: now) } catch { note(error) }
    }
    return found.map { SettingsProblem(.error, at: .whole, subject: $0.place, fact: $0.fact, fix: $0.fix) }
  }
}

extension TLSFaults {
  /// All of them, in one line each.
  var text: String { faults.map(\.description).joined(separator: "\n") }
}

extension CertificateSummary {
  /// The day at which its validity ends, as logs have it.
  package var expiry: String { String(WallTime.text(ofNanoseconds: notAfter &* 1_000_000_000).prefix(10)) }
}
