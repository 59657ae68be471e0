import Core
import Host
import Support
import Testing

struct PredictCommandTests {
  private func predict(_ arguments: [String]) throws -> (status: Int32?, output: String) {
    let directory = try TemporaryDirectory()
    let log = directory.path + "/log"
    let program = try ChildProcess([BuiltProgram.photofinish, "predict"] + arguments, output: .file(path: log))
    let status = program.wait(atMost: .seconds(60))
    return (status, BuiltProgram.text(ofFile: log) ?? "")
  }

  @Test func tellsTheFigureAndTheRemedies() throws {
    let (status, output) = try predict([
      "--rate", "1200/min", "--server-idle", "5s", "--proxy-idle", "60s", "--delay", "1ms", "--methods",
      "GET:60,POST:40",
    ])
    #expect(status == 0 && output.hasPrefix("4.92 failures a day expected"), "\(output)")
    #expect(output.contains("1.97 of them not idempotent"))
  }

  @Test func saysWhatIsWrong() throws {
    for (arguments, words) in [
      (["--rate", "5/week"], "is invalid for"), (["--rate", "-1"], "--rate"),
      (["--rate", "100000/s"], "say so by the number of pools"), (["--rate", "1", "--methods", "GET:x"], "--methods"),
      (["--rate", "1", "--server-jitter", "9s"], "longer than its idle time"),
    ] {
      let (status, output) = try predict(arguments + ["--server-idle", "5s"])
      #expect(status == 2 && output.contains(words), "\(output)")
    }
  }
}
