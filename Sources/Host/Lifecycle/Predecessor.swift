internal import Analysis
internal import Core
internal import Glibc

/// The process that this one takes over from: it passes its listening sockets, goes on until this process serves, and drains then.
///
/// ```
///   new                                   old
///   {"do":"take-over"}      ---------->
///                           <----------   {"ok":true,"ticket-keys":"...","listeners":[...]}   from here on it takes no other settings
///   {"do":"sockets",...}    ---------->
///                           <----------   a byte with up to 64 descriptors, again until all are here
///   (starts its workers, takes the control path)
///   {"do":"taken",...}      ---------->   drains, leaving the sockets as they are
///                           <----------   {"ok":true}
/// ```
/// When the new one ends before `taken`, the connection closes, and the old one goes on as if nothing had been.
package final class Predecessor {
  package let processID: Int32
  package let version: String
  package let listeners: [InheritedListener]
  /// The keys of its session tickets; empty when it passes none.
  package let ticketKeys: [UInt8]
  private let channel: ControlChannel

  private static let patience = Nanoseconds.seconds(20)

  /// - Parameter controlPath: the control socket of the process that is to be replaced.
  package init(controlPath: String) throws(ControlChannel.Failure) {
    channel = try ControlChannel(path: controlPath)
    processID = channel.peerProcess
    let answer = try channel.ask(.object([("do", .string("take-over"))]), atMost: Self.patience)
    version = answer["version"]?.string ?? "?"
    ticketKeys = Hexadecimal.bytes(answer["ticket-keys"]?.string ?? "") ?? []
    var listeners: [InheritedListener] = []
    for description in answer["listeners"]?.array ?? [] {
      listeners.append(try Self.take(description, over: channel))
    }
    self.listeners = listeners
  }

  private static func take(
    _ description: JSONValue, over channel: ControlChannel
  ) throws(ControlChannel.Failure) -> InheritedListener {
    guard let text = description["listen"]?.string, let listen = try? ListenAddress(parsing: text),
      let count = description["sockets"]?.integer, count > 0
    else { throw ControlChannel.Failure("the other process describes its listeners in a way that is not understood") }
    var numbers: [Int32] = []
    while numbers.count < count {
      try channel.send(.object([("do", .string("sockets"))]))
      let more = try channel.receiveDescriptors(atMost: patience)
      numbers += more
      guard !more.isEmpty else { throw ControlChannel.Failure("the other process passed no socket for \(text)") }
    }
    do {
      return try InheritedListener(
        listen, numbers: numbers, isShared: description["shared"]?.bool ?? true,
        isManaged: description["managed"]?.bool ?? false)
    } catch {
      throw ControlChannel.Failure("the sockets of \(text) are of no use: \(error)")
    }
  }

  /// Tells it that its listeners are served here, those of `taken`, by their place in ``listeners``: it drains.
  package func release(taken: [Int]) throws(ControlChannel.Failure) {
    try channel.ask(
      .object([("do", .string("taken")), ("listeners", .array(taken.map { .number(Int64($0)) }))]),
      atMost: Self.patience)
  }
}
