import Analysis
import ArgumentParser
import Core
import Host

struct LabListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "Name the scenarios, and with --verbose their runs and what each expects.")

  @OptionGroup var places: LabPlaces

  @Flag(name: .shortAndLong, help: "Name the runs, proxies and servers as well.")
  var verbose = false

  func run() throws {
    let catalog = try places.catalog()
    let ink = Ink(isColoured: Terminal.isColoured(descriptor: 1))
    var text = ""
    for scenario in catalog.scenarios {
      text += ink.bold(scenario.name) + "  \(Display.count(scenario.runs.count, "run"))\n  \(scenario.title)\n"
      guard verbose else { continue }
      for run in scenario.runs {
        text += "    \(run.title)" + (run.isSlow ? " (slow)" : "")
        text += ink.faint("  " + run.expectations.map(\.text).joined(separator: ", ")) + "\n"
      }
    }
    if verbose {
      for (title, programs) in [("Proxies", catalog.proxies), ("Servers", catalog.servers)] {
        text += "\n" + ink.bold(title) + "\n"
        for program in programs {
          text += "  \(program.name)  \(program.title)\n"
          for variant in program.variants {
            text += "    \(program.name)/\(variant.name)  \(ink.faint(variant.says))\n"
          }
        }
      }
    }
    Terminal.write(text)
  }
}
