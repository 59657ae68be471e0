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

  /// Two programs at the near end, of which the first has started the second; their command lines are like no others.
  private func startSleepers() throws -> (wire: ChildProcess, mark: String) {
    let mark = "1\(MonotonicClock.now.nanoseconds / 1000 % 100_000_000)"
    let wire = try ChildProcess(
      [BuiltProgram.photofinish, "wire", "--", "sh", "-c", "sleep \(mark)1 & exec sleep \(mark)2"], output: .discarded)
    let deadline = MonotonicClock.now.advanced(by: .seconds(20))
    while MonotonicClock.now < deadline {
      if sleepers(mark) == 2 { return (wire, mark) }
      pause(.milliseconds(5))
    }
    throw BlockingSocket.Failure.timedOut("start")
  }

  /// How many of them run.
  private func sleepers(_ mark: String) -> Int {
    let log = directory.path + "/processes"
    // A process that is dead but not taken by its parent has no command line any more.
    let list = try? ChildProcess(["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"], output: .file(path: log))
    _ = list?.wait(atMost: .seconds(10))
    return (BuiltProgram.text(ofFile: log) ?? "").ranges(of: "sleep \(mark)").count - countOfLauncher(mark, log)
  }

  /// The shell's and the wire's own command lines name them, too.
  private func countOfLauncher(_ mark: String, _ log: String) -> Int {
    2 * (BuiltProgram.text(ofFile: log) ?? "").ranges(of: "sleep \(mark)1 & exec").count
  }

  private func end(_ mark: String) -> Bool {
    let deadline = MonotonicClock.now.advanced(by: .seconds(10))
    while MonotonicClock.now < deadline {
      if sleepers(mark) == 0 { return true }
      pause(.milliseconds(20))
    }
    return false
  }

  @Test(arguments: [2, 15] as [Int32])
  func endsItsProgramsWhenInterrupted(signal: Int32) throws {
    let (wire, mark) = try startSleepers()
    wire.signal(signal)
    #expect(wire.wait(atMost: .seconds(10)) == 128 + signal)
    #expect(end(mark))
  }

  /// Nobody is left to clean up: the kernel does it.
  @Test func endsItsProgramsAndWhatTheyHaveStartedWhenKilled() throws {
    let (wire, mark) = try startSleepers()
    wire.signal(9)
    #expect(wire.wait(atMost: .seconds(10)) == 137)
    #expect(end(mark))
  }

  @Test func endsWhatItsProgramHasLeftBehind() throws {
    let mark = "2\(MonotonicClock.now.nanoseconds / 1000 % 100_000_000)"
    let (status, _) = try run(["--", "sh", "-c", "sleep \(mark)1 & exit 3"])
    #expect(status == 3)
    #expect(end(mark))
  }

  @Test func saysThatThereIsNoTunnelDriver() throws {
    let log = directory.path + "/log"
    let program = try ChildProcess(
      [
        "unshare", "--mount", "sh", "-c",
        "mount -t tmpfs none /dev/net && exec \(BuiltProgram.photofinish) wire -- true",
      ],
      output: .file(path: log))
    #expect(program.wait(atMost: .seconds(20)) == 1)
    let output = BuiltProgram.text(ofFile: log) ?? ""
    #expect(output.contains("needs /dev/net/tun, which is missing here"), "\(output)")
  }
}
