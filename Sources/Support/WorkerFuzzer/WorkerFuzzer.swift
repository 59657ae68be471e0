// The program that fuzzes a whole worker: script/fuzz worker builds and starts it. Never part of another build.

import Support

/// What libFuzzer calls with each input. A violated rule traps, so that the input is kept.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  // Safe: libFuzzer hands over `count` readable bytes.
  let bytes = unsafe Array(UnsafeBufferPointer(start: start, count: count))
  do {
    if let violation = try WorkerOracle.check(bytes) { preconditionFailure(violation) }
  } catch {
    preconditionFailure("the play cannot begin: \(error)")
  }
  return 0
}

/// libFuzzer's loop, for the linker that takes the package's `main` before libFuzzer's own.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
  _ count: UnsafeMutablePointer<CInt>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
  _ check: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

@main struct WorkerFuzzer {
  static func main() {
    var count = CommandLine.argc
    // Safe: the runtime keeps the arguments for the life of the process, and libFuzzer reads them only.
    var arguments = unsafe CommandLine.unsafeArgv
    // Safe: both are valid during the call.
    _ = unsafe runDriver(&count, &arguments) { unsafe fuzzOneInput($0, $1) }
  }
}
