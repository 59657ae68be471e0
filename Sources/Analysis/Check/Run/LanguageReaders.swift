/// The readers of further languages, by the kind of the file.
enum LanguageReaders {
  static func read(
    _ file: CheckedFile, _ kind: FileKind, _ tree: ConfigurationTree?, _ context: CheckContext,
    into reading: inout CheckReading
  ) {
  }
}
