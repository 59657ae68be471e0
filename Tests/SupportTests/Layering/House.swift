/// What the rules about rooms and names read: every file of the product and of what tests share, with what it declares.
struct House {
  struct File {
    /// From the root of the checkout.
    var path: String
    var declarations: Declarations

    /// The folder below Sources/ in which it lies: `Core/Pool`.
    var room: String { path.split(separator: "/").dropFirst().dropLast().joined(separator: "/") }
    /// The first part of the room: `Core`.
    var layer: String { room.split(separator: "/").first.map(String.init) ?? "" }
  }

  /// Sorted by path.
  let files: [File]

  init(_ sources: [(path: String, source: SourceText)]) {
    files = sources.sorted { $0.path < $1.path }.map { File(path: $0.path, declarations: Declarations($0.source)) }
  }

  /// A use of a name of one room in another of the same layer.
  struct Use: Equatable {
    var room: String
    var other: String
    var name: String
    var path: String
    var line: Int
  }

  /// What each room uses of the others of its layer, as far as names at the top level show it: types, and functions that
  /// belong to no type. A member that an extension adds elsewhere is not seen. Where a room has a name of its own that is
  /// the same, that one is meant.
  ///
  /// - Parameter rooms: the folders that are told apart. What lies below one belongs to it.
  func uses(rooms: Set<String>) -> [Use] {
    var owners: [String: Set<String>] = [:]
    var functions: Set<String> = []
    var own: Set<String> = []
    for file in files {
      for name in file.declarations.names {
        let key = file.layer + "." + name.name
        if name.isTopLevel, name.isShared, name.isType || name.kind == "func" {
          owners[key, default: []].insert(room(of: file, rooms))
          if !name.isType { functions.insert(key) }
        } else {
          own.insert(room(of: file, rooms) + "." + name.name)
        }
      }
    }
    var found: [Use] = []
    for file in files {
      for (name, line) in file.declarations.uses.sorted(by: { $0.key < $1.key }) {
        let key = file.layer + "." + name
        guard let holders = owners[key], !holders.contains(room(of: file, rooms)),
          !own.contains(room(of: file, rooms) + "." + name)
        else {
          continue
        }
        guard !functions.contains(key) || file.declarations.calls.contains(name) else { continue }
        found += holders.sorted().map {
          Use(room: room(of: file, rooms), other: $0, name: name, path: file.path, line: line)
        }
      }
    }
    return found
  }

  /// The folder that a file lies in, or the one above it that is in the list.
  private func room(of file: File, _ rooms: Set<String>) -> String {
    var folder = file.room[...]
    while !rooms.contains(String(folder)), let slash = folder.lastIndex(of: "/") { folder = folder[..<slash] }
    return rooms.contains(String(folder)) ? String(folder) : file.room
  }

  /// The folders as ``uses(rooms:)`` tells them apart.
  func rooms(_ rooms: Set<String>) -> [String] { Set(files.map { room(of: $0, rooms) }).sorted() }
}
