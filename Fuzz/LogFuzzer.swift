// The entry point of libFuzzer for log files. Built by script/fuzz, never by the package.

import Analysis
import Core

/// What libFuzzer calls with each input. A violated rule traps, so that the input is kept.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  // Safe: libFuzzer hands over `count` readable bytes.
  let bytes = unsafe Array(UnsafeBufferPointer(start: start, count: count))
  if let violation = LogOracle.check(bytes) { fatalError(violation) }
  return 0
}
