import Core
import Foundation
import Host
import Support

/// The files of Tests/Fixtures/Settings: NAME.yaml, and in NAME.expected what is said about it.
enum SettingsFixtures {
  static let directory = BuiltProgram.fixtures + "/Settings"

  static let names: [String] =
    ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [])
    .filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }.sorted()

  /// What the environment says to all of them.
  static func environment(_ name: String) -> String? {
    ["SECRET": "hunter2", "NUMBER": "12", "EMPTY": "", "KEYS": "[http://a, http://b]"][name]
  }

  static func bytes(_ name: String) throws -> [UInt8] {
    try Array(Data(contentsOf: URL(filePath: "\(directory)/\(name).yaml")))
  }

  static func parse(_ bytes: [UInt8], _ file: String = "test.yaml") -> Result<SettingsFile.Loaded, SettingsErrors> {
    SettingsFile.parse(bytes, file: file, environment: environment)
  }

  static func parse(_ text: String) -> Result<SettingsFile.Loaded, SettingsErrors> { parse(Array(text.utf8)) }

  /// The lines that `photofinish validate` writes, without its last.
  static func messages(_ result: Result<SettingsFile.Loaded, SettingsErrors>) -> [String] {
    switch result {
    case .success(let loaded): loaded.warningLines + ["valid"]
    case .failure(let errors): errors.lines
    }
  }
}
