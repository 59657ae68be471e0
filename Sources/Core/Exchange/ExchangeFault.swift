/// An event that an ``Exchange`` was told in a state that does not allow it: a fault of the proxy's own.
package struct ExchangeFault: Sendable, Hashable, BitwiseCopyable, CustomStringConvertible {
  /// The methods of the exchange.
  package enum Event: UInt8, Sendable, Hashable, BitwiseCopyable {
    case leased, lookedAgain, spokenToFirst, connectFailed, refused, requestBytesWritten, connectionEnded,
      resetWaitEnded
    case responseHeadArrived, interimPassedOn, responsePassedOn, responseEnded, responseInvalid, timedOut
  }

  /// Its states.
  package enum Point: UInt8, Sendable, Hashable, BitwiseCopyable {
    case acquiring, attempting, judging, answering, passingOn, failed, finished
  }

  package let event: Event
  package let point: Point

  package var description: String { "the exchange was told \(event) while \(point)" }
}
