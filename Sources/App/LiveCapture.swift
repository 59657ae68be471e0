import Analysis
import ArgumentParser
import Core
import Glibc
import Host

/// `photofinish capture --live`: judges packets as they pass, tells findings as they happen, and keeps only their packets.
struct LiveCapture: ~Copyable {
  /// Packets that are taken before signals and drops are looked at again.
  private static let batch = 4_096
  /// How long a wait lasts at most, so that time passes where no packet does.
  private static let tick = Nanoseconds.milliseconds(100)
  /// A packet may be handed over that much later than it passed.
  private static let handOver = Nanoseconds.milliseconds(250)
  /// How long a closed connection is kept for what still belongs to it. Shorter than for files: somebody waits for the line.
  private static let linger = Nanoseconds.seconds(2)
  /// How long a connection may be quiet that the client has closed, or whose SYN nobody answers: more than the longest pause
  /// between two SYNs.
  private static let abandoned = Nanoseconds.seconds(75)
  /// How long any other may be quiet: more than a pool keeps one.
  private static let quiet = Nanoseconds.seconds(4_000)

  /// How long packets are still taken at the end.
  private static let lastLook = Nanoseconds.seconds(2)

  private let options: LiveCaptureOptions
  private let writesLines: Bool
  private let showsProgress: Bool
  private let ink: Ink
  private let interface: String
  private var ring: PacketRing
  private var analyser: CaptureAnalyser
  private var keeper: PacketKeeper
  private var files: LiveCaptureFiles?
  private var counts = PacketRing.Counts()
  private var frames: Int64 = 0
  private var found = 0
  /// Since when losses were not looked for.
  private var lookedAt: Instant
  private var downSince: Instant?
  private var lastProblem: String?

  init(
    interface: String, options: LiveCaptureOptions, filter: CaptureFilter, writesLines: Bool, quiet: Bool
  ) throws {
    self.interface = interface
    self.options = options
    self.writesLines = writesLines
    showsProgress = !quiet && isatty(2) == 1
    ink = Ink(isColoured: Terminal.isColoured(descriptor: 1))
    if let directory = options.into {
      files = try LiveCaptureFiles(
        directory: directory, maximumFiles: options.ringFiles, fileSize: Int(options.ringSize.bytes),
        interface: interface)
    } else {
      files = nil
    }
    ring = try PacketRing(
      interface: interface, bytes: options.buffer.bytes,
      filter: KernelFilter(
        addresses: filter.hosts.map(\.networkBytes).sorted { $0.lexicographicallyPrecedes($1) },
        ports: filter.ports.sorted(),
        snapLength: UInt32(options.snapLength)))
    analyser = CaptureAnalyser(
      filter: filter, maximumOpen: options.connections, linger: LiveCapture.linger, isLive: true)
    analyser.captureIsComplete = true
    var limits = PacketKeeper.Limits()
    limits.bytesInAll = Int(options.keep.bytes)
    keeper = PacketKeeper(limits)
    lookedAt = LiveCapture.now
  }

  private static var now: Instant { Instant(nanoseconds: MonotonicClock.wallNanoseconds) }

  /// Runs until a signal comes or the time is over. Gives what was found in all.
  consuming func run(until signals: borrowing SignalDescriptor) throws -> CaptureReport {
    var poller = try Poller(batch: 2)
    try poller.register(ring.number, for: .readable, trigger: .level, token: 0)
    try poller.register(signals.number, for: .readable, trigger: .level, token: 1)
    let started = MonotonicClock.now
    let end = options.duration.map { started.advanced(by: $0.span) } ?? .distantFuture
    var nextSecond = started
    var problem: String?
    while MonotonicClock.now < end, signals.take() == nil {
      let isDrained = takePackets()
      countLosses()
      if isDrained {
        analyser.timePassed(
          LiveCapture.now.advanced(by: .zero - LiveCapture.handOver), abandoned: LiveCapture.abandoned,
          quiet: LiveCapture.quiet)
      }
      tellJudged()
      if MonotonicClock.now >= nextSecond {
        nextSecond = MonotonicClock.now.advanced(by: .seconds(1))
        guard interfaceIsThere() else {
          problem = "the interface \(interface) is gone"
          break
        }
        // Where packets come without a pause, they are the clock.
        if !isDrained, let last = analyser.lastTime {
          analyser.timePassed(last, abandoned: LiveCapture.abandoned, quiet: LiveCapture.quiet)
        }
        if showsProgress { showProgress(since: started) }
      }
      if isDrained { _ = poller.wait(atMost: max(.zero, min(LiveCapture.tick, end.since(MonotonicClock.now)))) }
      // A wait that an error of the socket ends at once would become a busy loop.
      if isDrained, downSince != nil { _ = usleep(50_000) }
    }
    return try finish(since: started, problem)
  }

  // MARK: - Packets

  /// Returns whether there are none left.
  private mutating func takePackets() -> Bool {
    LiveCapture.take(&ring, into: &analyser, &keeper, &frames) < LiveCapture.batch
  }

  /// The closure changes three values while the fourth is read, so each is lent to it by name.
  private static func take(
    _ ring: inout PacketRing, into analyser: inout CaptureAnalyser, _ keeper: inout PacketKeeper, _ frames: inout Int64
  ) -> Int {
    ring.take(atMost: batch) { packet, bytes in
      frames += 1
      let about = CapturePacket(frame: frames, time: packet.time, wireLength: packet.wireLength, link: .raw)
      analyser.packetRead(about, bytes: bytes)
      if let place = analyser.lastPlace { keeper.add(about, bytes, at: place) }
    }
  }

