/// A list of ``FieldEdit`` as what comes of it: the names whose lines go, and the lines that are written.
///
/// ```
/// let edits = CompiledEdits(route.requestEdits)
/// if !edits.isEmpty { /* fill EditValues with what edits.variables names */ }
/// ```
///
/// The order of the edits is resolved when they are compiled: a later `set` or `remove` takes away what an earlier edit of the
/// same name wrote. A name takes its look-alikes with it (`x_tenant` for `x-tenant`), since many servers cannot tell them apart.
/// Edits hold for what the proxy itself would write, too: to remove `via` is to write none.
package struct CompiledEdits: Sendable {
  private enum Part: Sendable {
    case text([UInt8])
    case variable(EditValues.Variables)
  }

  private struct Line: Sendable {
    /// In lower case.
    var name: [UInt8]
    /// `Name: `
    var start: [UInt8]
    var parts: [Part]
  }

  /// Names that go and have a tag of their own.
  private(set) var removed: KnownFields = []
  /// The others that go, in lower case, with "-" for "_".
  private var removedNames: [[UInt8]] = []
  private var lines: [Line] = []
  /// The line that sets Host, which a request has in one place only.
  private var hostLine: Line?
  /// What the values need to know.
  package private(set) var variables: EditValues.Variables = []
  package let isEmpty: Bool

  package static let none = CompiledEdits([])

  package init(_ edits: [FieldEdit]) {
    isEmpty = edits.isEmpty
    for edit in edits {
      let name = edit.name.utf8.map { ByteClass.lowercased($0) }
      switch edit {
      case .set(_, let value):
        remove(name)
        add(Self.line(edit.name, name, value))
      case .add(_, let value): add(Self.line(edit.name, name, value))
      case .remove: remove(name)
      }
    }
    for line in lines + (hostLine.map { [$0] } ?? []) {
      for part in line.parts {
        if case .variable(let variable) = part { variables.formUnion(variable) }
      }
    }
  }

  /// Whether lines of other than the tagged names go.
  @inline(__always)
  var removesNames: Bool { !removedNames.isEmpty }

  /// Whether the lines of a name without a tag of its own go.
  func removesName(_ name: ByteRange, _ bytes: RawSpan) -> Bool {
    for index in 0..<removedNames.count where bytes.equalsDashed(removedNames[index], at: name) { return true }
    return false
  }

  /// Whether the lines of a name, in lower case, go that has no tag of its own.
  func removesName(_ name: StaticString) -> Bool {
    removedNames.contains { $0.elementsEqual(name.description.utf8) }
  }

  var setsHost: Bool { hostLine != nil }

  /// Writes the lines that the edits add.
  ///
  /// - Parameters:
  ///   - bytes: what `host` and `requestID` are parts of.
  ///   - host: the host of the request whose head is at hand; nil: the values know it.
  ///   - requestID: the valid one of that request; nil: the values know it.
  func writeLines(
    to buffer: inout ByteBuffer, _ values: borrowing EditValues, _ bytes: RawSpan, host: ByteRange?,
    requestID: ByteRange?
  ) {
    for index in 0..<lines.count {
      buffer.append(lines[index].start)
      Self.writeValue(lines[index].parts, to: &buffer, values, bytes, host, requestID)
      buffer.appendLineEnd()
    }
  }

  /// Writes the value of Host, where the edits set one.
  func writeHost(
    to buffer: inout ByteBuffer, _ values: borrowing EditValues, _ bytes: RawSpan, host: ByteRange,
    requestID: ByteRange?
  ) {
    guard let hostLine else { return }
    Self.writeValue(hostLine.parts, to: &buffer, values, bytes, host, requestID)
  }

  private static func writeValue(
    _ parts: [Part], to buffer: inout ByteBuffer, _ values: borrowing EditValues, _ bytes: RawSpan, _ host: ByteRange?,
    _ requestID: ByteRange?
  ) {
    for index in 0..<parts.count {
      switch parts[index] {
      case .text(let text): buffer.append(asFieldValue: text)
      case .variable(let variable):
        if variable == .host, let host {
          // Host and identifier were found valid: they hold nothing that ends a line.
          buffer.append(bytes.part(host))
        } else if variable == .requestID, let requestID {
          buffer.append(bytes.part(requestID))
        } else {
          values.write(variable, to: &buffer)
        }
      }
    }
  }
}

// MARK: - Compiling

extension CompiledEdits {
  private mutating func remove(_ name: [UInt8]) {
    lines.removeAll { $0.name == name }
    let known = KnownField.recognise(name.rawSpan, ByteRange(offset: 0, count: name.count))
    switch known {
    case .other, .xForwardedOther, .lookalike:
      let dashed = name.map { $0 == UInt8(ascii: "_") ? UInt8(ascii: "-") : $0 }
      if !removedNames.contains(dashed) { removedNames.append(dashed) }
    case .host: hostLine = nil
    default: removed.formUnion(KnownFields(known))
    }
  }

  private mutating func add(_ line: Line) {
    if line.name == Array("host".utf8) {
      hostLine = line
    } else {
      lines.append(line)
    }
  }

  private static func line(_ name: String, _ lowercased: [UInt8], _ value: [FieldEdit.ValuePart]) -> Line {
    let parts = value.map { part -> Part in
      switch part {
      case .text(let text): .text(Array(text.utf8))
      case .clientAddress: .variable(.clientAddress)
      case .clientPort: .variable(.clientPort)
      case .host: .variable(.host)
      case .requestID: .variable(.requestID)
      case .scheme: .variable(.scheme)
      case .server: .variable(.server)
      case .upstream: .variable(.upstream)
      case .route: .variable(.route)
      }
    }
    return Line(name: lowercased, start: Array(name.utf8) + Array(": ".utf8), parts: parts)
  }
}

extension RawSpan {
  /// Whether the bytes of `range` are `wanted`, letters in lower case and "_" taken for "-".
  func equalsDashed(_ wanted: [UInt8], at range: ByteRange) -> Bool {
    guard wanted.count == range.count else { return false }
    for index in 0..<wanted.count {
      let byte = ByteClass.lowercased(byte(at: range.start &+ index))
      if wanted[index] != (byte == UInt8(ascii: "_") ? UInt8(ascii: "-") : byte) { return false }
    }
    return true
  }
}
