package import Core
internal import Foundation
internal import Host

/// Certificates that the `openssl` tool makes in a temporary directory, which goes with this object.
package final class TestCertificates: Sendable {
  private let directory: TemporaryDirectory
  package let authority: CertificateFiles

  package init() throws {
    let directory = try TemporaryDirectory()
    self.directory = directory
    authority = CertificateFiles(
      chain: "\(directory.path)/authority.pem", key: "\(directory.path)/authority.key")
    try openssl(
      "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 30 -subj", ["/CN=Test authority"],
      "-keyout \(authority.key) -out \(authority.chain) -addext keyUsage=critical,keyCertSign"
        + " -addext subjectAltName=IP:127.0.0.1")
  }

  package func path(_ name: String) -> String { "\(directory.path)/\(name)" }

  @discardableResult
  package func write(_ name: String, _ text: String) throws -> String {
    try text.write(toFile: path(name), atomically: true, encoding: .utf8)
    return path(name)
  }

  package func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

  /// A certificate for names, `IP:` before addresses, issued by the authority.
  ///
  /// - Parameters:
  ///   - key: as `openssl genpkey` takes it, in words.
  ///   - days: from now on; at most 0 has expired.
  package func issue(
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
      "x509 -req -in \(path("\(name).csr")) -CA \(issuer.chain) -CAkey \(issuer.key) -days \(days)"
        + " -set_serial \(UInt64.random(in: 1...UInt64(Int64.max)))"
        + " -sha256 -extfile \(list) -out \(files.chain)")
    return files
  }

  /// Issues a certificate anew, for `names`, valid from and until dates like `200101000000Z`.
  package func reissue(_ files: CertificateFiles, for names: [String], from begin: String, until end: String) throws {
    let folder = directory.path
    let all = names.map { $0.hasPrefix("IP:") ? $0 : "DNS:\($0)" }.joined(separator: ",")
    try write(
      "ca.cnf",
      "[ca]\ndefault_ca=d\n[d]\ndatabase=\(folder)/index\nserial=\(folder)/serial\nnew_certs_dir=\(folder)\ndefault_md=sha256\npolicy=p\nrand_serial=yes\nunique_subject=no\nx509_extensions=x\n[p]\ncommonName=supplied\n[x]\nsubjectAltName=\(all)\n"
    )
    try write("index", "")
    let request = files.chain.replacing(".pem", with: ".csr")
    try openssl(
      "ca -batch -config \(folder)/ca.cnf -in \(request) -cert \(authority.chain) -keyfile \(authority.key)"
        + " -startdate \(begin) -enddate \(end) -out \(files.chain) -notext")
  }

  package func openssl(_ words: String, _ literal: [String] = [], _ more: String = "") throws {
    let split = { (text: String) in text.split(separator: " ").map(String.init) }
    try TestProcess.run("openssl", split(words) + literal + split(more))
  }
}

package struct TestProcess {
  package struct Failed: Error { package var text: String }

  /// Runs a program to its end. A missing or failing one is a failure of the test.
  @discardableResult
  package static func run(_ program: String, _ arguments: [String]) throws -> String {
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
