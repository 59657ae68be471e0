import Core
import Host
import Support
import Testing

/// The scripts that put the program under load, with smaller figures than an operator would give them. Each counts what its clients
/// saw and what its servers read, and ends with 0 only when nothing was lost.
@Suite(.serialized)
struct LoadScriptTests {
  private func run(_ script: String, _ arguments: String..., atMost limit: Nanoseconds = .seconds(300)) throws -> String
  {
    let directory = try TemporaryDirectory()
    let output = directory.path + "/output"
    let process = try ChildProcess(
      ["python3", BuiltProgram.fixtures + "/../../script/" + script, "--binary", BuiltProgram.photofinish] + arguments,
      environment: ["TMPDIR": directory.path], output: .file(path: output))
    let status = process.wait(atMost: limit)
    if status == nil { process.end() }
    let text = BuiltProgram.text(ofFile: output) ?? ""
    #expect(status == 0, "\(text)")
    return text
  }

  @Test func reloadsUnderLoadLoseNothing() throws {
    let text = try run("reload-load", "--requests", "60000", "--every", "0.3")
    #expect(text.contains("failed 0, lost 0, read twice 0, answered but not read 0, connects refused 0"))
  }

  @Test func upgradesUnderLoadLoseNothing() throws {
    let text = try run("upgrade-load", "--requests", "60000", "--every", "0.7")
    #expect(
      text.contains(
        "failed 0, lost 0, read twice 0, answered but not read 0, connects refused 0, idle client connections closed 0")
    )
  }

  @Test func reloadsAndUpgradesUnderLoadLoseNothing() throws {
    let text = try run("reload-load", "--requests", "40000", "--every", "0.3", "--upgrade-every", "1")
    #expect(text.contains(" upgrades, "))
    #expect(text.contains("failed 0, lost 0, read twice 0, answered but not read 0, connects refused 0"))
  }

  @Test func killedServersCostNoIdempotentRequest() throws {
    let text = try run("killed-servers", "--time", "10", "--every", "0.7", "--requests", "200000")
    #expect(text.contains("idempotent failed 0, others read twice 0, answered but not read 0, connects refused 0"))
  }

  @Test func tenThousandClientsAreServedOrRefused() throws {
    let text = try run("crowd", "--clients", "10000")
    #expect(text.contains("10000 of them served") && text.contains("300 of them served"))
  }

  @Test func aSoakWithEveryFaultLosesNothingAndGrowsNothing() throws {
    let text = try run("soak", "--seconds", "15")
    #expect(text.contains("idempotent failed 0, others read twice 0"))
  }
}
