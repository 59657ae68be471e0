import Analysis
import Core
import Host
import Support
import Testing

/// The lab, run for real: what it prints, writes and leaves behind. Needs root.
@Suite(.serialized)
struct LabTests {
  private struct Run {
    var status: Int32
    var output: String
  }

  private static let lab = BuiltProgram.fixtures + "/../../lab"

  private func lab(_ arguments: String..., temporary: TemporaryDirectory, atMost limit: Nanoseconds = .seconds(240))
    throws
    -> Run
  {
    let file = temporary.path + "/output"
    let process = try ChildProcess(
      [BuiltProgram.photofinish, "lab"] + arguments
        + (arguments.contains("--lab-folder") ? [] : ["--lab-folder", Self.lab]),
      environment: ["TMPDIR": temporary.path], output: .file(path: file))
    let status = process.wait(atMost: limit)
    if status == nil { process.end() }
    return Run(status: try #require(status, "it did not end"), output: BuiltProgram.text(ofFile: file) ?? "")
  }

  /// The folder in which a lab keeps what it needs while it runs.
  private func scratch(_ temporary: TemporaryDirectory) -> [String] {
    LabFolder.names(in: temporary.path).filter { $0.hasPrefix("photofinish-lab-") }
      .flatMap { LabFolder.names(in: temporary.path + "/" + $0) }
  }

  /// The short set: real servers and the origin's rows, with Photofinish, nginx and Traefik.
  @Test func shortScenariosAreAsExpected() throws {
    let temporary = try TemporaryDirectory()
    let files = ["json", "md", "html"].map { temporary.path + "/results." + $0 }
    let run = try lab(
      "run", "smoke", "--parallel", "4", "--json", files[0], "--markdown", files[1], "--html", files[2],
      temporary: temporary, atMost: .seconds(400))
    #expect(run.status == 0, "\(run.output)")
    #expect(run.output.contains("as expected"))
    let json = try #require(LabFolder.text(of: files[0]))
    #expect(json.contains("\"differed\":0") && json.contains("\"not_run\":0"), "\(json.prefix(500))")
    for name in ["traefik", "nginx/keepalive", "uwsgi/short", "node/short"] { #expect(json.contains("\"\(name)\"")) }
    #expect(LabFolder.text(of: files[1])?.contains("| as expected | photofinish") == true)
    #expect(LabFolder.text(of: files[2])?.contains("<svg") == true)
    #expect(scratch(temporary).isEmpty, "it left \(scratch(temporary))")
  }

  @Test func aWorldThatDiffersIsToldByTheExitCode() throws {
    let temporary = try TemporaryDirectory()
    let folder = try labCopy(
      temporary,
      scenario: """
        title: expects what does not happen
        says: the origin never fails a request that leaves at once
        all: {server: origin idle=never, aim: 10ms, spread: 1ms, count: 4, connections: 4, methods: [GET]}
        runs:
          - proxy: photofinish
            expect: {failed: some}
          - proxy: photofinish
            expect: {failed: 0}
        """)
    let run = try lab("run", "sample", "--lab-folder", folder, temporary: temporary)
    #expect(run.status == 1, "\(run.output)")
    #expect(run.output.contains("expected failed at least one, got 0 of 4"))
    #expect(run.output.contains("1 as expected, 1 differed"))
  }

  @Test func whatCannotBeRunIsToldAndTheOthersGoOn() throws {
    let temporary = try TemporaryDirectory()
    let folder = try labCopy(
      temporary,
      scenario: """
        title: programs that are not there, or end
        says: each gets a line
        all: {server: origin idle=never, aim: 10ms, spread: 1ms, count: 4, connections: 4, methods: [GET]}
        runs:
          - {proxy: absent, expect: {failed: 0}}
          - {proxy: mortal, expect: {failed: 0}}
          - {proxy: photofinish, expect: {failed: 0}}
        """)
    try LabFolder.write(
      "title: Absent\nget: {apt: [absent-proxy]}\ncommand: [no-such-program-anywhere]\nvariants: {default: {says: x}}\n",
      to: folder + "/proxies/absent.yaml")
    try LabFolder.write(
      "title: Mortal\ncommand: [sh, -c, 'echo error: no such port >&2; exit 7']\nvariants: {default: {says: x}}\n",
      to: folder + "/proxies/mortal.yaml")
    let run = try lab("run", "sample", "--lab-folder", folder, temporary: temporary)
    #expect(run.status == 3, "\(run.output)")
    #expect(run.output.contains("Absent is not installed; run script/lab-setup, or: apt-get install absent-proxy"))
    #expect(run.output.contains("mortal ended with status 7: error: no such port"))
    #expect(run.output.contains("1 as expected, 2 not run"))
    #expect(scratch(temporary).isEmpty)
  }

  /// A proxy that dies in the middle is a row without figures, and the next run is not touched by it.
  @Test func aProxyThatDiesMidRunIsToldAndTheOthersGoOn() throws {
    let temporary = try TemporaryDirectory()
    let folder = try labCopy(
      temporary,
      scenario: """
        title: a proxy dies
        says: once it has served some requests
        all: {server: origin idle=never, aim: 300ms, spread: 1ms, count: 80, connections: 4, patience: 2s, methods: [GET]}
        runs:
          - {proxy: dying, expect: {failed: 0}}
          - {proxy: photofinish, expect: {failed: 0}}
        """)
    // Serves for three seconds; the run takes longer.
    try LabFolder.write(
      """
      title: Dying
      command: [sh, -c, '"$0" serve --listen "$1" --upstream "$2" & P=$!; sleep 3; kill -9 $P; echo fatal error >&2; exit 9', "@photofinish@",
        "@listen@", "http://@upstream@"]
      variants: {default: {says: x}}

      """, to: folder + "/proxies/dying.yaml")
    let run = try lab("run", "sample", "--lab-folder", folder, "--parallel", "1", temporary: temporary)
    #expect(run.status == 3, "\(run.output)")
    #expect(run.output.contains("dying ended with status 9: "), "\(run.output)")
    #expect(run.output.contains("1 as expected, 1 not run"))
    #expect(scratch(temporary).isEmpty)
  }

  /// A restart comes so long after the server has listened, not after the last one: else this server would never serve.
  @Test func aServerThatStartsSlowlyIsRestartedWhenItIsBack() throws {
    let temporary = try TemporaryDirectory()
    let folder = try labCopy(
      temporary,
      scenario: """
        title: slow to start
        says: it needs longer to start than there is between two restarts
        all: {server: slow, traffic: steady, rate: 50, count: 300, restart-every: 1s, methods: [GET]}
        runs:
          - {proxy: photofinish, expect: {failed: under 200 per 1000}}
        """)
    try LabFolder.write(
      """
      title: Slow
      command: [sh, -c, 'sleep 1.5; exec "$0" origin --listen "$1" --ledger "$2"', "@photofinish@", "@listen@", "@ledger@"]
      variants: {default: {says: x}}

      """, to: folder + "/servers/slow.yaml")
    let run = try lab("run", "sample", "--lab-folder", folder, "--parallel", "1", temporary: temporary)
    #expect(run.status == 0, "\(run.output)")
  }

  /// Without TUN devices everything is on loopback, and says so.
  @Test func aKernelWithoutTunnelsIsTold() throws {
    let temporary = try TemporaryDirectory()
    let folder = try labCopy(
      temporary,
      scenario: """
        title: on loopback
        says: the origin keeps its connections
        all: {server: origin idle=never, aim: 10ms, spread: 1ms, count: 4, connections: 4, methods: [GET]}
        runs:
          - {proxy: photofinish, expect: {failed: 0, twice: 0}}
        """)
    let (output, json) = (temporary.path + "/output", temporary.path + "/results.json")
    let process = try ChildProcess(
      [
        "unshare", "--mount", "sh", "-c", "mount --bind /dev/null /dev/net/tun && exec \"$0\" \"$@\"",
        BuiltProgram.photofinish, "lab", "run", "sample", "--lab-folder", folder, "--json", json,
      ], environment: ["TMPDIR": temporary.path], output: .file(path: output))
    let status = try #require(process.wait(atMost: .seconds(120)), "it did not end")
    let text = BuiltProgram.text(ofFile: output) ?? ""
    #expect(status == 0, "\(text)")
    #expect(text.contains("so all runs are on loopback"), "\(text)")
    #expect(LabFolder.text(of: json)?.contains("\"limits\":\"making a TUN device") == true)
    #expect(LabFolder.names(in: temporary.path).filter { $0.hasPrefix("photofinish-lab-") } == [])
  }

  @Test func wrongNamesAndFilesAreToldBeforeAnythingRuns() throws {
    let temporary = try TemporaryDirectory()
    let unknown = try lab("run", "no-such-scenario", temporary: temporary)
    #expect(unknown.status == 2 && unknown.output.contains("'no-such-scenario' is no scenario; choose among"))
    let nowhere = try lab("list", "--lab-folder", temporary.path, temporary: temporary)
    #expect(nowhere.status == 2 && nowhere.output.contains("there are no lab files here"))
    let broken = try labCopy(
      temporary, scenario: "title: x\nsays: y\nruns:\n  - {proxy: nginx/fastest, expect: {failed: 0}}\n")
    let variant = try lab("list", "--lab-folder", broken, temporary: temporary)
    #expect(variant.status == 2 && variant.output.contains("nginx has no variant 'fastest'"), "\(variant.output)")
  }

  /// SIGINT in the middle: what was started is gone, and the results so far are shown.
  @Test(arguments: [2, 15] as [Int32])
  func anInterruptedRunLeavesNothing(signal: Int32) throws {
    let temporary = try TemporaryDirectory()
    let (process, groups) = try longRun(temporary)
    process.signal(signal)
    #expect(process.wait(atMost: .seconds(60)) == 128 + signal)
    #expect(scratch(temporary).isEmpty)
    #expect(waitUntil { members(of: groups).isEmpty }, "still there: \(members(of: groups))")
    #expect(BuiltProgram.text(ofFile: temporary.path + "/output")?.contains("interrupted") == true)
  }

  /// A killed lab cannot clear up; the next one does.
  @Test func theNextRunClearsWhatAKilledOneLeft() throws {
    let temporary = try TemporaryDirectory()
    let (process, groups) = try longRun(temporary)
    process.signal(9)
    _ = process.wait(atMost: .seconds(60))
    #expect(!scratch(temporary).isEmpty, "the run had not begun")
    // The kernel has ended the programs with the lab; its files are what is left.
    #expect(waitUntil { members(of: groups).isEmpty }, "still there: \(members(of: groups))")
    let doctor = try lab("doctor", temporary: temporary)
    #expect(doctor.output.contains("Proxies"))
    #expect(scratch(temporary).isEmpty)
    #expect(waitUntil { members(of: groups).isEmpty }, "still there: \(members(of: groups))")
  }

  /// Starts a run that would take minutes, and waits until its programs are there. Returns their process groups.
  private func longRun(_ temporary: TemporaryDirectory) throws -> (ChildProcess, groups: Set<Substring>) {
    let folder = try labCopy(
      temporary,
      scenario: """
        title: takes long
        says: requests leave after a minute
        all: {server: origin idle=never, aim: 60s, count: 4, connections: 4, methods: [GET]}
        runs:
          - {proxy: nginx/keepalive, expect: {failed: 0}}
        """)
    let process = try ChildProcess(
      [BuiltProgram.photofinish, "lab", "run", "sample", "--lab-folder", folder],
      environment: ["TMPDIR": temporary.path], output: .file(path: temporary.path + "/output"))
    // The origin, and nginx's master and worker.
    var groups: Set<Substring> = []
    let isThere = waitUntil {
      groups = Set(
        scratch(temporary).flatMap { name in
          let base = LabFolder.names(in: temporary.path).first { $0.hasPrefix("photofinish-lab-") } ?? ""
          let lines = LabFolder.text(of: "\(temporary.path)/\(base)/\(name)/groups")?.split(separator: "\n") ?? []
          return lines.compactMap { $0.split(separator: " ").first }
        })
      return groups.count == 2 && members(of: groups).count >= 3
    }
    #expect(isThere, "\(BuiltProgram.text(ofFile: temporary.path + "/output") ?? "")")
    return (process, groups)
  }

  /// A folder with the lab's proxies and servers and one scenario, `sample`.
  private func labCopy(_ temporary: TemporaryDirectory, scenario: String) throws -> String {
    let folder = temporary.path + "/lab"
    for part in ["proxies", "servers"] {
      for name in LabFolder.names(in: Self.lab + "/" + part) {
        try LabFolder.write(LabFolder.text(of: "\(Self.lab)/\(part)/\(name)") ?? "", to: "\(folder)/\(part)/\(name)")
      }
    }
    try LabFolder.write(scenario + "\n", to: folder + "/scenarios/sample.yaml")
    return folder
  }

  /// Processes of these groups, dead ones that nobody has waited for left out.
  private func members(of groups: Set<Substring>) -> [String] {
    LabFolder.names(in: "/proc").filter { name in
      guard name.first?.isNumber == true, let text = LabFolder.text(of: "/proc/\(name)/stat"),
        let end = text.lastIndex(of: ")")
      else { return false }
      let fields = text[text.index(after: end)...].split(separator: " ")
      return fields.count > 2 && fields[0] != "Z" && groups.contains(fields[2])
    }
  }

  private func waitUntil(_ condition: () -> Bool) -> Bool {
    let deadline = MonotonicClock.now.advanced(by: .seconds(60))
    while MonotonicClock.now < deadline {
      if condition() { return true }
      pause(.milliseconds(50))
    }
    return condition()
  }
}
