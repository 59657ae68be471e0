/// Writes samples in the text form of Prometheus 0.0.4 or of OpenMetrics 1.0.
///
/// Each family is begun once, with its samples behind it, as both forms ask.
package struct MetricsText: Sendable {
  package enum Form: Sendable {
    case prometheus, openMetrics

    package var contentType: String {
      switch self {
      case .prometheus: "text/plain; version=0.0.4; charset=utf-8"
      case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
      }
    }
  }

  /// Names and values of labels as they stand in a sample: `upstream="app",server="127.0.0.1:3000"`. Made once for all
  /// samples of one thing.
  package struct Labels: Sendable {
    fileprivate var text: [UInt8] = []

    package init() {}

    /// - Parameter values: pairs of a name and a value.
    package init(_ values: (String, String)...) { for (name, value) in values { add(name, value) } }

    package func adding(_ name: String, _ value: String) -> Labels {
      var labels = self
      labels.add(name, value)
      return labels
    }

    private mutating func add(_ name: String, _ value: String) {
      if !text.isEmpty { text.append(UInt8(ascii: ",")) }
      text += Array(name.utf8)
      text += [UInt8(ascii: "="), UInt8(ascii: "\"")]
      for byte in value.utf8 {
        switch byte {
        case UInt8(ascii: "\\"), UInt8(ascii: "\""): text += [UInt8(ascii: "\\"), byte]
        case 0x0a: text += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
        default: text.append(byte)
        }
      }
      text.append(UInt8(ascii: "\""))
    }
  }

  private let form: Form
  package private(set) var bytes: [UInt8] = []
  private var name: [UInt8] = []

  package init(_ form: Form) {
    self.form = form
    bytes.reserveCapacity(65_536)
  }

  /// Begins a family; its samples follow.
  package mutating func begin(_ metric: Metric) {
    let family = metric.family
    let called = form == .openMetrics ? metric.rawValue : metric.sampleName
    name = Array(metric.sampleName.utf8)
    line("# HELP \(called) \(family.help)")
    line("# TYPE \(called) \(family.kind.rawValue)")
    if form == .openMetrics, let unit = metric.unit { line("# UNIT \(called) \(unit)") }
  }

  package mutating func sample(_ value: UInt64) { sample(Labels(), value) }
  package mutating func sample(_ value: Double) { sample(Labels(), value) }

  package mutating func sample(_ labels: Labels, _ value: UInt64) {
    head("", labels)
    integer(value)
    bytes.append(0x0a)
  }

  package mutating func sample(_ labels: Labels, _ value: Double) {
    head("", labels)
    number(value)
    bytes.append(0x0a)
  }

  /// - Parameters:
  ///   - buckets: upper bounds in seconds and how many there are up to each, those below included.
  ///   - count: of all.
  package mutating func histogram(
    _ labels: Labels, buckets: [(bound: [UInt8], count: UInt64)], sum: Double, count: UInt64
  ) {
    for (bound, upTo) in buckets {
      bucketHead(labels, bound)
      integer(upTo)
      bytes.append(0x0a)
    }
    bucketHead(labels, Self.infinity)
    integer(count)
    bytes.append(0x0a)
    head("_sum", labels)
    number(sum)
    bytes.append(0x0a)
    head("_count", labels)
    integer(count)
    bytes.append(0x0a)
  }

  /// To be called behind the last sample.
  package mutating func end() { if form == .openMetrics { line("# EOF") } }

  private static let infinity = Array("+Inf".utf8)

  private mutating func line(_ text: String) {
    bytes += Array(text.utf8)
    bytes.append(0x0a)
  }

  private mutating func head(_ suffix: StaticString, _ labels: Labels) {
    bytes += name
    if suffix.utf8CodeUnitCount > 0 { bytes += Array(suffix.description.utf8) }
    if !labels.text.isEmpty {
      bytes.append(UInt8(ascii: "{"))
      bytes += labels.text
      bytes.append(UInt8(ascii: "}"))
    }
    bytes.append(0x20)
  }

  private mutating func bucketHead(_ labels: Labels, _ bound: [UInt8]) {
    bytes += name
    bytes += Self.bucketStart
    bytes += labels.text
    if !labels.text.isEmpty { bytes.append(UInt8(ascii: ",")) }
    bytes += Self.boundStart
    bytes += bound
    bytes += Self.boundEnd
  }

  private static let bucketStart = Array("_bucket{".utf8)
  private static let boundStart = Array("le=\"".utf8)
  private static let boundEnd = Array("\"} ".utf8)

  private mutating func integer(_ value: UInt64) {
    var digits = value
    let start = bytes.count
    repeat {
      bytes.append(0x30 + UInt8(digits % 10))
      digits /= 10
    } while digits > 0
    bytes[start...].reverse()
  }

  private mutating func number(_ value: Double) {
    if value == .infinity {
      bytes += Self.infinity
    } else {
      bytes += Array("\(value)".utf8)
    }
  }
}
