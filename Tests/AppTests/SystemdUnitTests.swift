import Foundation
import Host
import Support
import Testing

/// The units of packaging/systemd, as systemd's own tools read them.
struct SystemdUnitTests {
  private static let packaging = URL(filePath: BuiltProgram.fixtures).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "packaging").path
  private static let service = packaging + "/systemd/photofinish.service"

  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func run(_ arguments: [String]) throws -> (status: Int32?, output: String) {
    let log = directory.path + "/log"
    let program = try ChildProcess(arguments, output: .file(path: log))
    let status = program.wait(atMost: .seconds(60))
    return (status, BuiltProgram.text(ofFile: log) ?? "")
  }

  /// The units with the program of this build in place of the installed one, which may not be there.
  private func unit(_ name: String, changing change: (String) -> String = { $0 }) throws -> String {
    let text = try String(contentsOfFile: "\(Self.packaging)/systemd/\(name)", encoding: .utf8)
    #expect(name.hasSuffix(".socket") || text.contains("/usr/local/bin/photofinish serve"))
    let path = "\(directory.path)/\(name)"
    try change(text).replacing("/usr/local/bin/photofinish", with: BuiltProgram.photofinish)
      .write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  @Test func areUnderstoodBySystemd() throws {
    let (status, output) = try run([
      "systemd-analyze", "verify", "--man=no", try unit("photofinish.service"), try unit("photofinish.socket"),
    ])
    #expect(status == 0 && output.isEmpty, "\(output)")
  }

  @Test func wouldBeToldOfAMistake() throws {
    let path = try unit("photofinish.service") { $0.replacing("ProtectSystem=strict", with: "ProtectSystm=strict") }
    let (_, output) = try run(["systemd-analyze", "verify", "--man=no", path])
    #expect(output.contains("ProtectSystm"), "\(output)")
  }

  /// systemd's own measure, from 0 (nothing it may do) to 10: beyond 2.0 the test fails, and so would a lost line of the sandbox.
  @Test func leaveLittleToAnIntruder() throws {
    let (status, output) = try run([
      "systemd-analyze", "security", "--offline=yes", "--threshold=20", "--no-pager", Self.service,
    ])
    #expect(status == 0, "\(output.suffix(200))")
    let open = try unit("photofinish.service") { $0.replacing("SystemCallFilter", with: "#SystemCallFilter") }
    let (weaker, _) = try run(["systemd-analyze", "security", "--offline=yes", "--threshold=20", "--no-pager", open])
    #expect(weaker != 0)
  }
}
