import Core
import Foundation

/// Certificates that the `openssl` tool makes in a temporary directory, which goes with this object.
final class TestCertificates {
  let folder: URL
  let authority: CertificateFiles

  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "tls-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    authority = CertificateFiles(
      chain: folder.appending(path: "authority.pem").path, key: folder.appending(path: "authority.key").path)
    try openssl(
      "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 30 -subj", ["/CN=Test authority"],
      "-keyout \(authority.key) -out \(authority.chain) -addext keyUsage=critical,keyCertSign")
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  func path(_ name: String) -> String { folder.appending(path: name).path }

  @discardableResult
  func write(_ name: String, _ text: String) throws -> String {
    try text.write(toFile: path(name), atomically: true, encoding: .utf8)
    return path(name)
  }

  func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

  /// A certificate for names, `IP:` before addresses, issued by the authority.
  ///
  /// - Parameters:
  ///   - key: as `openssl genpkey` takes it, in words.
  ///   - days: from now on; at most 0 has expired.
  func issue(
    _ name: String, for names: [String], key: String = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256",
    days: Int = 30, by issuer: CertificateFiles? = nil, canIssue: Bool = false
  ) throws -> CertificateFiles {
    let files = CertificateFiles(chain: path("\(name).pem"), key: path("\(name).key"))
    try openssl("genpkey \(key) -out \(files.key)")
    try openssl("req -new -key \(files.key) -subj", ["/O=Tests/CN=\(name)"], "-out \(path("\(name).csr"))")
    let all = names.map { $0.hasPrefix("IP:") ? $0 : "DNS:\($0)" }.joined(separator: ",")
    var extensions = names.isEmpty ? "" : "subjectAltName=\(all)\n"
    if canIssue { extensions += "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n" }
    let list = try write("\(name).ext", extensions)
    let issuer = issuer ?? authority
    try openssl(
      "x509 -req -in \(path("\(name).csr")) -CA \(issuer.chain) -CAkey \(issuer.key) -CAcreateserial -days \(days)"
        + " -sha256 -extfile \(list) -out \(files.chain)")
    return files
  }

  func openssl(_ words: String, _ literal: [String] = [], _ more: String = "") throws {
    let split = { (text: String) in text.split(separator: " ").map(String.init) }
    try TestProcess.run("openssl", split(words) + literal + split(more))
  }
}

struct TestProcess {
  struct Failed: Error { var text: String }

  /// Runs a program to its end. A missing or failing one is a failure of the test.
  @discardableResult
  static func run(_ program: String, _ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [program] + arguments
    let output = Pipe()
    process.standardOutput = output
    process.standardError = output
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    guard process.terminationStatus == 0 else {
      throw Failed(text: "\(program) \(arguments.joined(separator: " ")): \(text)")
    }
    return text
  }
}
