import Core
import Host
import Logging
import Synchronization

/// The logs of `photofinish serve`: the control log on standard error, and the access log where the settings have it.
final class ServeLogs: Sendable {
  let errors: LogWriter
  private let current: Mutex<LogWriter>
  private let told: @Sendable (LogWriter.Event) -> Void
  let log: Logger
  let level: ControlLogLevel

  init(_ settings: LogSettings) throws {
    let errors = try LogWriter(to: .standardError)
    let level = ControlLogLevel(settings.level.logLevel)
    let handler = ControlLogHandler(writer: errors, level: level)
    let log = Logger(label: "photofinish") { [handler] _ in handler }
    let told: @Sendable (LogWriter.Event) -> Void = { event in
      switch event {
      case .failed(let reason):
        log.error(
          "the access log loses lines: \(reason); requests are served all the same. Make room, or name another 'access-file' and reload"
        )
      case .recovered(let count): log.notice("the access log is written again; \(count) lines were lost")
      }
    }
    self.told = told
    current = Mutex(try LogWriter(to: Self.destination(settings), told: told))
    self.errors = errors
    self.level = level
    self.log = log
  }

  private static func destination(_ settings: LogSettings) -> LogWriter.Destination {
    if settings.access == .off { return .nowhere }
    return settings.accessPath.map { .file(path: $0) } ?? .standardOutput
  }

  /// Writes to nowhere while the access log is off.
  var access: LogWriter { current.withLock { $0 } }

  /// Opens what other settings want to write to; nil when it is what is written to now. Nothing has changed when it throws.
  func open(_ settings: LogSettings) throws(SystemError) -> LogWriter? {
    let destination = Self.destination(settings)
    return destination == access.destination ? nil : try LogWriter(to: destination, told: told)
  }

  /// The workers write there from now on. What they have left to the one before is still written.
  func adopt(_ writer: LogWriter?) {
    guard let writer else { return }
    current.withLock { $0 = writer }
  }

  func reopen() {
    do throws(SystemError) {
      try access.reopen()
      log.info("logs are opened anew")
    } catch {
      log.error("the access log cannot be opened anew, the old file stays in use: \(error)")
    }
  }

  func flush() {
    access.flush()
    errors.flush()
  }
}
