/// What the readers found in all files.
package struct CheckReading: Sendable {
  package var servers: [CheckedServer] = []
  package var pools: [CheckedPool] = []
  package var services: [CheckedService] = []
  package var middleboxes: [CheckedMiddlebox] = []
  package var findings: [CheckFinding] = []
  /// What could not be read, or only in part.
  package var problems: [CheckEvidence] = []
  /// Files in which a reader found something of its language.
  package var understood: Set<String> = []

  /// Commands and files that are brought together before they become servers.
  package var gunicorns: [GunicornSettings] = []
  package var pumaCommands: [(command: ServerCommand, owner: String)] = []

  package init() {}
}
