/// Keys about what becomes of a request.
enum RouteActions {
  static func rewriteKeys<Root>(_ path: WritableKeyPath<Root, RewriteDraft>) -> [SettingsKey<Root>] {
    [
      SettingsKey(
        "strip-prefix", path.appending(path: \.strip), SettingsForm<String>.path().optional(),
        "Take this prefix off the path."),
      SettingsKey(
        "replace-prefix", path.appending(path: \.replacePrefix), prefixForm,
        "Put another prefix in place of this one: `{/old: /new}`."),
      SettingsKey(
        "replace-path", path.appending(path: \.replacePath), SettingsForm<String>.path().optional(),
        "Put this in place of the whole path; the query stays."),
    ]
  }

  private static var prefixForm: SettingsForm<[RewriteDraft.PrefixReplacement]> {
    let path = SettingsForm<String>.path()
    return SettingsForm(
      description: "a map of one prefix and what replaces it, for instance {/old: /new}", kind: "map: path, path",
      read: { node, _, reader in
        guard case .map(let entries) = node.content, entries.count == 1 else {
          reader.report("is not one prefix and its replacement", fix: "write for instance {/old: /new}")
          return nil
        }
        let key = SettingsNode(.scalar(.init(entries[0].key)), at: entries[0].keyPlace)
        let prefix = reader.within("prefix", at: entries[0].keyPlace, key) { path.read(key, nil, &$0) }
        let replacement = reader.within(entries[0].key, at: entries[0].keyPlace, entries[0].value) {
          path.read(entries[0].value, nil, &$0)
        }
        guard let prefix, let replacement else { return nil }
        return [.init(prefix: prefix, replacement: replacement)]
      },
      show: { list in list.first.map { .map([($0.prefix, .text($0.replacement))]) } })
  }

  // MARK: - Redirects

  private struct RedirectDraft {
    var redirect = Redirect()
    var rewrite = RewriteDraft()
  }

  static var redirectForm: SettingsForm<Redirect> {
    let section = SettingsSection<RedirectDraft>(
      title: "a redirect",
      keys: [
        SettingsKey(
          "status", \.redirect.status,
          .choice([("308", 308), ("301", 301), ("302", 302), ("303", 303), ("307", 307)]), "Its status."),
        SettingsKey(
          "scheme", \.redirect.scheme,
          SettingsForm<String>.choice([("https", "https"), ("http", "http")]).optional(),
          "Another scheme; without it that of the request."),
        SettingsKey(
          "host", \.redirect.host, SettingsForm<String>.authority.optional(),
          "Another host, with its port if it has one; without it that of the request."),
      ] + rewriteKeys(\RedirectDraft.rewrite) + [
        SettingsKey("keep-query", \.redirect.keepsQuery, .onOff, "Whether the query goes along.")
      ],
      foreignKeys: [
        "url": "write the URL behind 'redirect:' itself, or 'scheme', 'host' and 'replace-path'",
        "code": "did you mean 'status'?", "path": "did you mean 'replace-path'?",
        "location": "write the URL behind 'redirect:' itself",
      ])
    return SettingsForm(
      description: "a URL such as https://www.example.com, or a map", kind: "URL, or map",
      read: { node, _, reader in
        if case .scalar(let scalar) = node.content { return redirect(scalar, &reader) }
        var draft = RedirectDraft()
        section.read(node, into: &draft, &reader)
        guard draft.rewrite.count <= 1 else {
          reader.report(
            "rewrites the path in several ways", fix: "keep one of strip-prefix, replace-prefix and replace-path")
          return nil
        }
        draft.redirect.rewrite = draft.rewrite.rewrite
        return draft.redirect
      },
      show: { redirect in section.show(RedirectDraft(redirect: redirect, rewrite: RewriteDraft(redirect.rewrite))) },
      keys: section.describe(RedirectDraft()))
  }

  /// `https://host`, with a path if it is to replace the request's.
  private static func redirect(_ scalar: SettingsNode.Scalar, _ reader: inout SettingsReader) -> Redirect? {
    var redirect = Redirect()
    let text = scalar.text
    guard let scheme = ["https", "http"].first(where: { text.hasPrefix($0 + "://") }) else {
      reader.report(
        "\(SettingsReader.shown(scalar)) is no URL of http or https",
        fix: "write for instance https://www.example.com, or a map with 'scheme: https' to keep the host")
      return nil
    }
    let rest = text.dropFirst(scheme.utf8.count + 3)
    let host = String(rest.prefix { !"/?#".contains($0) })
    let path = String(rest.dropFirst(host.count))
    guard isAuthority(host) else {
      reader.report(
        "\(SettingsReader.shown(scalar)) has no valid host", fix: "write for instance https://www.example.com")
      return nil
    }
    guard path.isEmpty || (path.hasPrefix("/") && path.utf8.allSatisfy { ByteClass.isTarget($0) && $0 != 0x3f }) else {
      reader.report(
        "\(SettingsReader.shown(scalar)) has a path or query that cannot be kept",
        fix: "leave out '?', '#' and what follows")
      return nil
    }
    redirect.scheme = scheme
    redirect.host = host
    if !path.isEmpty { redirect.rewrite = .replacePath(path) }
    return redirect
  }

  // MARK: - Responses

  /// Bytes of a fixed response's body.
  static let longestBody = 65_536

  static var responseForm: SettingsForm<FixedResponse> {
    let body = SettingsForm<[UInt8]>(
      description: "a text", kind: "text",
      read: { node, _, reader in
        if node.content == .nothing { return [] }
        guard let scalar = reader.scalar(node, "a text") else { return nil }
        let bytes = Array(scalar.text.utf8)
        guard bytes.count <= longestBody else {
          reader.report(
            "is \(bytes.count) bytes long", fix: "at most \(longestBody) are taken; serve larger ones from a server")
          return nil
        }
        return bytes
      },
      show: { $0.isEmpty ? nil : .text(String(decoding: $0, as: UTF8.self)) })
    let contentType = SettingsForm<String>.scalar(
      "a media type, for instance text/html; charset=utf-8", kind: "media type",
      parse: { text throws(QuantityError) in
        guard text.contains("/") else {
          throw QuantityError(text: text, fact: "is no media type", fix: "write for instance text/html; charset=utf-8")
        }
        return try checkedFieldValue(text)
      },
      show: { $0 })
    let section = SettingsSection<FixedResponse>(
      title: "a response",
      keys: [
        SettingsKey("status", \.status, .status(), "Its status."),
        SettingsKey("content-type", \.contentType, contentType, "Its media type."),
        SettingsKey("body", \.body, body, "Its body."),
      ])
    var form = section.form(standard: FixedResponse(status: 200))
    form.kind = "status, or map"
    form.description = "a status, or a map with status, content-type and body"
    let readMap = form.read
    let status = SettingsForm<UInt16>.status()
    form.read = { node, current, reader in
      guard case .scalar = node.content else { return readMap(node, current, &reader) }
      return status.read(node, nil, &reader).map { FixedResponse(status: $0) }
    }
    return form
  }
}
