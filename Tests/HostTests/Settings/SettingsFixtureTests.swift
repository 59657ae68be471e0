import Core
import Foundation
import Host
import Testing

/// Whole files, and exactly what is said about them.
struct SettingsFixtureTests {
  @Test func thereAreFixtures() throws {
    #expect(SettingsFixtures.names.count > 50)
    let expected = try FileManager.default.contentsOfDirectory(atPath: SettingsFixtures.directory)
      .filter { $0.hasSuffix(".expected") }.map { String($0.dropLast(9)) }.sorted()
    #expect(expected == SettingsFixtures.names)
  }

  @Test(arguments: SettingsFixtures.names)
  func saysExactlyWhatIsExpected(_ name: String) throws {
    let messages = SettingsFixtures.messages(
      SettingsFixtures.parse(try SettingsFixtures.bytes(name), "\(name).yaml"))
    let expected = try String(contentsOfFile: "\(SettingsFixtures.directory)/\(name).expected", encoding: .utf8)
      .split(separator: "\n").map(String.init)
    #expect(messages == expected)
  }

  @Test(arguments: SettingsFixtures.names)
  func neverShowsWhatTheEnvironmentHolds(_ name: String) throws {
    let messages = SettingsFixtures.messages(SettingsFixtures.parse(try SettingsFixtures.bytes(name)))
    #expect(!messages.contains { $0.contains("hunter2") })
  }

  /// Settings shown as a file are the same settings, and that file shows itself.
  @Test(arguments: SettingsFixtures.names)
  func showsWhatItReads(_ name: String) throws {
    guard case .success(let loaded) = SettingsFixtures.parse(try SettingsFixtures.bytes(name)) else { return }
    let text = SettingsText.write(SettingsParser.show(loaded.settings))
    let again = try SettingsFixtures.parse(text).get()
    #expect(again.settings == loaded.settings, "\(text)")
    #expect(SettingsText.write(SettingsParser.show(again.settings)) == text)
  }
}
