import Analysis
import ArgumentParser
import Core
import Glibc
import Host

struct LabCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lab",
    abstract: "Set real proxies in front of real servers, let the race happen, and count what each of them loses.",
    discussion: """
      'lab list' names the scenarios, 'lab doctor' what is installed and how to get the rest, 'lab run' runs:

        photofinish lab run node-behind-alb
        photofinish lab run --all --markdown results.md --html results.html

      Each run has its own two network namespaces, joined by a path with a delay; that needs root and /dev/net/tun. Without root it
      runs on loopback, where only some of the race can be met, and says so.
      """,
    subcommands: [LabRunCommand.self, LabListCommand.self, LabDoctorCommand.self])
}

/// Where the lab's files are.
struct LabPlaces: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The folder with proxies, servers and scenarios. (default: the 'lab' beside the sources)", valueName: "path"))
  var labFolder: String?

  @Option(
    help: ArgumentHelp(
      "The Python environment that script/lab-setup made. (default: $XDG_CACHE_HOME/photofinish/lab)", valueName: "path"
    ))
  var environment: String?

  func catalog() throws -> LabCatalog {
    do throws(LabError) {
      return try LabCatalog(folder: folder())
    } catch {
      Terminal.complain(error.description)
      throw ExitCode(2)
    }
  }

  /// The folder that was named, or the first that is there: in this folder, or upwards of the program, which is built below it.
  private func folder() -> String {
    if let labFolder { return LabFolder.resolved(labFolder) }
    var candidates = ["lab"]
    var place = Substring(Self.program)
    while let slash = place.lastIndex(of: "/"), slash > place.startIndex {
      place = place[..<slash]
      candidates.append("\(place)/lab")
    }
    candidates.append("/usr/share/photofinish/lab")
    let found = candidates.first { LabFolder.exists($0 + "/scenarios") }
    return LabFolder.resolved(found ?? "lab")
  }

  var tools: LabTools {
    LabTools(photofinish: Self.program, environmentFolder: environment.map(LabFolder.resolved))
  }

  /// This program, for the parts that it plays itself.
  static var program: String { LabFolder.resolved("/proc/self/exe") }

  static var temporaryFolder: String { Terminal.variable("TMPDIR") ?? "/tmp" }
}
