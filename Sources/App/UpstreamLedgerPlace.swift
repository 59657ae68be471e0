import ArgumentParser
import Core
import Host

/// Where an upstream's ledger is to be had.
enum UpstreamLedgerPlace {
  case file(String)
  case server(SocketAddress, path: String, url: String)

  struct Unreadable: Error, CustomStringConvertible {
    var place: String
    var reason: String
    var description: String { "the ledger \(place) cannot be read: \(reason)" }
  }

  init(_ text: String) throws {
    guard text.hasPrefix("http://") || text.hasPrefix("https://") else {
      self = .file(text)
      return
    }
    let place = try ProbePlace(text, isTCP: false)
    guard !place.isTLS, let address = try Resolver.addresses(of: place.host, port: place.port).first else {
      throw ValidationError("--ledger \(text): ledgers are read over plain http; write http://host:port or a file")
    }
    self = .server(address, path: place.target == "/" ? "/__ledger" : place.target, url: text)
  }

  func read(atMost limit: Nanoseconds) throws(Unreadable) -> String {
    switch self {
    case .file(let path):
      do throws(SystemError) { return try TextFile.read(path) } catch {
        throw Unreadable(place: path, reason: SystemError.text(of: error.code))
      }
    case .server(let address, let path, let url):
      do { return try Fetch.get(path, from: address, atMost: limit) } catch {
        throw Unreadable(place: "\(url) (GET \(path))", reason: "\(error); is the upstream running?")
      }
    }
  }
}
