import Analysis
import ArgumentParser
import Core
import Host

/// `photofinish validate`: says what is wrong with settings files.
struct ValidateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "validate",
    abstract: "Check settings files.",
    discussion: """
      Reads each file as 'serve --settings' would, environment variables filled in, and the files of its certificates, \
      and tells everything that is wrong with them, each with its place, the fact and the likely fix. Warnings are about what is legal and harmful.

      EXAMPLES
        photofinish validate photofinish.yaml
        photofinish validate --strict --output json *.yaml
        generate-settings | photofinish validate -

      EXIT CODES
        0  every file is valid (with --strict: and without warnings)
        1  a file is not
        2  wrong usage
      """)

  enum Output: String, ExpressibleByArgument, CaseIterable {
    case text, json
  }

  @Argument(help: ArgumentHelp("Settings files; - for standard input.", valueName: "file"))
  var files: [String]

  @Option(help: ArgumentHelp("How it is told.", valueName: "text|json"))
  var output: Output = .text

  @Flag(help: "Take warnings for errors.")
  var strict = false

  func run() throws {
    let results = files.map { FileResult(file: $0, strict: strict) }
    switch output {
    case .json: Terminal.write(JSONText.array(results.map(\.json)).text + "\n")
    case .text:
      let display = SettingsDisplay(descriptor: 1)
      for result in results { Terminal.write(result.text(display)) }
    }
    if results.contains(where: { !$0.isValid }) { throw ExitCode(1) }
  }
}

/// What came of one file.
private struct FileResult {
  let file: String
  let isValid: Bool
  let problems: [SettingsProblem]
  let untoldCount: Int
  /// For the lines that problems are about.
  let bytes: [UInt8]

  init(file: String, strict: Bool) {
    self.file = file
    switch SettingsFile.bytes(file) {
    case .failure(let problem):
      (isValid, problems, untoldCount, bytes) = (false, [problem], 0, [])
    case .success(let bytes):
      self.bytes = bytes
      switch SettingsFile.parse(bytes, file: file) {
      case .success(let loaded):
        // As a start would read them.
        let faults = loaded.settings.certificateFaults
        let isClean = faults.isEmpty && (!strict || loaded.warnings.isEmpty)
        (isValid, problems, untoldCount) = (isClean, faults + loaded.warnings, 0)
      case .failure(let errors):
        (isValid, problems, untoldCount) = (false, errors.problems, errors.untoldCount)
      }
    }
  }

  func text(_ display: SettingsDisplay) -> String {
    let told = display.text(SettingsErrors(file: file, problems: problems, untoldCount: untoldCount), source: bytes)
    let count = { (severity: SettingsProblem.Severity, word: String) -> String? in
      let number = problems.count { $0.severity == severity } + (severity == .error ? untoldCount : 0)
      return number == 0 ? nil : "\(number) \(word)\(number == 1 ? "" : "s")"
    }
    let counts = [count(.error, "error"), count(.warning, "warning")].compactMap(\.self).joined(separator: ", ")
    return told + "\(file): \(isValid ? "valid" : "not valid")\(counts.isEmpty ? "" : ", \(counts)")\n"
  }

  var json: JSONText {
    .object([
      ("file", .string(file)), ("valid", .bool(isValid)),
      (
        "problems",
        .array(
          problems.map { problem in
            .object([
              ("severity", .string(problem.severity.rawValue)), ("line", .number(Int64(problem.place.line))),
              ("column", .number(Int64(problem.place.column))), ("subject", .string(problem.subject)),
              ("fact", .string(problem.fact)), ("fix", .string(problem.fix)),
            ])
          })
      ),
      ("untold", .number(Int64(untoldCount))),
    ])
  }
}
