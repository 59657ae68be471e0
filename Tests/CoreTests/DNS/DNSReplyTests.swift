import Core
import Testing

/// What a name server says, and what somebody says who wants to be taken for one.
@Suite struct DNSReplyTests {
  private let query = DNSQuery(id: 0x1234, name: DNSName("App.Example")!, family: .ipv4)

  @Test func aQueryIsWrittenAsTheStandardHasIt() {
    let expected: [UInt8] =
      [0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0] + [3] + Array("app".utf8) + [7] + Array("example".utf8) + [
        0, 0, 1, 0, 1,
      ]
    #expect(query.bytes == expected)
    #expect(DNSQuery(id: 1, name: query.name, family: .ipv6).bytes.suffix(4) == [0, 28, 0, 1])
  }

  @Test func addressesComeInOneOrderAndWithTheShortestTTL() {
    var message = DNSMessage(answering: query)
    message.addAddress(ttl: 60, 0x0a00_0002)
    message.addAddress(ttl: 30, 0x0a00_0001)
    message.addAddress(ttl: 90, 0x0a00_0002)
    #expect(message.read(as: query) == .addresses([.ipv4(0x0a00_0001), .ipv4(0x0a00_0002)], seconds: 30))
  }

  @Test func anIPv6AddressIsRead() {
    let query = DNSQuery(id: 7, name: DNSName("a.b")!, family: .ipv6)
    var message = DNSMessage(answering: query)
    message.add(type: 28, [0x20, 0x01, 0x0d, 0xb8] + [UInt8](repeating: 0, count: 11) + [1])
    #expect(message.read(as: query) == .addresses([.ipv6(0x2001_0db8_0000_0000, 1)], seconds: 60))
  }

  // MARK: - Aliases

  @Test func aliasesAreFollowedInWhateverOrderTheyStand() {
    var message = DNSMessage(answering: query)
    message.addAddress(owner: DNSMessage.wire("c.example"), ttl: 50, 1)
    message.addAlias(owner: DNSMessage.wire("b.example"), ttl: 5, to: "C.example")
    message.addAlias(ttl: 40, to: "b.example")
    #expect(message.read(as: query) == .addresses([.ipv4(1)], seconds: 5))
  }

  @Test func anAliasToANameWithoutAddressesHasNone() {
    var message = DNSMessage(answering: query)
    message.addAlias(to: "b.example")
    #expect(message.read(as: query) == .noAddresses)
  }

  @Test func aCircleOfAliasesIsMalformed() {
    var message = DNSMessage(answering: query)
    message.addAlias(to: "b.example")
    message.addAlias(owner: DNSMessage.wire("b.example"), to: "app.example")
    #expect(message.read(as: query) == .failed(.malformed))
  }

  @Test(arguments: [DNSReply.maximumAliases, DNSReply.maximumAliases + 1])
  func aChainOfAliasesHasALimit(_ length: Int) {
    var message = DNSMessage(answering: query)
    for index in 0..<length {
      let owner = index == 0 ? "app.example" : "n\(index).example"
      message.addAlias(owner: DNSMessage.wire(owner), to: "n\(index + 1).example")
    }
    message.addAddress(owner: DNSMessage.wire("n\(length).example"), 1)
    let isWithin = length <= DNSReply.maximumAliases
    #expect(message.read(as: query) == (isWithin ? .addresses([.ipv4(1)], seconds: 60) : .failed(.malformed)))
  }

  @Test func recordsOfOthersAreLeftAside() {
    var message = DNSMessage(answering: query)
    message.addAddress(owner: DNSMessage.wire("evil.example"), 9)
    message.add(type: 16, [3] + Array("txt".utf8))
    message.add(type: 1, recordClass: 3, [9, 9, 9, 9])
    message.addAddress(0)
    #expect(message.read(as: query) == .noAddresses)
    message.addAddress(8)
    #expect(message.read(as: query) == .addresses([.ipv4(8)], seconds: 60))
  }

  // MARK: - No answer

  @Test func whatIsNoAnswerToThisQueryIsStray() {
    var good = DNSMessage(answering: query)
    good.addAddress(1)
    func changed(_ change: (inout DNSMessage) -> Void) -> DNSReply {
      var message = good
      change(&message)
      return message.read(as: query)
    }
    #expect(changed { $0.bytes[1] ^= 1 } == .stray, "another id")
    #expect(changed { $0.bytes[2] &= 0x7f } == .stray, "a query")
    #expect(changed { $0.bytes[2] |= 0x08 } == .stray, "another operation")
    #expect(changed { $0.bytes[13] = UInt8(ascii: "x") } == .stray, "another name")
    #expect(
      changed { $0.bytes[13] = UInt8(ascii: "A") } == .addresses([.ipv4(1)], seconds: 60), "letters of either case")
    #expect(changed { $0.bytes[query.bytes.count - 3] = 28 } == .stray, "another type")
    #expect(changed { $0.bytes[5] = 2 } == .stray, "two questions")
    #expect(changed { $0.bytes[5] = 0 } == .stray, "no question and no failure")
    for count in 0..<query.bytes.count { #expect(changed { $0.bytes = Array($0.bytes[..<count]) } == .stray) }
  }

  @Test func codesAreToldApart() {
    func reply(_ code: UInt8) -> DNSReply { DNSMessage(answering: query, code: code).read(as: query) }
    #expect(reply(1) == .failed(.formatError))
    #expect(reply(2) == .failed(.serverFailed))
    #expect(reply(3) == .nameNotFound)
    #expect(reply(4) == .failed(.notImplemented))
    #expect(reply(5) == .failed(.refused))
    #expect(reply(9) == .failed(.code(9)))
    #expect(reply(0) == .noAddresses)
    let bare: [UInt8] = [0x12, 0x34, 0x81, 0x82, 0, 0, 0, 0, 0, 0, 0, 0]
    #expect(DNSReply(bare.rawSpan, to: query) == .failed(.serverFailed), "a failure without the question")
  }

