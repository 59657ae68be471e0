/// Bounds on what is read from files that anybody may have written.
package enum CheckLimits {
  /// Bytes of one file; larger ones are passed over, and that is said.
  package static let fileBytes = 1 << 20
  /// Files of one run.
  package static let files = 50_000
  /// Folders in each other.
  package static let folderDepth = 40
  /// Blocks, lists and maps in each other.
  package static let depth = 64
  /// Directives, tokens or nodes of one file.
  package static let items = 400_000
  /// Includes in each other.
  package static let includeDepth = 16
  /// Findings of one run.
  package static let findings = 2_000
  /// Inclusions of one run.
  package static let includes = 5_000
  /// Variables in each other.
  package static let expansions = 8
}
