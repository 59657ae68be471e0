/// One directive of nginx's configuration language with its block.
package struct NginxDirective: Sendable {
  package var name: String
  package var place: CheckPlace
  package var arguments: [CheckWord]
  package var block: [NginxDirective]?

  package var first: String { arguments.first?.text ?? "" }

  /// Directives of its block with a name.
  package func all(_ name: String) -> [NginxDirective] { (block ?? []).filter { $0.name == name } }
  package func last(_ name: String) -> NginxDirective? { (block ?? []).last { $0.name == name } }
}
