/// Objects under small dense numbers, each with a generation that tells a number's present holder from earlier ones.
///
/// A token is kind (8 bits), generation (24 bits) and slot (32 bits): an event or a timer that was meant for an earlier
/// holder of the slot finds nobody.
struct Slab<Element: AnyObject> {
  private let kind: UInt64
  private var elements: ContiguousArray<Element?> = []
  private var generations: ContiguousArray<UInt32> = []
  private var free: ContiguousArray<UInt32> = []
  private(set) var count = 0

  init(kind: UInt8) { self.kind = UInt64(kind) << 56 }

  /// Stores what `make` returns for the token that it gets.
  mutating func insert(_ make: (UInt64) -> Element) -> Element {
    let slot: UInt32
    if let reused = free.popLast() {
      slot = reused
    } else {
      slot = UInt32(elements.count)
      elements.append(nil)
      generations.append(0)
    }
    let element = make(kind | UInt64(generations[Int(slot)]) << 32 | UInt64(slot))
    elements[Int(slot)] = element
    count += 1
    return element
  }

  @inline(__always)
  func element(_ token: UInt64) -> Element? {
    let slot = Int(token & 0xffff_ffff)
    guard slot < elements.count, UInt64(generations[slot]) == token >> 32 & 0xff_ffff else { return nil }
    return elements[slot]
  }

  mutating func remove(_ token: UInt64) {
    let slot = Int(token & 0xffff_ffff)
    precondition(UInt64(generations[slot]) == token >> 32 & 0xff_ffff && elements[slot] != nil, "removed twice")
    elements[slot] = nil
    generations[slot] = (generations[slot] &+ 1) & 0xff_ffff
    free.append(UInt32(slot))
    count -= 1
  }

  /// All tokens in slot order. For dumps and drains, not for the hot path.
  var all: [Element] { elements.compactMap { $0 } }
}
