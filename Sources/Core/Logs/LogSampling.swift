/// Which ordinary requests the access log holds when it holds one of so many.
///
/// It goes by the identifier alone: wherever a request comes by with the same one, it is logged everywhere or nowhere, so that
/// what is left of the logs of several machines can be joined. What one of 10 keeps, one of 5 keeps too.
package struct LogSampling: Sendable, Hashable, BitwiseCopyable {
  private static let hash = StableHash(upstream: "access log")

  package let rate: UInt32

  package init(oneOf rate: UInt32) { self.rate = max(rate, 1) }

  package func takes(_ requestID: [UInt8]) -> Bool {
    rate == 1 || Self.hash.hash(requestID) % UInt64(rate) == 0
  }
}
