internal import Core

/// Tomcat's `server.xml`, Jetty's files.
enum TomcatReader {
  static func read(_ file: CheckedFile, _ context: CheckContext, into reading: inout CheckReading) {
    guard file.contains("<Connector") else {
      if file.contains("http.idleTimeout") { jetty(file, context, &reading) }
      return
    }
    let version = context.version(of: .tomcat, near: file.path)
    for element in XMLReader.elements(file) where element.name == "Connector" {
      guard !(element.attributes["protocol"] ?? "").hasPrefix("AJP") else { continue }
      reading.understood.insert(file.path)
      var idle = CheckTimer(assumed: .tomcat, .clientIdle, version: version)
      for name in ["connectionTimeout", "keepAliveTimeout"] {
        guard let text = element.attributes[name], let place = element.places[name] else { continue }
        let number = context.environment.expand(text).flatMap { Int64($0) }
        idle = CheckTimer(
          number.map { $0 < 0 ? .never : .time(.milliseconds(min($0, 1 << 40))) } ?? .unknown, name, at: place)
      }
      if element.attributes["maxKeepAliveRequests"] == "1" {
        idle = CheckTimer(.none, "maxKeepAliveRequests", at: element.places["maxKeepAliveRequests"])
      }
      var server = CheckedServer(
        .tomcat, version: version, at: idle.place ?? element.place, idle: idle, owner: file.path)
      server.ports = element.attributes["port"].flatMap { Int($0) }.map { [$0] } ?? []
      server.remedy = .line("keepAliveTimeout=\"$\"", unit: .milliseconds)
      reading.servers.append(server)
    }
  }

  private static func jetty(_ file: CheckedFile, _ context: CheckContext, _ reading: inout CheckReading) {
    let elements = XMLReader.elements(file)
    guard let index = elements.firstIndex(where: { $0.attributes["name"] == "idleTimeout" }) else { return }
    let text = elements[index...].prefix(3).compactMap {
      $0.attributes["default"] ?? Int($0.text.filter { !$0.isWhitespace }).map(String.init)
    }.first
    add(text, at: elements[index].place, context, into: &reading)
  }

  /// `jetty.http.idleTimeout=30000` in a file of start.d.
  static func read(ini file: CheckedFile, _ context: CheckContext, into reading: inout CheckReading) {
    for entry in IniReader.entries(file) where entry.key == "jetty.http.idleTimeout" || entry.key == "jetty.idleTimeout"
    {
      add(entry.value, at: entry.place, context, into: &reading)
    }
  }

  private static func add(
    _ text: String?, at place: CheckPlace, _ context: CheckContext, into reading: inout CheckReading
  ) {
    reading.understood.insert(place.file)
    let number = text.flatMap { Int64($0) }
    let idle = CheckTimer(
      number.map { $0 <= 0 ? .never : .time(.milliseconds(min($0, 1 << 40))) } ?? .unknown, "jetty.http.idleTimeout",
      at: place)
    var server = CheckedServer(.jetty, at: place, idle: idle, owner: place.file)
    server.remedy = .line("jetty.http.idleTimeout=$", unit: .milliseconds)
    reading.servers.append(server)
  }
}
