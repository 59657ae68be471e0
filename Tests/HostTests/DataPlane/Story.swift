import Core
import Host
import Support
import Testing

/// A proxy between a scripted server and whatever the body of the test connects.
func story(
  _ change: (inout ProxySettings) -> Void = { _ in }, server script: @escaping ScriptedServer.Script,
  _ body: (RunningProxy, ScriptedServer) throws -> Void, at location: SourceLocation = #_sourceLocation
) throws {
  let server = try ScriptedServer(script)
  defer { server.stop() }
  let proxy = try RunningProxy(to: [server.origin], change)
  defer { proxy.stop() }
  try body(proxy, server)
  #expect(!proxy.log.contains { $0.contains("a fault of the proxy") }, "\(proxy.log)", sourceLocation: location)
  #expect(server.failures.isEmpty, sourceLocation: location)
}

/// The same with a server that answers each request.
func story(
  _ change: (inout ProxySettings) -> Void = { _ in }, answering answer: @escaping @Sendable (Message) -> String,
  _ body: (RunningProxy, ScriptedServer) throws -> Void, at location: SourceLocation = #_sourceLocation
) throws {
  try story(
    change,
    server: { connection, _, server in
      while let request = try connection.receiveRequestOrEnd() {
        server.note(request)
        try connection.send(answer(request))
      }
    }, body, at: location)
}

/// A server that is not there: an address of this machine that no test listens on.
let nobody = OriginAddress.tcp(host: "127.0.0.3", port: 9)
