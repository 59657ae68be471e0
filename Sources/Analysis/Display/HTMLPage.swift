/// The frame of an HTML page that needs nothing else: no script, no font, no picture from elsewhere.
struct HTMLPage {
  var title: String
  /// The command that wrote the page; it stands above the heading.
  var mark: String
  /// What the page adds to ``style``.
  var style: String
  /// What stands in the header below the mark.
  var header: String
  var main: String

  func text() -> String {
    """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>\(HTMLPage.escaped(title))</title>
    <style>
    \(HTMLPage.style)
    \(style)
    </style>
    </head>
    <body>
    <header>
    <p class="mark">\(HTMLPage.escaped(mark))</p>
    \(header)
    </header>
    <main>
    \(main)
    </main>
    </body>
    </html>

    """
  }

  /// Text as it may stand between tags and in attributes, whichever quotes are around them.
  static func escaped(_ text: String) -> String {
    var result = ""
    for character in text {
      switch character {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      default: result.append(character)
      }
    }
    return result
  }

  /// What all pages look like, in daylight, in the dark and on paper.
  private static let style = """
    :root { --ground: #ffffff; --ink: #1b1f24; --faint: #5b6470; --line: #d9dee4; --soft: #f4f6f8; --bad: #b3261e;
      --warn: #8a5a00; --good: #1a6b33; --blue: #1f5fa8; }
    @media (prefers-color-scheme: dark) {
      :root { --ground: #14171a; --ink: #e4e8ec; --faint: #98a2ad; --line: #30373e; --soft: #1c2126; --bad: #ff8a80;
        --warn: #ffc252; --good: #6fd48b; --blue: #7db7f5; }
    }
    * { box-sizing: border-box; }
    body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 4rem; background: var(--ground); color: var(--ink);
      font: 16px/1.5 system-ui, sans-serif; }
    h1 { font-size: 1.5rem; line-height: 1.3; margin: .2rem 0 .6rem; text-wrap: balance; }
    h2 { font-size: 1.15rem; margin: 0 0 .4rem; }
    .mark { margin: 0; color: var(--faint); letter-spacing: .06em; text-transform: uppercase; font-size: .75rem; }
    .sample, small { color: var(--faint); font-size: .85rem; font-weight: normal; }
    .bad { color: var(--bad); } .warn { color: var(--warn); } .good { color: var(--good); }
    section { margin: 2rem 0 0; padding-top: 1rem; border-top: 1px solid var(--line); }
    code, pre { font-family: ui-monospace, monospace; font-size: .92em; }
    .charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1.1rem 1.5rem;
      margin-top: 1rem; }
    figure { margin: 0; } figcaption { font-size: .85rem; margin-bottom: .25rem; }
    svg { width: 100%; height: auto; display: block; }
    svg text { fill: var(--faint); font: 11px system-ui, sans-serif; }
    .axis { stroke: var(--line); }
    .scroll { overflow-x: auto; }
    table { border-collapse: collapse; width: 100%; font-size: .85rem; }
    th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line);
      vertical-align: top; }
    th { color: var(--faint); font-weight: normal; }
    @media print { body { max-width: none; } }
    """
}
