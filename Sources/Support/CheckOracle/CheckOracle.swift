internal import Analysis

/// What must hold of `check` whatever the file says: it ends, its places exist, its outputs are well formed.
package enum CheckOracle {
  /// Names of files, of which the first byte of an input chooses one.
  package static let names = [
    "nginx.conf", "haproxy.cfg", "Caddyfile", "httpd.conf", "main.tf", "data.json", "data.toml", "uwsgi.ini",
    "application.properties", "server.xml",
    "server.js", "gunicorn.conf.py", "main.go", "puma.rb", "run.sh", "Dockerfile", "Procfile", "web.service", ".env",
    "settings.py", "Program.cs", "package.json", "manifest.yaml", "values.yaml", "compose.yaml", "application.yaml",
  ]

  /// Returns what is wrong; nil when nothing is.
  package static func check(_ input: [UInt8]) -> String? {
    guard let choice = input.first else { return nil }
    let name = names[Int(choice) % names.count]
    // JSON is YAML: so its reader stands for that of YAML, which needs a library outside the pure layers.
    let file = CheckedFile(path: name, bytes: Array(input.dropFirst()))
    let front = CheckedFile(path: "alb.tf", text: "resource \"aws_lb\" \"a\" { idle_timeout = 4000 }\n")
    var run = CheckRun([file, front], readYAML: JSONTreeReader.read)
    var report = run.run()
    report.dropCommented([file, front])
    for finding in report.findings where finding.place.file == name {
      let line = file.line(finding.place.line)
      guard let line, finding.place.column >= 1, finding.place.column <= line.utf8.count + 1 else {
        return "\(finding.rule.rawValue) is at \(finding.place.text), which the file does not have"
      }
    }
    guard let json = try? JSONValue(parsing: CheckJSON.document(report)),
      json["findings"]?.array?.count == report.findings.count
    else {
      return "the JSON is not well formed"
    }
    guard (try? JSONValue(parsing: CheckSARIF.document(report, version: "0"))) != nil else {
      return "the SARIF is not JSON"
    }
    let text = CheckText(report, ink: Ink(isColoured: false)).text()
    guard !text.unicodeScalars.contains(where: { $0.value < 0x20 && $0 != "\n" }) else {
      return "a control character reaches the terminal"
    }
    _ = CheckMarkdown.document(report) + CheckFix.diff(report, [file, front])
    return nil
  }
}
