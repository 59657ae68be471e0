import Core
import Host
import Support
import Testing

struct DriveCommandTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func drive(_ arguments: [String]) throws -> (status: Int32?, output: String) {
    let log = directory.path + "/log"
    let program = try ChildProcess([BuiltProgram.photofinish, "drive"] + arguments, output: .file(path: log))
    let status = program.wait(atMost: .seconds(60))
    return (status, BuiltProgram.text(ofFile: log) ?? "")
  }

  @Test func drivesATargetAndJoinsItsLedger() throws {
    let origin = try Origin.start(OriginScript(verbs: ["idle=30s"]))
    let requests = directory.path + "/requests"
    let (status, output) = try drive([
      "--target", "http://\(origin.address)", "--ledger", "http://\(origin.address)", "--count", "20", "--connections",
      "10", "--idle", "50ms", "--requests", requests,
    ])
    #expect(status == 0 && output.contains("sent 20, answered 20, failed 0, lost 0, applied twice 0"), "\(output)")
    #expect(BuiltProgram.text(ofFile: requests)?.split(separator: "\n").count == 20)
    // Drives share a ledger without sharing IDs.
    let again = try drive([
      "--target", "http://\(origin.address)", "--ledger", "http://\(origin.address)", "--count", "10", "--rate", "500",
      "--json",
    ])
    #expect(again.status == 0 && again.output.contains(#""applied":10,"applied_twice":0,"#), "\(again.output)")
  }

  @Test func readsLedgersFromFiles() throws {
    let origin = try Origin.start(OriginScript(verbs: ["idle=30s"]))
    let ledger = directory.path + "/ledger"
    let lines = (0..<5).map { "{\"id\":\"x-\($0)\"}\n{\"id\":\"x-\($0)\"}\n" }.joined()
    try TextFile.write(lines, to: ledger)
    let (status, output) = try drive([
      "--target", "http://\(origin.address)", "--ledger", ledger, "--count", "10", "--rate", "500", "--id-prefix", "x",
    ])
    #expect(status == 1 && output.contains("applied twice 5"), "\(output)")
  }

  @Test func tellsFailuresByTheExitCode() throws {
    let origin = try Origin.start(OriginScript(verbs: ["status=503"]))
    let (status, output) = try drive([
      "--target", "http://\(origin.address)", "--count", "5", "--rate", "500", "--method", "GET",
    ])
    #expect(status == 1 && output.contains("status 503: 5") && output.contains("is not known"), "\(output)")
  }

  @Test func saysThatNobodyIsThere() throws {
    let listener = try BlockingListener()
    let address = listener.address
    listener.stop()
    let gone = try drive(["--target", "http://\(address)", "--count", "100", "--connections", "1", "--idle", "1s"])
    #expect(gone.status == 2 && gone.output.contains("Connection refused; is the proxy running?"), "\(gone.output)")
    let missing = try drive(["--target", "http://\(address)", "--ledger", directory.path + "/none"])
    #expect(missing.status == 2 && missing.output.contains("cannot be read: No such file"), "\(missing.output)")
  }

  @Test(arguments: [
    (["--rate", "5"], "--rate has no end"), (["--rate", "5", "--idle", "2s"], "--idle shapes bursts"),
    (["--arrivals", "poisson"], "give --rate too"), (["--count", "0"], "count is 0; give 1 to"),
    (["--method", "GE T"], "is no HTTP method"), (["--idle", "auto"], "give --ledger http://"),
    (["--idle", "2"], "'2' has no unit"),
  ])
  func saysWhatIsWrong(arguments: [String], words: String) throws {
    let (status, output) = try drive(["--target", "http://127.0.0.1:9"] + arguments)
    #expect(status == 2 && output.contains(words), "\(status ?? -1) \(output)")
  }

  @Test func refusesTLS() throws {
    let (status, output) = try drive(["--target", "https://127.0.0.1:9"])
    #expect(status == 2 && output.contains("asks for TLS"), "\(output)")
  }

  @Test func tellsWhatItHasWhenInterrupted() throws {
    let origin = try Origin.start(OriginScript(verbs: ["idle=30s"]))
    let log = directory.path + "/log"
    let program = try ChildProcess(
      [BuiltProgram.photofinish, "drive", "--target", "http://\(origin.address)", "--rate", "200", "--time", "60s"],
      output: .file(path: log))
    let deadline = MonotonicClock.now.advanced(by: .seconds(20))
    while origin.ledger.count < 20, MonotonicClock.now < deadline { pause(.milliseconds(5)) }
    program.signal(2)
    #expect(program.wait(atMost: .seconds(20)) == 130)
    #expect(BuiltProgram.text(ofFile: log)?.contains("; interrupted") == true)
  }
}
