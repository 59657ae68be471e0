import Analysis
import Core
import Glibc
import Host

/// Reads log files and judges them together.
struct LogJudging {
  let question: LogQuestion
  let formats: [LogLineFormat]
  let threads: Int?
  let showsProgress: Bool
  /// Logs of the application behind the proxy.
  var application: [String] = []

  func run(_ paths: [String]) -> LogReport {
    var expansion = LogPaths.expand(paths)
    let configured = configurations(&expansion)
    var question = question
    question.readsAnswered = !application.isEmpty
    var parts = readCausesFirst(expansion.files, &question, configured.formats)
    // What came by standard input is gone.
    let canReadAgain = !expansion.files.contains("-")
    var problems = expansion.problems
    let behind = LogReport.layersBehind(parts.map(\.tally))
    let others = application + behind.map { expansion.files[$0] }.filter { $0 != "-" }
    if !behind.isEmpty, !question.readsAnswered, canReadAgain {
      // A balancer's log beside the log of what is behind it.
      question.readsAnswered = true
      parts = read(expansion.files, question, configured.formats)
    }
    var witness = others.isEmpty ? nil : hear(others, parts, behind, &problems)
    var again = LogReport.questionForCauses(parts.map(\.tally), question)
    if let heard = witness, !heard.isSettledByIDs, heard.canMatch {
      var wider = again ?? question
      wider.wantedRequests = heard.sample
      again = wider
    }
    if let again, canReadAgain {
      // A log of causes, or that of the layer behind, has requests that another log shows as answered: those lines are wanted, too.
      parts = read(expansion.files, again, configured.formats)
      if again.wantedRequests != nil { witness?.matchClocks(LogReport.inFront(parts.map(\.tally), behind)) }
    }
    problems += configured.remarks
    return LogReport(
      parts: parts.map { ($0.path == "-" ? "standard input" : $0.path, $0.tally, $0.problem) },
      problems: problems, question: question, witness: witness)
  }

  /// Error logs are small, and say of which requests the other logs' lines are wanted: they are read first, and nothing twice.
  private func readCausesFirst(
    _ files: [String], _ question: inout LogQuestion, _ configured: [LogLineFormat]
  ) -> [LogReading.Result] {
    let causes = files.indices.filter { LogPaths.isNamedAsErrors(files[$0]) }
    guard !causes.isEmpty, causes.count < files.count else { return read(files, question, configured) }
    var parts = Array(repeating: LogReading.Result?.none, count: files.count)
    for (index, part) in zip(causes, read(causes.map { files[$0] }, question, configured)) { parts[index] = part }
    question = LogReport.questionForCauses(parts.compactMap { $0?.tally }, question, companionsFollow: true) ?? question
    let others = files.indices.filter { parts[$0] == nil }
    for (index, part) in zip(others, read(others.map { files[$0] }, question, configured)) { parts[index] = part }
    return parts.compactMap(\.self)
  }

  /// Searches the logs of the layer behind for the failed requests.
  private func hear(
    _ paths: [String], _ parts: [LogReading.Result], _ behind: [Int], _ problems: inout [String]
  ) -> LogWitness {
    var witness = LogWitness(LogReport.inFront(parts.map(\.tally), behind))
    let expansion = LogPaths.expand(paths)
    problems += expansion.problems
    for path in expansion.files {
      if let problem = LogReading.readLines(of: path, { witness.read($0) }) { problems.append(problem) }
    }
    return witness
  }

  /// Takes configurations from among the files: they name the formats of the logs beside them.
  private func configurations(_ expansion: inout LogPaths.Expansion) -> (formats: [LogLineFormat], remarks: [String]) {
    var formats: [LogLineFormat] = []
    var remarks: [String] = []
    expansion.files.removeAll { path in
      guard LogFormatFile.isName(path) else { return false }
      do {
        let found = try LogConfiguration.read(path)
        formats += found
        remarks.append("\(path): a configuration with \(Display.count(found.count, "log format"))")
      } catch {
        remarks.append("\(error)")
      }
      return true
    }
    return (formats, remarks)
  }

  private func read(
    _ files: [String], _ question: LogQuestion, _ configured: [LogLineFormat]
  ) -> [LogReading.Result] {
    let reading = LogReading(files, question: question, formats: formats + configured)
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