  private mutating func countLosses() {
    let now = LiveCapture.now
    let new = ring.takeCounts()
    counts.seen += new.seen
    counts.dropped += new.dropped
    // The kernel does not say when: any time since the last look.
    analyser.packetsLost(new.dropped, from: lookedAt, to: now)
    lookedAt = now
  }

  /// Returns whether it still exists. While it is down packets may pass it unseen.
  private mutating func interfaceIsThere() -> Bool {
    switch ring.health() {
    case .gone: return false
    case .down:
      if downSince == nil {
        downSince = LiveCapture.now
        complain("\(interface) went down; waiting for it to come up again")
      }
    case .up:
      guard let since = downSince else { break }
      downSince = nil
      complain("\(interface) is up again")
      analyser.packetsLost(1, from: since.advanced(by: .seconds(-1)), to: LiveCapture.now)
    }
    return true
  }

  // MARK: - Findings

  private mutating func tellJudged() {
    for connection in analyser.takeJudged() {
      let packets = keeper.take(connection.number)
      guard !connection.findings.isEmpty else { continue }
      var path: String?
      if let packets, files != nil { path = keep(packets, connection.findings) }
      for finding in connection.findings { tell(finding, path) }
    }
  }

  private mutating func keep(_ packets: PacketKeeper.Kept, _ findings: [CaptureFinding]) -> String? {
    do throws(FileRing.Failure) {
      let path = try files?.write(packets, findings, counts: counts, time: LiveCapture.now)
      if lastProblem != nil {
        complain("packets are kept again")
        lastProblem = nil
      }
      return path
    } catch {
      // Told once, not for each finding while the disk is full.
      if lastProblem == nil { complain("\(error); findings are told, but their packets are not kept") }
      lastProblem = error.description
      return nil
    }
  }

  private mutating func tell(_ finding: CaptureFinding, _ path: String?) {
    found += 1
    if showsProgress { Terminal.progress("") }
    if writesLines {
      Terminal.write(JSONReport.line(finding, kept: path))
    } else {
      Terminal.write(TextReport.verdict(finding, ink: ink))
    }
  }

  // MARK: - The end

  private consuming func finish(since started: Instant, _ problem: String?) throws -> CaptureReport {
    // What the kernel has already seen belongs to the capture: a last look behind a block that is not full.
    _ = usleep(50_000)
    // Bounded, since packets may come faster than they can be judged.
    let limit = MonotonicClock.now.advanced(by: LiveCapture.lastLook)
    while !takePackets(), MonotonicClock.now < limit {}
    countLosses()
    analyser.captureEnded()
    tellJudged()
    files?.finish(counts: counts, time: LiveCapture.now)
    if showsProgress { Terminal.progress("") }
    if let problem { complain("\(problem); what was seen until then follows") }
    let seconds = MonotonicClock.now.since(started)
    let keeping = files?.summary(options.into ?? "") ?? ""
    var report = analyser.finish()
    report.files = [
      CaptureReport.FileNote(
        name: "live \(interface)", frames: frames, problem: problem, dropped: UInt64(counts.dropped))
    ]
    if writesLines {
      Terminal.write(JSONReport(report).lines(listsFindings: false))
    } else {
      Terminal.write(TextReport(report, ink: ink).summary())
    }
    Terminal.complain(
      "capture: \(Display.duration(seconds)) on \(interface), \(Display.grouped(Int(frames))) packets, "
        + "\(Display.grouped(counts.dropped)) dropped by the kernel" + keeping)
    return report
  }

  private func complain(_ text: String) {
    if showsProgress { Terminal.progress("") }
    Terminal.complain("capture: \(text)")
  }

  private func showProgress(since started: Instant) {
    Terminal.progress(
      "\(interface): \(Display.duration(Nanoseconds(MonotonicClock.now.since(started).count / 1_000_000_000 * 1_000_000_000))), "
        + "\(Display.grouped(Int(frames))) packets, \(Display.grouped(counts.dropped)) dropped, "
        + "\(Display.count(found, "finding"))")
  }
}

extension CaptureCommand {
  /// Runs `--live`, and gives the report of what was seen.
  func runLive(_ interface: String) throws -> CaptureReport {
    let signals = try SignalDescriptor()
    let capture = try open(interface)
    if !quiet {
      Terminal.complain(
        "capture: listening on \(interface); "
          + (liveOptions.into.map { "packets of findings go to \($0)" }
            ?? "no packet is kept (--into keeps those of findings)")
          + "; end with Ctrl-C")
    }
    return try capture.run(until: signals)
  }

  private func open(_ interface: String) throws -> LiveCapture {
    guard host.count <= KernelFilter.maximumAddresses, port.count <= KernelFilter.maximumPorts else {
      throw ValidationError(
        "with --live, --host may be given \(KernelFilter.maximumAddresses) times and --port \(KernelFilter.maximumPorts) times"
      )
    }
    do {
      return try LiveCapture(
        interface: interface, options: liveOptions, filter: try filter(), writesLines: output == .ndjson, quiet: quiet)
    } catch let problem as PacketRing.Failure {
      Terminal.complain("capture: \(problem)")
      throw ExitCode(2)
    } catch let problem as FileRing.Failure {
      Terminal.complain("capture: \(problem)")
      throw ExitCode(2)
    }
  }
}
