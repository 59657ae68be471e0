/// From what a settings file says to settings that are legal, or to all that is wrong with them.
package enum SettingsParser {
  package struct Result: Sendable {
    /// nil when there is an error.
    package var settings: ProxySettings?
    /// In the order of the file, warnings among them.
    package var problems: [SettingsProblem]
    package var untoldCount: Int
  }

  /// - Parameters:
  ///   - threads: event loops where the file names no number.
  ///   - environment: what the environment says about a name.
  package static func parse(
    _ root: SettingsNode, threads: Int, environment: (String) -> String?
  ) -> Result {
    withoutActuallyEscaping(environment) { environment in
      parse(root, threads: threads, EnvironmentValues(value: environment))
    }
  }

  private static func parse(_ root: SettingsNode, threads: Int, _ environment: EnvironmentValues) -> Result {
    var reader = SettingsReader()
    var root = root
    environment.fill(&root, &reader)
    var draft = SettingsDraft()
    draft.settings.threads = threads
    SettingsSchema.section.read(root, into: &draft, &reader)
    let isMap =
      switch root.content {
      case .map, .nothing: true
      case .scalar, .list: false
      }
    let settings = isMap ? SettingsAssembly.settings(draft, &reader) : nil
    // A stable order: of problems at one place the first found comes first.
    let ordered = reader.problems.enumerated().sorted {
      ($0.element.place, $0.offset) < ($1.element.place, $1.offset)
    }.map(\.element)
    return Result(
      settings: reader.errorCount == 0 ? settings : nil, problems: told(ordered),
      untoldCount: max(0, ordered.count - SettingsProblem.limit))
  }

  /// No more than the limit; errors before warnings when there is no room for all.
  private static func told(_ problems: [SettingsProblem]) -> [SettingsProblem] {
    guard problems.count > SettingsProblem.limit else { return problems }
    let errors = problems.filter { $0.severity == .error }
    return Array((errors + problems.filter { $0.severity == .warning }).prefix(SettingsProblem.limit))
  }

  /// The settings as a file that names everything. Reading it gives the same settings.
  package static func show(_ settings: ProxySettings) -> SettingsNode {
    var draft = SettingsDraft()
    draft.settings = settings
    draft.upstreams = settings.upstreams
    draft.routes = settings.routes.map { SettingsAssembly.draft($0, settings.upstreams) }
    return SettingsSchema.section.show(draft) ?? SettingsNode(.nothing)
  }

  /// What is impossible about settings that were put together in another way than by reading one file. Without places.
  package static func conflicts(_ settings: ProxySettings) -> [SettingsProblem] {
    parse(show(settings), threads: settings.threads) { _ in nil }.problems
      .filter { $0.severity == .error }
      .map { problem in
        var problem = problem
        problem.place = .whole
        return problem
      }
  }

  /// All keys, for the reference and the example.
  package static var keys: [SettingsKeyDescription] {
    SettingsSchema.section.describe(SettingsDraft())
  }
}
