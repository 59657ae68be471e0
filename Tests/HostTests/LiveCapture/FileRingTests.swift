import Host
import Support
import Testing

@Suite struct FileRingTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  @Test func keepsTheNewestFilesOnly() throws {
    var ring = try FileRing(directory: directory.path + "/kept", maximumFiles: 3, fileSize: 10)
    for number in 0..<7 {
      let hasRoom = ring.hasRoom(for: 8)
      #expect(!hasRoom)
      ring.finish([])
      try ring.begin()
      _ = try ring.write(Array("file \(number)!".utf8))
    }
    let paths = ring.paths
    #expect(paths.count == 3)
    #expect(paths.compactMap(BuiltProgram.text(ofFile:)) == ["file 4!", "file 5!", "file 6!"])
    #expect(BuiltProgram.text(ofFile: directory.path + "/kept/photofinish-000004.pcapng") == nil)
  }

  /// A restart must neither overwrite what is there nor let it grow beyond the bound.
  @Test func numbersOnOverRuns() throws {
    for run in 1...3 {
      var ring = try FileRing(directory: directory.path, maximumFiles: 2, fileSize: 100)
      try ring.begin()
      let path = try ring.write([1])
      #expect(path.hasSuffix("/photofinish-00000\(run).pcapng"))
      let count = ring.paths.count
      #expect(count == min(run, 2))
    }
  }

  @Test func saysWhatIsWrongWithTheDirectory() throws {
    #expect { _ = try FileRing(directory: directory.path + "/no/such", maximumFiles: 1, fileSize: 1) } throws: {
      "\($0)".contains("cannot be made: No such file or directory")
    }
    let file = directory.path + "/file"
    #expect(try ChildProcess(["touch", file]).wait(atMost: .seconds(10)) == 0)
    #expect { _ = try FileRing(directory: file, maximumFiles: 1, fileSize: 1) } throws: {
      "\($0)".contains("Not a directory")
    }
  }

  /// Needs root, for a small file system of its own.
  @Test func leavesWholeFilesWhenTheDiskIsFull() throws {
    let mount = directory.path + "/small"
    #expect(try ChildProcess(["mkdir", mount]).wait(atMost: .seconds(10)) == 0)
    let mounted = try ChildProcess(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", mount]).wait(
      atMost: .seconds(10))
    try #require(mounted == 0)
    defer { _ = try? ChildProcess(["umount", mount]).wait(atMost: .seconds(10)) }
    var ring = try FileRing(directory: mount, maximumFiles: 10, fileSize: 1 << 20)
    try ring.begin()
    let path = try ring.write(Array(repeating: 1, count: 40_000))
    var problem = ""
    do { _ = try ring.write(Array(repeating: 2, count: 40_000)) } catch { problem = "\(error)" }
    #expect(problem.contains("No space left on device"))
    #expect(BuiltProgram.text(ofFile: path)?.utf8.count == 40_000)
    // What fits still goes in.
    _ = try ring.write([3])
    #expect(BuiltProgram.text(ofFile: path)?.utf8.count == 40_001)
    ring.finish([])
    // A file of which nothing can be written does not stay.
    try ring.begin()
    problem = ""
    do { _ = try ring.write(Array(repeating: 4, count: 40_000)) } catch { problem = "\(error)" }
    #expect(problem.contains("No space left on device"))
    let paths = ring.paths
    #expect(paths == [path])
    let hasCurrent = ring.hasCurrent
    #expect(!hasCurrent)
  }
}
