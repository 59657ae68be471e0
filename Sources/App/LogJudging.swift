import Analysis
import Core
import Glibc
import Host

/// Reads log files and judges them together.
struct LogJudging {
  let question: LogQuestion
  let format: LogLineFormat?
  let threads: Int?
  let showsProgress: Bool
  /// Logs of the application behind the proxy.
  var application: [String] = []

  func run(_ paths: [String]) -> LogReport {
    let expansion = LogPaths.expand(paths)
    var parts = read(expansion.files)
    if let again = LogReport.questionForCauses(parts.map(\.tally), question) {
      // A log of causes names requests that another log may show as answered: those lines are wanted, too.
      parts = read(expansion.files, again)
    }
    var problems = expansion.problems
    let witness = application.isEmpty ? nil : hear(parts.map(\.tally), &problems)
    return LogReport(
      parts: parts.map { ($0.path == "-" ? "standard input" : $0.path, $0.tally, $0.problem) },
      problems: problems, question: question, witness: witness)
  }

  /// Searches the application's logs for the IDs of the failed requests.
  private func hear(_ tallies: [LogTally], _ problems: inout [String]) -> LogWitness {
    var witness = LogReport.witness(for: tallies)
    let expansion = LogPaths.expand(application)
    problems += expansion.problems
    for path in expansion.files {
      if let problem = LogReading.readLines(of: path, { witness.read($0) }) { problems.append(problem) }
    }
    return witness
  }

  private func read(_ files: [String], _ other: LogQuestion? = nil) -> [LogReading.Result] {
    let reading = LogReading(files, question: other ?? question, format: format)
    let count = threads ?? max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    let meter = LogProgress(isShown: showsProgress, size: LogProgress.size(of: files))
    let results = reading.run(threads: count) { meter.show($0) }
    meter.clear()
    return results
  }
}

/// How far the logs were read, and how long the rest will take.
private struct LogProgress {
  let isShown: Bool
  let size: Int64
  private let started = LogProgress.now()

  init(isShown: Bool, size: Int64) {
    self.isShown = isShown
    self.size = size
  }

  func show(_ bytes: Int64) {
    guard isShown else { return }
    let elapsed = LogProgress.now() - started
    let megabytes = bytes >> 20
    guard size > 0, bytes > 0, elapsed > 0.5 else { return Terminal.progress("\(megabytes) MiB") }
    let rest = max(0, Double(size - bytes) / (Double(bytes) / elapsed))
    Terminal.progress(
      "\(min(100, bytes * 100 / size)) % of \(size >> 20) MiB, \(Int(Double(megabytes) / elapsed)) MiB/s, \(Int(rest.rounded(.up))) s left"
    )
  }

  func clear() { if isShown { Terminal.progress("") } }

  static func size(of files: [String]) -> Int64 {
    var sum: Int64 = 0
    for path in files where path != "-" {
      var status = stat()
      // Safe: the path is lent as a C string during the call, and `status` is a valid place for the result.
      if unsafe stat(path, &status) == 0 { sum += Int64(status.st_size) }
    }
    return sum
  }

  private static func now() -> Double {
    var time = timespec()
    // Safe: `time` is a valid place for the result.
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}
