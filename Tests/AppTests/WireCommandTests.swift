import Core
import Host
import Support
import Testing

/// Needs root, as the command does.
struct WireCommandTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func run(_ arguments: [String]) throws -> (status: Int32?, output: String) {
    let log = directory.path + "/log"
    let program = try ChildProcess([BuiltProgram.photofinish, "wire"] + arguments, output: .file(path: log))
    let status = program.wait(atMost: .seconds(20))
    return (status, BuiltProgram.text(ofFile: log) ?? "")
  }

  @Test func runsProgramsAtBothEnds() throws {
    let far = "exec \(BuiltProgram.photofinish) origin --listen 10.77.0.2:3000"
    let near = "curl -sS --retry 20 --retry-delay 1 --retry-connrefused http://$PHOTOFINISH_FAR:3000/"
    let (status, output) = try run(["--delay", "5ms", "--far", far, "--", "sh", "-c", near])
    #expect(status == 0 && output.contains("ok\n"), "\(output)")
  }

  @Test func passesTheStatusOn() throws {
    #expect(try run(["--", "sh", "-c", "exit 7"]).status == 7)
  }

  @Test func saysThatAFarProgramEnded() throws {
    let (status, output) = try run(["--far", "exit 3", "--", "sleep", "1000"])
    #expect(status == 1 && output.contains("the far end's 'exit 3' ended with status 3"), "\(output)")
  }

  @Test func saysWhatIsMissing() throws {
    let (status, output) = try run(["--", "photofinish-no-such-program"])
    #expect(status == 1 && output.contains("'photofinish-no-such-program' cannot be started"), "\(output)")
    #expect(try run(["--delay", "10"]).output.contains("has no unit"))
    #expect(try run(["--loss", "2"]).output.contains("is not a share"))
  }

  @Test func saysThatItTakesRoot() throws {
    let log = directory.path + "/log"
    // The build may lie where nobody else may look: the binary is copied to where everybody may.
    let copy = directory.path + "/photofinish"
    let script = "chmod 755 \(directory.path) && cp \(BuiltProgram.photofinish) \(copy) && "
    let program = try ChildProcess(
      ["sh", "-c", script + "setpriv --reuid 65534 --regid 65534 --clear-groups \(copy) wire"],
      output: .file(path: log))
    #expect(program.wait(atMost: .seconds(20)) == 1)
    let output = BuiltProgram.text(ofFile: log) ?? ""
    #expect(output.contains("run it as root"), "\(output)")
  }

  /// A program at the near end writes its process ID, so that its end can be seen.
  private func startSleeper() throws -> (wire: ChildProcess, sleeper: Int32) {
    let file = directory.path + "/pid"
    let wire = try ChildProcess(
      [
        BuiltProgram.photofinish, "wire", "--", "sh", "-c",
        "echo $$ > \(file).new; mv \(file).new \(file); exec sleep 1000",
      ],
      output: .discarded)
    let deadline = MonotonicClock.now.advanced(by: .seconds(20))
    while MonotonicClock.now < deadline {
      if let number = BuiltProgram.text(ofFile: file).flatMap({ Int32($0.filter(\.isNumber)) }) {
        return (wire, number)
      }
      pause(.milliseconds(5))
    }
    throw BlockingSocket.Failure.timedOut("start")
  }

  private func ends(_ process: Int32) -> Bool {
    let deadline = MonotonicClock.now.advanced(by: .seconds(10))
    while MonotonicClock.now < deadline {
      // A process that is dead but not taken by its parent has no command line any more.
      guard let line = BuiltProgram.text(ofFile: "/proc/\(process)/cmdline"), !line.isEmpty else { return true }
      pause(.milliseconds(5))
    }
    return false
  }

  @Test(arguments: [2, 15] as [Int32])
  func endsItsProgramsWhenInterrupted(signal: Int32) throws {
    let (wire, sleeper) = try startSleeper()
    wire.signal(signal)
    #expect(wire.wait(atMost: .seconds(10)) == 128 + signal)
    #expect(ends(sleeper))
  }

  @Test func endsItsProgramsWhenKilled() throws {
    let (wire, sleeper) = try startSleeper()
    wire.signal(9)
    #expect(wire.wait(atMost: .seconds(10)) == 137)
    #expect(ends(sleeper))
  }
}
