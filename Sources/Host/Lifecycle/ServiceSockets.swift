internal import CLinux
internal import Core
internal import Glibc

/// The sockets that the service manager has opened for this process (sd_listen_fds(3)).
package enum ServiceSockets {
  package struct Failure: Error, Equatable, CustomStringConvertible {
    package var description: String
  }

  /// The number of the first of them.
  package static let firstNumber: Int32 = 3
  /// More are not believed.
  static let most = 1_024

  /// Takes them, those of a name together; none when they are meant for another process.
  ///
  /// - Parameters:
  ///   - environment: the variables of this process.
  ///   - first: where they begin; another number than the usual one is for tests.
  package static func take(
    _ environment: (String) -> String? = variable, first: Int32 = firstNumber, processID: Int32 = getpid()
  ) throws(Failure) -> [InheritedListener] {
    guard let count = environment("LISTEN_FDS"), environment("LISTEN_PID") == "\(processID)" else { return [] }
    guard let count = Int32(count), (0...Int32(most)).contains(count) else {
      throw Failure(description: "LISTEN_FDS '\(count)' is no number from 0 to \(most); the service manager sets it")
    }
    let names = (environment("LISTEN_FDNAMES") ?? "").split(separator: ":", omittingEmptySubsequences: false)
    var order: [String] = []
    var numbers: [String: [Int32]] = [:]
    for index in 0..<count {
      let name = Int(index) < names.count && !names[Int(index)].isEmpty ? String(names[Int(index)]) : "unknown"
      if numbers[name] == nil { order.append(name) }
      numbers[name, default: []].append(first + index)
    }
    var listeners: [InheritedListener] = []
    for name in order {
      do throws(SystemError) {
        listeners.append(
          try InheritedListener(
            .inherited(name: name), numbers: numbers[name] ?? [], isShared: true, isManaged: true))
      } catch {
        throw Failure(
          description: "the socket '\(name)' of the service manager is no listening stream socket (\(error)); "
            + "use ListenStream= and Accept=no in the .socket unit")
      }
    }
    return listeners
  }

  /// What this process starts is not to take them for its own. To be called before there are other threads.
  package static func forgetVariables() {
    for name in ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID"] {
      // Safe: the name is a NUL-terminated string during the call, and no other thread reads the environment.
      _ = unsafe unsetenv(name)
    }
  }

  package static func variable(_ name: String) -> String? { SettingsFile.environmentVariable(name) }
}
