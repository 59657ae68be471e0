import Analysis
import Testing

struct NginxParserTests {
  private func parse(_ text: String) -> NginxParser.Parsed {
    NginxParser.parse(CheckedFile(path: "nginx.conf", text: text))
  }

  @Test func readsDirectivesBlocksAndPlaces() throws {
    let parsed = parse("http {\n  upstream app { server web:9000 resolve; keepalive 2; }\n}\n")
    let upstream = try #require(parsed.directives.first?.all("upstream").first)
    #expect(upstream.first == "app" && upstream.place == CheckPlace(file: "nginx.conf", line: 2, column: 3))
    #expect(upstream.all("server").first?.arguments.map(\.text) == ["web:9000", "resolve"])
    #expect(upstream.last("keepalive")?.place.column == 43)
    #expect(parsed.problems.isEmpty)
  }

  @Test(arguments: [
    (#"log_format main '$remote_addr "x" \'y';"#, [#"$remote_addr "x" 'y"#]),
    (#"add_header X "a;b{c}";"#, ["X", "a;b{c}"]), (#"return 200 'a\nb';"#, ["200", #"a\nb"#]),
    ("listen ${PORT};", ["${PORT}"]), ("root {{ folder }}/x;", ["{{ folder }}/x"]),
    (#"rewrite ^/(\d{2}) /x\;y;"#, [#"^/(\d"#]),
  ])
  func readsWords(_ text: String, _ arguments: [String]) {
    let directive = parse(text).directives.first
    let words = directive?.arguments.map(\.text).filter { $0 != "main" } ?? []
    #expect(words.prefix(arguments.count).elementsEqual(arguments), "\(words)")
  }

  @Test func passesOverForeignBlocks() {
    let parsed = parse("location / { content_by_lua_block { if a then b = {1} end } proxy_pass http://x; }")
    #expect(parsed.directives.first?.block?.map(\.name) == ["content_by_lua_block", "proxy_pass"])
  }

  @Test(arguments: ["}", "a", "a {", "{", ";", "'", "\"", "a { b } c;", "\\", "${", "{{", "a {{ b", "#", "\u{feff}a;"])
  func neverGivesUp(_ text: String) {
    _ = parse(text)
  }

  @Test func isBounded() {
    #expect(parse(String(repeating: "a {", count: 100_000)).directives.isEmpty)
    let wide = parse(String(repeating: "a;", count: 300_000))
    #expect(wide.problems.count == 1)
  }
}
