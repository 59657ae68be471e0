internal import CLinux
package import Core
internal import Dispatch
internal import Glibc
internal import Synchronization

/// A program that this process has started, in a namespace of its choice. It is killed when this process ends.
package final class ChildProcess: Sendable {
  package struct Failure: Error, Equatable, Sendable, CustomStringConvertible {
    package var program: String
    package var error: SystemError
    package var description: String { "'\(program)' cannot be started: \(SystemError.text(of: error.code))" }
  }

  /// Where standard output and standard error go.
  package enum Output: Sendable {
    case inherited
    case discarded
    /// A file that is made, or emptied first.
    case file(path: String)
  }

  package let processID: Int32
  private let descriptor: Descriptor
  private let exitCode = Mutex<Int32?>(nil)

  /// - Parameters:
  ///   - arguments: the program, looked up in PATH, and its arguments.
  ///   - environment: added to this process's own.
  ///   - namespace: nil for that of this process.
  ///   - isContained: whether all that the program starts is to end with it, and with this process, even when that is killed. It
  ///     takes root; process IDs are then the program's own affair, beginning with 1.
  package init(
    _ arguments: [String], environment: [String: String] = [:], in namespace: NetworkNamespace? = nil,
    output: Output = .inherited, isContained: Bool = false
  ) throws(Failure) {
    let program = arguments.first ?? ""
    let sink: Int32
    switch output {
    case .inherited: sink = -1
    // Safe: the paths are NUL-terminated strings during the calls.
    case .discarded: sink = unsafe open("/dev/null", O_WRONLY | O_CLOEXEC)
    case .file(let path): sink = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    }
    if case .file(let path) = output, sink < 0 {
      throw Failure(program: "\(program) > \(path)", error: SystemError("open", errno))
    }
    defer { if sink >= 0 { _ = close(sink) } }
    let result = Spawner.shared.spawn(arguments, environment, namespace, sink, isContained)
    guard result > 0 else { throw Failure(program: program, error: SystemError("spawn", -result)) }
    processID = result
    let number = pf_process_descriptor(result)
    guard number >= 0 else {
      _ = kill(-result, SIGKILL)
      throw Failure(program: program, error: SystemError("pidfd_open", -number))
    }
    descriptor = Descriptor(owning: number)
  }

  deinit { _ = end(grace: .zero) }

  /// Readable once the program has ended; for a poller.
  package var number: Int32 { descriptor.number }

  /// Its exit code, or 128 plus the signal that killed it; nil while it runs.
  package var status: Int32? {
    exitCode.withLock { code in
      if code == nil {
        let result = pf_process_reap(processID)
        // No child of that number any more: somebody else has taken its end. 255 is "unknown".
        if result != -EAGAIN { code = result < 0 ? 255 : result }
      }
      return code
    }
  }

  /// Waits for the end; nil when it did not come in time.
  package func wait(atMost limit: Nanoseconds) -> Int32? {
    let deadline = MonotonicClock.now.advanced(by: limit)
    while status == nil {
      let left = deadline.since(MonotonicClock.now)
      guard left > .zero else { return nil }
      var request = pollfd(fd: descriptor.number, events: Int16(POLLIN), revents: 0)
      // Safe: one pollfd is read and written.
      _ = unsafe poll(&request, 1, Int32(clamping: left.milliseconds + 1))
    }
    return status
  }

  /// Sends a signal to the program and to what it has started.
  package func signal(_ number: Int32) {
    guard status == nil else { return }
    _ = kill(-processID, number)
  }

  /// Asks the program to end (SIGTERM) and kills it when it has not after `grace`. Returns its status.
  @discardableResult
  package func end(grace: Nanoseconds = .seconds(3)) -> Int32? {
    if grace > .zero {
      signal(SIGTERM)
      if let code = wait(atMost: grace) { return code }
    }
    signal(SIGKILL)
    return wait(atMost: .seconds(3))
  }
}

/// The thread from which all children are started. A child is to die with this process, but the kernel watches the thread
/// that started it: so that must be one that lives as long as the process.
private final class Spawner: Sendable {
  static let shared = Spawner()

  private struct Job: Sendable {
    var run: @Sendable () -> Void
  }

  private let jobs = Mutex<[Job]>([])
  private let waiting = DispatchSemaphore(value: 0)

  private init() {
    do {
      try Thread.start(named: "spawner") { [self] in
        while true {
          waiting.wait()
          jobs.withLock { $0.isEmpty ? nil : $0.removeFirst() }?.run()
        }
      }
    } catch {
      preconditionFailure("a process that cannot start a thread cannot start a program: \(error)")
    }
  }

  /// A process ID or a negative errno.
  func spawn(
    _ arguments: [String], _ additions: [String: String], _ namespace: NetworkNamespace?, _ output: Int32,
    _ isContained: Bool
  ) -> Int32 {
    let result = Mutex<Int32>(0)
    let done = DispatchSemaphore(value: 0)
    let box = ResultBox(result)
    jobs.withLock {
      $0.append(
        Job {
          box.value.withLock { $0 = Self.spawnHere(arguments, additions, namespace, output, isContained) }
          done.signal()
        })
    }
    waiting.signal()
    done.wait()
    return box.value.withLock { $0 }
  }

  private final class ResultBox: Sendable {
    let value: Mutex<Int32>
    init(_ value: consuming Mutex<Int32>) { self.value = value }
  }

  private static func spawnHere(
    _ arguments: [String], _ additions: [String: String], _ namespace: NetworkNamespace?, _ output: Int32,
    _ isContained: Bool
  ) -> Int32 {
    guard !arguments.isEmpty else { return -ENOENT }
    // Safe: both arrays end with nil and outlive the call.
    return unsafe withCStrings(arguments) { program in
      unsafe withCStrings(environment(with: additions)) { environment in
        unsafe pf_spawn(program, environment, namespace?.number ?? -1, output, SIGKILL, isContained ? 1 : 0)
      }
    }
  }

  private static func environment(with additions: [String: String]) -> [String] {
    var result: [String] = additions.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    // Safe: the environment is an array of strings that ends with nil; nobody changes it while programs are started.
    var entry = unsafe environ
    while let text = unsafe entry.pointee {
      let line = unsafe String(cString: text)
      if additions[String(line.prefix { $0 != "=" })] == nil { result.append(line) }
      unsafe entry += 1
    }
    return result
  }

  /// The strings as C wants an argument list, valid during `body`.
  private static func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
  ) -> Result {
    // Safe: every copy is freed once, after `body`.
    var pointers = unsafe strings.map { unsafe strdup($0) }
    unsafe pointers.append(nil)
    defer { unsafe pointers.forEach { unsafe free($0) } }
    return unsafe body(pointers)
  }
}
