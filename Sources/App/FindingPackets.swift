import Analysis
import Core
import Glibc
import Host

/// `--write-pcap`: reads the captures a second time and copies the packets of the connections with findings.
struct FindingPackets {
  struct Problem: Error, CustomStringConvertible {
    var description: String
  }

  private let report: CaptureReport

  init(_ report: CaptureReport) {
    self.report = report
  }

  func write(from paths: [String], to path: String) throws {
    guard !paths.contains("-") else {
      throw Problem(description: "--write-pcap reads its input twice, which standard input does not allow: give a file")
    }
    var cutter = FindingCutter(report.findings)
    // Safe: the path is lent as a C string during the call.
    let target = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard target >= 0 else { throw Problem(description: "\(path) cannot be written") }
    defer { close(target) }
    for source in paths {
      var reader = CaptureReader()
      do {
        var file = try CaptureFile(path: source)
        while try file.next({ (bytes) throws(CaptureError) in try reader.feed(bytes, into: &cutter) }) {
          try put(cutter.takeBytes(), to: target, path)
        }
      } catch let problem as Problem {
        throw problem
      } catch {
        // A damaged end was told when the file was judged; what came before it is copied.
      }
      try put(cutter.takeBytes(), to: target, path)
    }
  }

  private func put(_ bytes: [UInt8], to descriptor: Int32, _ path: String) throws {
    guard OutputFile.put(bytes, to: descriptor) else { throw Problem(description: "\(path) cannot be written") }
  }
}
