/// Files that a ConfigMap holds: read as if they lay beside it.
enum EmbeddedFiles {
  /// Files of one manifest file.
  private static let limit = 200

  static func of(_ tree: ConfigurationTree, in file: CheckedFile) -> [CheckedFile] {
    var found: [CheckedFile] = []
    for document in tree.documents where document["kind"]?.scalar == "ConfigMap" {
      for entry in document["data"]?.entries ?? [] where entry.value.isBlock && found.count < limit {
        guard let text = entry.value.scalar, !text.isEmpty, text.utf8.count <= CheckLimits.fileBytes else { continue }
        let first = entry.value.place.line + 1
        // The first line with text tells how far the block is indented.
        let indentation =
          (first..<first + 16).lazy.compactMap { file.line($0) }
          .first { $0.contains { $0 != " " } }?.prefix { $0 == " " }.count ?? 0
        found.append(
          CheckedFile(embedded: entry.key, text: text, in: file, firstLine: first, indentation: indentation))
      }
    }
    return found
  }
}
