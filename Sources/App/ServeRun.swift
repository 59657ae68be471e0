import ArgumentParser
import Core
import Glibc
import Host
import Logging

/// A proxy from its start to its end: what signals, the control socket and the service manager ask of it, one thing at a time.
final class ServeRun {
  private enum Event: Sendable {
    case signal(Signals.Signal)
    case reload(Answer<ReloadOutcome>)
    case drain(Answer<Bool>)
    /// Another process serves the listeners, and this one has begun to drain.
    case replaced
  }

  private let command: ServeCommand
  private let log: Logger
  private let logs: ServeLogs
  private let events: Inbox<Event>
  private let successor = Successor()
  private var started: (proxy: Proxy, control: ProxyControl)?
  private var server: ControlServer?
  private var admin: AdminServer?
  private var notifier: ServiceNotifier?
  private var isEnding = false

  init(_ command: ServeCommand, _ logs: ServeLogs) throws {
    self.command = command
    self.logs = logs
    log = logs.log
    events = try Inbox()
  }

  private var control: ProxyControl {
    guard let started else { preconditionFailure("asked for before the start") }
    return started.control
  }

  var proxy: Proxy { control.proxy }

  // MARK: - Starting

  /// Starts the proxy, on the listeners of its predecessor when there is one, which ends then.
  ///
  /// - Parameter passed: what the service manager has opened.
  func start(_ settings: ProxySettings, passed: [InheritedListener]) throws {
    let predecessor = try command.lifecycle.takeOver.map(Self.predecessor)
    notifier = serviceNotifier()
    let inherited = (predecessor?.listeners ?? []) + passed
    for listener in inherited where !settings.listeners.contains(where: { listener.serves($0.address) }) {
      log.warning("\(listener.listen.text) was passed to this process, and no listener of the settings takes it")
    }
    let proxy: Proxy
    do throws(Proxy.StartError) {
      proxy = try Proxy(
        settings: settings, log: log, accessLog: logs.access, inherited: inherited,
        ticketKeys: predecessor?.ticketKeys ?? [])
    } catch {
      throw CannotStart(description: error.description)
    }
    let control = ProxyControl(
      proxy, version: Photofinish.configuration.version, level: logs.level, log: log, deeds: deeds(settings))
    started = (proxy, control)
    if let path = settings.control {
      do throws(ControlServer.StartError) {
        let isPredecessors = predecessor != nil && SocketFile.areSame(path, command.lifecycle.takeOver ?? path)
        server = try ControlServer(path: path, replacing: isPredecessors) {
          control.answer($0, in: $1)
        }
      } catch {
        throw CannotStart(description: error.description)
      }
    }
    if let wanted = settings.admin {
      do throws(AdminServer.StartError) {
        let admin = try AdminServer(wanted, replacing: predecessor != nil, control: control)
        self.admin = admin
        log.notice("the admin endpoint is at \(admin.address.isUnix ? "" : "http://")\(admin.address)")
      } catch {
        throw CannotStart(description: error.description)
      }
    }
    if let predecessor { release(predecessor, settings) }
    notifier?.ready(summary, mainProcess: predecessor == nil ? nil : getpid())
    try notifier?.watch(
      { proxy.isAlive(atMost: $0) },
      whenNot: { [log] in
        log.error("an event loop does not turn; the service manager gets no sign of life until it does")
      })
  }

  private static func predecessor(at path: String) throws -> Predecessor {
    do throws(ControlChannel.Failure) {
      return try Predecessor(controlPath: path)
    } catch {
      throw CannotStart(description: "cannot take over: \(error)")
    }
  }

  private func serviceNotifier() -> ServiceNotifier? {
    do throws(SystemError) {
      return try ServiceNotifier()
    } catch {
      log.warning("the service manager cannot be told how this process is (NOTIFY_SOCKET): \(error)")
      return nil
    }
  }

  /// What the service manager shows.
  private var summary: String {
    "serving on \(proxy.addresses.map(\.description).joined(separator: ", ")), settings generation \(proxy.generation)"
  }

  private func release(_ predecessor: Predecessor, _ settings: ProxySettings) {
    let taken = predecessor.listeners.indices.filter { index in
      settings.listeners.contains { predecessor.listeners[index].serves($0.address) }
    }
    do throws(ControlChannel.Failure) {
      try predecessor.release(taken: taken)
      log.notice("took over from process \(predecessor.processID), version \(predecessor.version), which drains now")
    } catch {
      log.warning("took the listeners over, but process \(predecessor.processID) does not say that it drains: \(error)")
    }
  }

  /// What the control socket asks for is done on the thread of ``serve()``, but an upgrade: meanwhile others are served.
  private func deeds(_ settings: ProxySettings) -> ProxyControl.Deeds {
    let events = events
    let successor = successor
    let notifier = notifier
    let path = settings.control
    return ProxyControl.Deeds(
      reload: {
        guard let answer = try? Answer<ReloadOutcome>() else {
          return ReloadOutcome(isSuccess: false, lines: ["no file descriptor is left to wait for the reload with"])
        }
        events.post(.reload(answer))
        return answer.wait()
      },
      drain: {
        guard let answer = try? Answer<Bool>() else { return false }
        events.post(.drain(answer))
        return answer.wait()
      },
      upgrade: {
        guard let path else { return .failure(ControlChannel.Failure("there is no control socket to take over from")) }
        return successor.start(Successor.arguments(of: CommandLine.arguments, takingOverFrom: path))
      },
      replaced: { process in
        // Before the other one hears that it is the service: until then nobody listens to what it tells.
        notifier?.replaced(by: process)
        successor.tookOver(process)
        events.post(.replaced)
      })
  }

  // MARK: - Serving

  /// Serves until the last client is served after a signal, or until a second one.
  func serve() -> Never {
    watchSignals()
    while true {
      switch events.next() {
      case .signal(.report): report()
      case .signal(.reopenLogs): logs.reopen()
      case .signal(.reload):
        let outcome = reload()
        // What is wrong with a file is in the log already.
        if !outcome.isSuccess, command.settingsFile == nil {
          log.info("SIGHUP: \(outcome.lines.joined(separator: "; "))")
        }
      case .signal(.terminate): drain()
      case .reload(let answer): answer.give(reload())
      case .drain(let answer): answer.give(drain())
      case .replaced:
        // What is asked here from now on is for the other process.
        admin?.stop()
        end()
      }
    }
  }

  /// Prose in comments, so that the whole is what Prometheus reads.
  private func report() {
    let metrics = String(decoding: control.metrics(.prometheus), as: UTF8.self)
    logs.errors.write(proxy.dump().map { "# \($0)\n" }.joined() + metrics.dropLast())
  }

  /// A second signal to terminate ends the process wherever it is, also when something above takes its time.
  private func watchSignals() {
    let (events, log, errors) = (events, log, logs.errors)
    let watch: @Sendable () -> Void = {
      var terminations = 0
      while true {
        let signal = Signals.next()
        if case .terminate = signal { terminations += 1 }
        guard terminations < 2 else {
          log.warning("ended at once by a second signal; what was under way is lost")
          errors.flush(atMost: .milliseconds(200))
          _exit(1)
        }
        events.post(.signal(signal))
      }
    }
    do {
      try Thread.start(named: "signals", watch)
    } catch {
      log.error("signals cannot be watched, so this process ends: \(error)")
      errors.flush()
      _exit(1)
    }
  }

  private func reload() -> ReloadOutcome {
    notifier?.reloading()
    defer { notifier?.ready(summary) }
    let outcome = command.reload(proxy, logs)
    control.history.note(outcome)
    return outcome
  }

  // MARK: - Ending

  /// Says whether this was what began it.
  @discardableResult
  private func drain() -> Bool {
    let patience = proxy.settings.timeouts.drain
    guard proxy.beginDrain(atMost: patience) else { return false }
    notifier?.stopping("draining, at most \(patience.text)")
    log.info("stopping: no new connections; what is under way has \(patience.text)")
    end()
    return true
  }

  /// Ends the process when the proxy has drained; signals are obeyed until then.
  private func end() {
    guard !isEnding else { return }
    isEnding = true
    let (proxy, logs, server) = (proxy, logs, server)
    let end: @Sendable () -> Void = {
      proxy.waitForEnd()
      server?.finish()
      logs.log.info("stopped")
      logs.flush()
      // Not `exit`: nothing is to be torn down under threads that still run.
      _exit(0)
    }
    do {
      try Thread.start(named: "drain", end)
    } catch {
      end()
    }
  }
}
