// swift-tools-version: 6.2
import PackageDescription

/// Every target is held to the same rules: the Swift 6 language mode, no warning, every unsafe use marked.
let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .treatAllWarnings(as: .error),
  .strictMemorySafety(),
  .enableExperimentalFeature("Lifetimes"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  // Dynamic exclusivity is checked in debug builds, which all tests are: docs/decisions/0006.
  .unsafeFlags(["-cross-module-optimization", "-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]

let package = Package(
  name: "photofinish",
  products: [
    .executable(name: "photofinish", targets: ["photofinish"])
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    // Core: pure values and state machines. No Foundation, no sockets, no clock, no randomness.
    .target(name: "Core", path: "Sources/Core", swiftSettings: strict),
    // Analysis: pure analysers over bytes and text; all produce findings.
    .target(name: "Analysis", dependencies: ["Core"], path: "Sources/Analysis", swiftSettings: strict),
    // Protocol: wire protocols as pure memory, over C libraries that are pure memory, too.
    .target(name: "CHTTP2", path: "Sources/Protocol/CHTTP2", linkerSettings: [.linkedLibrary("nghttp2")]),
    .target(
      name: "HTTP2", dependencies: ["Core", "CHTTP2"], path: "Sources/Protocol/HTTP2", swiftSettings: strict),
    // Transport: the bytes of a peer. TLS over memory: no socket, no clock.
    .target(
      name: "CTLS", path: "Sources/Transport/CTLS",
      linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
    .target(name: "TLS", dependencies: ["Core", "CTLS"], path: "Sources/Transport/TLS", swiftSettings: strict),
    // Host: everything that touches the kernel or the network.
    .target(name: "CLinux", path: "Sources/Host/CLinux"),
    .target(
      name: "CCompression", path: "Sources/Host/CCompression",
      linkerSettings: [.linkedLibrary("z"), .linkedLibrary("zstd"), .linkedLibrary("lzma")]),
    .target(
      name: "CProbeTLS", path: "Sources/Host/CProbeTLS",
      linkerSettings: [.linkedLibrary("ssl"), .linkedLibrary("crypto")]),
    .target(
      name: "Host",
      dependencies: [
        "Core", "Analysis", "TLS", "HTTP2", "CLinux", "CCompression", "CProbeTLS",
        .product(name: "BasicContainers", package: "swift-collections"),
        .product(name: "DequeModule", package: "swift-collections"),
        .product(name: "HeapModule", package: "swift-collections"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Yams", package: "Yams"),
      ],
      path: "Sources/Host",
      exclude: ["CLinux", "CCompression", "CProbeTLS"],
      swiftSettings: strict),
    // App: the executable, one file a subcommand.
    .executableTarget(
      name: "photofinish",
      dependencies: [
        "Core", "Analysis", "Host",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      path: "Sources/App",
      swiftSettings: strict),
    // Support: never shipped.
    .target(
      name: "Support",
      dependencies: ["Core", "Analysis", "TLS", "Host", .product(name: "Logging", package: "swift-log")],
      path: "Sources/Support",
      exclude: ["Simulator", "Simulate", "WorkerFuzzer"],
      swiftSettings: strict),
    // Simulator: Core's policy against a simulated network, in virtual time. Pure, so that a seed is a whole run.
    .target(
      name: "Simulator",
      dependencies: ["Core"],
      path: "Sources/Support/Simulator",
      // Optimised for the tests, too: thousands of worlds are to be run within seconds.
      swiftSettings: strict + [.unsafeFlags(["-O"], .when(configuration: .debug))]),
    .executableTarget(
      name: "simulate",
      dependencies: ["Simulator", "Core", .product(name: "ArgumentParser", package: "swift-argument-parser")],
      path: "Sources/Support/Simulate",
      swiftSettings: strict),

    .testTarget(name: "CoreTests", dependencies: ["Core"], swiftSettings: strict),
    .testTarget(name: "HTTP2Tests", dependencies: ["HTTP2", "Core"], swiftSettings: strict),
    .testTarget(name: "AnalysisTests", dependencies: ["Analysis", "Core"], swiftSettings: strict),
    .testTarget(name: "TLSTests", dependencies: ["TLS", "Core", "Support"], swiftSettings: strict),
    .testTarget(
      name: "HostTests", dependencies: ["Host", "HTTP2", "TLS", "Analysis", "Core", "Support"], swiftSettings: strict),
    .testTarget(
      name: "SupportTests", dependencies: ["Support", "Simulator", "Host", "Analysis", "Core"], swiftSettings: strict),
    .testTarget(
      name: "AppTests", dependencies: ["photofinish", "Host", "Analysis", "Core", "Support"], swiftSettings: strict),
  ]
)

// script/fuzz worker builds this, and nothing else does.
if Context.environment["PHOTOFINISH_FUZZ"] != nil {
  package.targets.append(
    .executableTarget(
      name: "fuzz-worker", dependencies: ["Support"], path: "Sources/Support/WorkerFuzzer", swiftSettings: strict))
}
