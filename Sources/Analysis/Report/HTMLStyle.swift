/// What the pages of reports share.
enum HTMLStyle {
  static let text = """
    :root { --ground: #ffffff; --ink: #1b1f24; --faint: #5b6470; --line: #d5dae0; --soft: #f4f6f8; --bad: #b3261e;
      --warn: #8a5a00; --good: #1a6b33; --blue: #1f5fa8; --band: #fdecea; }
    @media (prefers-color-scheme: dark) {
      :root { --ground: #14171a; --ink: #e4e8ec; --faint: #98a2ad; --line: #343b43; --soft: #1c2126; --bad: #ff8a80;
        --warn: #ffc252; --good: #6fd48b; --blue: #7db7f5; --band: #3a2220; }
    }
    * { box-sizing: border-box; }
    body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 4rem; background: var(--ground); color: var(--ink);
      font: 16px/1.5 system-ui, sans-serif; }
    h1 { font-size: 1.5rem; line-height: 1.3; margin: .2rem 0 .6rem; }
    h2 { font-size: 1.15rem; margin: 0 0 .5rem; }
    .mark { margin: 0; color: var(--faint); letter-spacing: .06em; text-transform: uppercase; font-size: .75rem; }
    .sample, small { color: var(--faint); font-size: .85rem; font-weight: normal; }
    .bad { color: var(--bad); } .warn { color: var(--warn); } .good { color: var(--good); }
    section { margin: 2rem 0; padding-top: 1rem; border-top: 1px solid var(--line); }
    .kinds { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: .75rem; border: 0; }
    .kind { background: var(--soft); border-radius: .4rem; padding: .7rem .9rem; display: flex; flex-direction: column; }
    .kind b { font-size: 1.6rem; line-height: 1.2; } .kind span { color: var(--ink); font-size: .85rem; }
    code { font-family: ui-monospace, monospace; font-size: .92em; }
    dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: .4rem 1.5rem; margin: 0; }
    dt { color: var(--faint); font-size: .8rem; } dd { margin: 0; }
    .charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1rem; margin-top: 1rem; }
    figure { margin: 0; } figcaption { font-size: .85rem; margin-bottom: .2rem; }
    svg { width: 100%; height: auto; display: block; }
    svg text { fill: var(--faint); font: 11px system-ui, sans-serif; }
    .bar { fill: var(--blue); } .bar.bad { fill: var(--bad); } .axis { stroke: var(--line); }
    line.hold { stroke: var(--warn); stroke-dasharray: 3 3; } svg text.hold { fill: var(--warn); }
    .scroll { overflow-x: auto; }
    table { border-collapse: collapse; width: 100%; font-size: .85rem; }
    th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
    th { color: var(--faint); font-weight: normal; } a { color: var(--blue); }
    .lead { margin: .2rem 0; font-weight: 600; } ul { padding-left: 1.2rem; margin: .6rem 0; } li { margin: .15rem 0; }
    .remedy { background: var(--soft); border-left: 3px solid var(--good); padding: .6rem .9rem; }
    .ladder { min-width: 44rem; margin: .6rem 0; } .ladder .life { stroke: var(--faint); stroke-width: 1.5; }
    .ladder .band { fill: var(--band); } .ladder text.end { fill: var(--ink); font-weight: 600; }
    .ladder text.label { fill: var(--ink); } .ladder text.state { font-family: ui-monospace, monospace; font-size: 10px; }
    .ladder g line { stroke: var(--faint); stroke-width: 1.2; } .ladder g polygon { fill: var(--faint); }
    .ladder g.bad line { stroke: var(--bad); } .ladder g.bad polygon, .ladder g.bad text.label { fill: var(--bad); }
    .ladder g.fin line { stroke: var(--warn); } .ladder g.fin polygon, .ladder g.fin text.label { fill: var(--warn); }
    .ladder g.request line { stroke: var(--blue); stroke-width: 2.2; }
    .ladder g.request polygon, .ladder g.request text.label { fill: var(--blue); font-weight: 600; }
    @media print { body { max-width: none; } section { break-inside: avoid; } }
    """
}