  @Test func aTruncatedAnswerSaysSo() {
    var message = DNSMessage(answering: query, flags: 0x8380)
    message.addAddress(1)
    #expect(message.read(as: query) == .truncated)
  }

  @Test func aTTLWithItsHighestBitSetIsNone() {
    var message = DNSMessage(answering: query)
    message.addAddress(ttl: 0x8000_0001, 1)
    #expect(message.read(as: query) == .addresses([.ipv4(1)], seconds: 0))
  }

  // MARK: - Hostile

  @Test func anAnswerThatBreaksOffIsMalformed() {
    var message = DNSMessage(answering: query)
    message.addAddress(1)
    for count in query.bytes.count..<message.bytes.count {
      var cut = message
      cut.bytes = Array(message.bytes[..<count])
      #expect(cut.read(as: query) == .failed(.malformed), "cut at \(count)")
    }
  }

  @Test func addressesOfAWrongLengthAreMalformed() {
    var message = DNSMessage(answering: query)
    message.add(type: 1, [1, 2, 3])
    #expect(message.read(as: query) == .failed(.malformed))
  }

  @Test func pointersThatLeadNowhereEnd() {
    let start = UInt8(query.bytes.count)
    let owners: [[UInt8]] = [
      [0xc0, start],  // itself
      [0xc0, start + 2],  // ahead
      [1, 0x61, 0xc0, start],  // its own beginning
      [0xff, 0xff],  // behind the end
      [0x41, 0x61, 0], [0x80, 0],  // kinds that nobody uses
    ]
    for owner in owners {
      var message = DNSMessage(answering: query)
      message.addAddress(owner: owner, 1)
      #expect(message.read(as: query) == .failed(.malformed), "owner \(owner)")
    }
  }

  @Test func aStaircaseOfPointersIsNotWalkedToItsEnd() {
    // Each pointer leads to the one before it.
    var bytes: [UInt8] = [0]
    for index in 0..<64 { bytes += [0xc0, UInt8(index == 0 ? 0 : 2 * index - 1)] }
    var end = 9
    #expect(DNSName(reading: bytes.rawSpan, at: &end) != nil)
    #expect(end == 11)
    var offset = bytes.count - 2
    #expect(DNSName(reading: bytes.rawSpan, at: &offset) == nil)
  }

  @Test func aNameIsNoLongerThanNamesAre() {
    let label = [UInt8](arrayLiteral: 63) + [UInt8](repeating: 0x61, count: 63)
    let three = label + label + label
    var offset = 0
    let longest = three + [61] + [UInt8](repeating: 0x61, count: 61) + [0]
    #expect(DNSName(reading: longest.rawSpan, at: &offset)?.wire.count == 254)
    offset = 0
    let tooLong = three + label + [0]
    #expect(DNSName(reading: tooLong.rawSpan, at: &offset) == nil)
  }

  @Test func moreRecordsThanAnybodyNeedsAreLeftAside() {
    var message = DNSMessage(answering: query)
    for index in 0..<1_500 { message.addAddress(UInt32(index + 1)) }
    guard case .addresses(let addresses, _) = message.read(as: query) else {
      Issue.record("no addresses")
      return
    }
    #expect(addresses == (1...1_024).map { DNSAddress.ipv4($0) })
  }

  /// Damage of every kind: no message, however broken, makes the reader trap, run on, or invent what was not there.
  @Test(arguments: 0..<16) func damageIsSurvived(_ seed: UInt64) {
    var random = SeededNumbers(seed: seed)
    for _ in 0..<2_000 {
      let query = DNSQuery(id: .random(in: 0...3, using: &random), name: DNSName("a.example")!, family: .ipv4)
      var message = DNSMessage(answering: query)
      var given: Set<DNSAddress> = []
      for _ in 0..<Int.random(in: 0...4, using: &random) {
        switch Int.random(in: 0...3, using: &random) {
        case 0: message.addAlias(to: "b.example")
        case 1: message.add(type: .random(in: 0...64, using: &random), [UInt8](repeating: 0xc0, count: 5))
        default:
          let value = UInt32.random(in: 1...9, using: &random)
          message.addAddress(owner: Bool.random(using: &random) ? [0xc0, 12] : DNSMessage.wire("b.example"), value)
          given.insert(.ipv4(value))
        }
      }
      let isDamaged = Bool.random(using: &random)
      if isDamaged {
        for _ in 0..<Int.random(in: 1...6, using: &random) {
          let place = Int.random(in: 0..<message.bytes.count, using: &random)
          message.bytes[place] = .random(in: 0...255, using: &random)
        }
        if Bool.random(using: &random) {
          message.bytes.removeLast(.random(in: 0..<message.bytes.count, using: &random))
        }
      }
      switch message.read(as: query) {
      case .addresses(let addresses, _):
        #expect(addresses == addresses.sorted() && !addresses.isEmpty, "seed \(seed)")
        if !isDamaged { #expect(given.isSuperset(of: addresses), "seed \(seed)") }
      case .noAddresses, .nameNotFound, .truncated, .failed, .stray: break
      }
      let noise = (0..<Int.random(in: 0...64, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
      let prefix = query.bytes.prefix(Int.random(in: 0...12, using: &random))
      let beginning = Array(prefix) + noise
      _ = DNSReply(beginning.rawSpan, to: query)
      var offset = Int.random(in: 0...noise.count, using: &random)
      _ = DNSName(reading: noise.rawSpan, at: &offset)
    }
  }
}
