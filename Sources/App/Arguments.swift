import ArgumentParser
import Core
import Host
import Logging

/// `on` or `off`.
enum Switch: String, ExpressibleByArgument, CaseIterable {
  case on, off
  var isOn: Bool { self == .on }
}

enum ReplayChoice: String, ExpressibleByArgument, CaseIterable {
  case proven, never
}

enum LogLevel: String, ExpressibleByArgument, CaseIterable {
  case debug, info, notice, warning, error

  var settings: LogSettings.Level {
    switch self {
    case .debug: .debug
    case .info: .info
    case .notice: .notice
    case .warning: .warning
    case .error: .error
    }
  }
}

extension LogSettings.Level {
  var logLevel: Logger.Level {
    switch self {
    case .trace: .trace
    case .debug: .debug
    case .info: .info
    case .notice: .notice
    case .warning: .warning
    case .error: .error
    case .critical: .critical
    }
  }
}

/// A length of time: `500ms`, `5s`, `2m`, `1h`.
struct TimeSpan: ExpressibleByArgument {
  var span: Nanoseconds

  init(_ span: Nanoseconds) { self.span = span }

  init?(argument: String) {
    guard let span = try? Nanoseconds(parsing: argument), span > .zero else { return nil }
    self.span = span
  }

  var defaultValueDescription: String { span.text }
}

/// A number of bytes: `65536`, `64k`, `10m`, `1g`.
struct ByteSize: ExpressibleByArgument {
  var bytes: UInt64

  init(bytes: UInt64) { self.bytes = bytes }

  init?(argument: String) {
    guard let bytes = try? byteCount(parsing: argument) else { return nil }
    self.bytes = bytes
  }

  var defaultValueDescription: String {
    bytes % 1_024 == 0 && bytes > 0 ? "\(bytes / 1_024)k" : "\(bytes)"
  }
}

/// An address block such as `10.0.0.0/8`; a bare address is a block of one.
struct TrustedBlock: ExpressibleByArgument {
  var block: AddressBlock

  init?(argument: String) {
    guard let block = try? AddressBlock(parsing: argument) else { return nil }
    self.block = block
  }
}

/// A length of time that may be none: `0`, `500ms`.
struct TimeOrZero: ExpressibleByArgument {
  var span: Nanoseconds

  init(_ span: Nanoseconds) { self.span = span }

  init?(argument: String) {
    guard let span = try? Nanoseconds(parsing: argument) else { return nil }
    self.span = span
  }

  var defaultValueDescription: String { span.text }
}
