import Host
import Synchronization
import Testing

/// Runs each test of a suite on a thread of its own, since they wait in system calls: the few threads of the concurrency
/// pool would make tests that wait for timeouts wait for each other.
struct OnThreads: TestTrait, SuiteTrait, TestScoping {
  let isRecursive = true

  func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    guard testCase != nil else { return try await function() }
    await Self.places.enter()
    do {
      try await withTaskExecutorPreference(ThreadExecutor.shared) { try await function() }
    } catch {
      await Self.places.leave()
      throw error
    }
    await Self.places.leave()
  }

  /// As many tests at once: most of them wait most of the time.
  private static let places = Places(count: 12)

  private actor Places {
    private var free: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    init(count: Int) { free = count }

    func enter() async {
      if free > 0 {
        free -= 1
      } else {
        await withCheckedContinuation { waiting.append($0) }
      }
    }

    func leave() {
      if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
    }
  }
}

extension Trait where Self == OnThreads {
  static var onThreads: Self { OnThreads() }
}

/// A thread for each job.
private final class ThreadExecutor: TaskExecutor {
  static let shared = ThreadExecutor()

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    do {
      // Safe: each job is run once, here.
      try Thread.start(named: "test") { [self] in unsafe job.runSynchronously(on: asUnownedTaskExecutor()) }
    } catch {
      preconditionFailure("a test that has no thread cannot end: \(error)")
    }
  }
}
