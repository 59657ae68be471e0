internal import Core

/// Values of Helm charts: what they say to ingress-nginx's controller, and the ingresses that they have made.
enum HelmReader {
  /// Nested charts have their values below their own names; deeper than this nobody nests them.
  private static let depth = 3

  static func isNamedSo(_ file: CheckedFile) -> Bool {
    (file.name.hasSuffix(".yaml") || file.name.hasSuffix(".yml"))
      && (file.name.contains("values") || file.path.contains("/values/"))
  }

  /// The maps called `name`, at any level that charts use.
  static func maps(_ name: String, in node: ConfigurationNode, level: Int = 0) -> [(
    entry: ConfigurationNode.Entry, around: ConfigurationNode
  )] {
    guard level < depth, !KubernetesReader.isManifest(node) else { return [] }
    return node.entries.flatMap { entry in
      guard entry.value.isMap else { return [(entry: ConfigurationNode.Entry, around: ConfigurationNode)]() }
      return entry.key == name ? [(entry, node)] : maps(name, in: entry.value, level: level + 1)
    }
  }

  /// Whether an ingress of values is one at all, and is made.
  static func isIngress(_ node: ConfigurationNode) -> Bool {
    guard node["enabled"]?.scalar != "false" else { return false }
    return node["enabled"]?.scalar == "true"
      && (node["hosts"] != nil || node["host"] != nil || node["hostname"] != nil || node["className"] != nil
        || node["ingressClassName"] != nil || node["annotations"] != nil)
  }

  /// The port of the service beside it.
  static func port(of around: ConfigurationNode) -> Int? {
    let text =
      around["service", "targetPort"]?.scalar ?? around["containerPort"]?.scalar ?? around["service", "port"]?.scalar
    // 80 is the service's own: what is behind it listens elsewhere.
    return text.flatMap { Int($0) }.flatMap { $0 == 80 || $0 == 443 ? nil : $0 }
  }
}
