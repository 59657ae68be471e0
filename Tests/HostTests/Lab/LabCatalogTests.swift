import Analysis
import Core
import Host
import Support
import Testing

/// The files of the lab: all of them are read, and the programs themselves look at what comes of the templates.
struct LabCatalogTests {
  private static let folder = BuiltProgram.fixtures + "/../../lab"

  @Test func everyFileIsUnderstood() throws {
    let catalog = try LabCatalog(folder: LabFolder.resolved(Self.folder))
    #expect(catalog.proxies.count >= 10 && catalog.servers.count >= 13)
    for proxy in catalog.proxies {
      #expect(proxy.variants.count >= 2, "\(proxy.name) has one configuration only")
      #expect(proxy.variant("default") != nil, "\(proxy.name) has no default")
    }
    for name in [
      "node-behind-alb", "uwsgi-behind-traefik", "equal-timeouts", "upstream-shorter", "upstream-longer", "reuse-off",
      "client-retries", "middlebox-forgets", "upstream-not-running", "upstream-too-slow", "wrong-protocol", "evidence",
    ] { #expect(catalog.scenarios.contains { $0.name == name }, "there is no scenario \(name)") }
    for scenario in catalog.scenarios {
      for run in scenario.runs { #expect(!run.expectations.isEmpty, "\(scenario.name): \(run.title) expects nothing") }
    }
  }

  @Test func mistakesInFilesAreNamed() throws {
    let error = #expect(throws: LabError.self) {
      _ = try LabProgram(
        try LabCatalog.node(parsing: "title: x\ncommand: [x]\ncolour: red\n", file: "x.yaml"), name: "x", role: .proxy,
        file: "x.yaml")
    }
    #expect(
      error?.description.hasPrefix("x.yaml:3: a proxy has no field 'colour'") == true, "\(String(describing: error))")
    #expect(throws: LabError.self) { _ = try LabCatalog.node(parsing: "a: [", file: "x.yaml") }
    #expect(throws: LabError.self) { _ = try LabCatalog(folder: "/nowhere") }
  }

  /// Every variant of every program that is installed here and can check a configuration.
  @Test(arguments: ["nginx", "haproxy", "apache", "caddy", "envoy", "alb", "h2o"])
  func templatesAreValid(name: String) throws {
    let catalog = try LabCatalog(folder: LabFolder.resolved(Self.folder))
    let tools = LabTools(photofinish: BuiltProgram.photofinish)
    for role in LabProgram.Role.allCases {
      guard let program = catalog.program(role, name) else { continue }
      // nginx, HAProxy and Apache are what script/bootstrap installs for tests; the others are looked at where they are.
      guard tools.isInstalled(program) else {
        #expect(!["nginx", "haproxy", "apache", "alb"].contains(name), "\(name) is missing; \(program.remedy)")
        continue
      }
      for variant in program.variants {
        let folder = try TemporaryDirectory()
        let problem = try LabCheck.problem(
          program, variant: variant.name, catalog: catalog, tools: tools, folder: folder.path)
        #expect(problem == nil, "\(role.rawValue) \(name)/\(variant.name): \(problem ?? "")")
      }
    }
  }
}
