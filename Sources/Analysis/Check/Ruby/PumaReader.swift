/// Puma: its configuration in Ruby, and the commands that start it.
enum PumaReader {
  static func finish(_ reading: inout CheckReading, _ context: CheckContext) {}
}
