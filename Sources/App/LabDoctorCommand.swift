import Analysis
import ArgumentParser
import Core
import Glibc
import Host

struct LabDoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Say what of the lab is there, what is missing, and how to get it.",
    discussion: "Exits with 0 when everything is there, else with 3.")

  @OptionGroup var places: LabPlaces

  func run() throws {
    let catalog = try places.catalog()
    let tools = places.tools
    let ink = Ink(isColoured: Terminal.isColoured(descriptor: 1))
    let scratch: LabScratch
    do throws(LabError) {
      scratch = try LabScratch(temporaryFolder: LabPlaces.temporaryFolder)
    } catch {
      Terminal.complain(error.description)
      throw ExitCode(3)
    }
    defer { scratch.clear() }
    var isWhole = true
    func line(_ isThere: Bool, _ name: String, _ text: String) {
      isWhole = isWhole && isThere
      let mark = isThere ? ink.green("+") : ink.red("-")
      let gap = String(repeating: " ", count: max(1, 16 - name.count))
      Terminal.write("\(mark) \(name)\(gap)\(text)\n")
    }
    Terminal.write(ink.bold("Machine") + "\n")
    switch LabBench.wireProblem() {
    case nil: line(true, "wire", "network namespaces and TUN devices can be made")
    case let problem?: line(false, "wire", problem)
    }
    line(true, "lab files", catalog.folder)
    for (title, programs) in [("Proxies", catalog.proxies), ("Servers", catalog.servers)] {
      Terminal.write(ink.bold(title) + "\n")
      for program in programs {
        if tools.isInstalled(program) {
          line(
            true, program.name,
            "\(program.title) \(tools.version(of: program, scratch: scratch.path) ?? "(it does not say its version)")")
        } else {
          line(false, program.name, "\(program.title) is missing; \(program.remedy)")
        }
      }
    }
    if !isWhole { throw ExitCode(3) }
  }
}
