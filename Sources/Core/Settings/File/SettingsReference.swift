/// The page about all keys, docs/manual/settings.md.
package enum SettingsReference {
  package static var text: String {
    let keys = SettingsParser.keys
    return introduction + "\n## Keys at the top\n\n" + table(keys) + sections(keys, [])
      + lists
  }

  // MARK: - Sections

  /// A section for each key whose value can be a map.
  private static func sections(_ keys: [SettingsKeyDescription], _ path: [String]) -> String {
    keys.filter { !$0.keys.isEmpty }.map { key in
      let own = path + [key.name] + (key.name == "upstreams" ? ["NAME"] : [])
      let form =
        switch key.name {
        case "routes":
          "\n`\(own.joined(separator: "."))` is a list; each item is a map of these keys. `to`, `redirect` or `respond` is needed, and one only.\n"
        case "upstreams": "\n`upstreams` is a map; each key is the name of an upstream.\n"
        default: ""
        }
      return "\n## `\(own.joined(separator: "."))`\n\(form)\n" + table(key.keys) + sections(key.keys, own)
    }.joined()
  }

  private static func table(_ keys: [SettingsKeyDescription]) -> String {
    "| key | value | default | |\n|---|---|---|---|\n" + keys.map(row).joined()
  }

  private static func row(_ key: SettingsKeyDescription) -> String {
    let standard: String
    switch key.standard?.content {
    case .scalar?, .list?: standard = "`\(key.standard.map(SettingsText.inline) ?? "")`"
    case .map?, .nothing?, nil: standard = ""
    }
    return "| `\(key.name)` | \(escaped(key.kind)) | \(escaped(standard)) | \(escaped(key.summary)) |\n"
  }

  /// A bar would end the cell.
  private static func escaped(_ text: String) -> String {
    text.reduce(into: "") { $0 += $1 == "|" ? "\\|" : String($1) }
  }

  // MARK: - Text

  private static var introduction: String {
    """
    # The settings file

    <!-- Written by `photofinish settings --reference`. -->

    ```yaml
    listen: ":8080"
    upstreams:
      app:
        servers: [http://127.0.0.1:3000]
    ```

    `photofinish serve --settings FILE` runs it, `photofinish validate FILE` says all that is wrong with it,
    `photofinish settings --example` prints one with comments, and `photofinish settings --show FILE` what it comes to with every
    default. Flags of `serve` that are given beside a file win over it.

    The file is YAML, in UTF-8. Texts that hold `: ` or ` #`, or begin with one of ``* & ! % @ ` [ { ' "``, need quotes. Anchors,
    aliases, merged keys and several documents are refused, and so is a key that stands twice. A file has at most 1 MiB.

    | value | written |
    |---|---|
    | time | `500ms`, `5s`, `1.5s`, `2m`, `1h` |
    | size | `65536`, `64k`, `10m`, `1g` (powers of 1024) |
    | on, off | also `true`, `false`, `yes`, `no` |
    | list | `[a, b]`, or lines that begin with `- `; a single value needs no brackets |
    | path | compared with the path of a request byte by byte as it was sent: nothing is decoded, and `..` stays |

    `${NAME}` in a value stands for a variable of the environment, `${NAME:-default}` for one that may be missing or empty, and
    `$${` for the characters `${`. The value is read as what stands there: it adds no keys. Errors show the name and never the value.

    A message is `file:line:column: key: fact; fix`. A warning is about what is legal and does harm; `validate --strict` takes it for an
    error.

    """
  }

  private static var lists: String {
    """

    ## Balancing

    | `balance` | |
    |---|---|
    | `round-robin` | by turns, as the weights have it |
    | `least-requests` | the server with the fewest requests under way for its weight |
    | `power-of-two` | the better of two drawn at random |
    | `hash client-address` | the same client comes to the same server as long as that one is healthy; when one goes, only its clients move |
    | `hash target` | the same by path and query |
    | `hash header NAME`, `hash cookie NAME` | the same by a field or a cookie |

    ## Servers whose idle timeout is known

    For `keeps-idle`. These are the defaults; where a server has settings of its own, write the time.

    | name | keeps idle connections | |
    |---|---|---|

    """
      + ServerSoftware.known.map { "| `\($0.name)` | \($0.keepsIdle.text) | \($0.source) |\n" }.joined() + """

        Connections are used up to a twentieth of that time before it ends, at least 500 ms (`pool.idle-age` shows it).

        ## What stands before

        For `behind`; [behind.md](behind.md) has the sources.

        | name | | keeps idle connections | `client-idle` becomes | `advertised-idle` becomes |
        |---|---|---|---|---|

        """
      + FrontProxy.known.map {
        "| `\($0.name)` | \($0.title) | \($0.keepsIdle.text) | \($0.clientIdle.text) | \($0.advertisedIdleSeconds)s |\n"
      }.joined() + """

        ## Names in values of fields

        In `request-fields` and `response-fields`; `{{` and `}}` stand for braces.

        \(FieldEdit.placeholderNames.map { "`{\($0)}`" }.joined(separator: ", "))

        `{server}` only in `response-fields`: when a request is written its server is not chosen yet.

        `remove` comes first, then `set`, then `add`. Fields that frame a message or belong to one connection cannot be edited.

        ## Names in `logs.access`

        Each is a field of the [access log](access-log.md); `{request.NAME}` and `{response.NAME}` are fields of the heads.

        \(LogSettings.variableNames.map { "`{\($0)}`" }.joined(separator: ", "))

        """
  }
}
