/// Reads TOML, with places.
package enum TOMLTreeReader {
  package static func read(_ file: CheckedFile) -> ConfigurationTree { ConfigurationTree() }
}
