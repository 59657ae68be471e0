/// The keys of what clients see of failures.
enum ErrorSchema {
  static var section: SettingsSection<ErrorSettings> {
    SettingsSection(
      title: "errors",
      keys: [
        SettingsKey(
          "details", \.details, .choice(ErrorSettings.Details.allCases.map { ($0.rawValue, $0) }),
          "Who is told which server failed, and how: `log`, only the log; `trusted`, also peers in `forwarding.trust`; `all`, every client."
        ),
        SettingsKey(
          "pages", \.pages, pagesForm, example: #"{5xx: {html: "<h1>{status} {reason}</h1><p>{request-id}</p>"}}"#,
          "Contents of answers by status, `502` or `5xx`: a text, or a map with `text`, `html` and `json`, of which the client's Accept chooses. `{status}`, `{reason}`, `{request-id}` and `{details}` are filled in."
        ),
      ],
      foreignKeys: [
        "error_page": "did you mean 'pages'?", "errorfile": "did you mean 'pages'?",
        "verbose": "did you mean 'details'?",
      ])
  }

  /// Bytes of a page.
  private static let longestPage = 65_536

  private static var pageSection: SettingsSection<ErrorPage> {
    SettingsSection(
      title: "an error page",
      keys: [
        SettingsKey("text", \.text, contentForm.optional(), "As plain text."),
        SettingsKey("html", \.html, contentForm.optional(), "As HTML."),
        SettingsKey("json", \.json, contentForm.optional(), "As JSON."),
      ],
      foreignKeys: ["body": "did you mean 'text'?", "content-type": "name the form: text, html or json"])
  }

  private static var pagesForm: SettingsForm<[ErrorPage]> {
    SettingsForm(
      description: "a map of statuses and pages", kind: "map: status, page",
      read: { node, _, reader in
        guard case .map(let entries) = node.content else {
          if node.content != .nothing {
            reader.report("is not a map", fix: "write statuses and pages, for instance 5xx: {html: ...}")
          }
          return []
        }
        return entries.compactMap { entry in
          reader.within(entry.key, at: entry.keyPlace, entry.value) { page(entry, &$0) }
        }
      },
      show: { pages in
        pages.isEmpty
          ? nil : .map(pages.compactMap { page in pageSection.show(page).map { (text(of: page.statuses), $0) } })
      })
  }

  private static func page(_ entry: SettingsNode.Entry, _ reader: inout SettingsReader) -> ErrorPage? {
    guard let statuses = statuses(entry.key) else {
      reader.report(
        "\(SettingsReader.shown(entry.key)) is no status of an error", fix: "write for instance 502, 4xx or 5xx",
        at: entry.keyPlace)
      return nil
    }
    var page = ErrorPage(statuses)
    if case .map = entry.value.content {
      let before = reader.errorCount
      pageSection.read(entry.value, into: &page, &reader)
      if reader.errorCount == before, ErrorPageForm.allCases.allSatisfy({ page[$0] == nil }) {
        reader.report("has no content", fix: "write 'text', 'html' or 'json'")
      }
    } else {
      page.text = contentForm.read(entry.value, nil, &reader)
    }
    return page
  }

  private static func statuses(_ text: String) -> ErrorPage.Statuses? {
    switch text {
    case "4xx": .all(ofClass: 4)
    case "5xx": .all(ofClass: 5)
    default:
      text.utf8.count == 3 ? UInt16(text).flatMap { (400...599).contains($0) ? .one($0) : nil } : nil
    }
  }

  private static func text(of statuses: ErrorPage.Statuses) -> String {
    switch statuses {
    case .one(let status): "\(status)"
    case .all(let digit): "\(digit)xx"
    }
  }

  private static var contentForm: SettingsForm<[UInt8]> {
    SettingsForm(
      description: "a text", kind: "text",
      read: { node, _, reader in
        guard let scalar = reader.scalar(node, "a text") else { return nil }
        let bytes = Array(scalar.text.utf8)
        guard bytes.count <= longestPage else {
          reader.report("is \(bytes.count) bytes long", fix: "at most \(longestPage) are taken")
          return nil
        }
        return bytes
      },
      show: { .text(String(decoding: $0, as: UTF8.self)) })
  }
}
