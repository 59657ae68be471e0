import Analysis
import Core
import Testing

/// Readers over texts that stand here, where no file of YAML is needed.
struct CheckReaderTests {
  private func report(_ files: [String: String], chain: [String] = []) -> CheckReport {
    var run = CheckRun(files.map { CheckedFile(path: $0.key, text: $0.value) }, readYAML: { _ in ConfigurationTree() })
    return run.run(chain: chain)
  }

  private func idle(_ files: [String: String]) -> TimerValue? { report(files).reading.servers.first?.idle.value }

  @Test(arguments: [
    ("gunicorn -k gthread --keep-alive 7 app", 7), ("exec gunicorn --worker-class=gevent --keep-alive=9 app", 9),
    ("python -m gunicorn app -k gthread", 2), ("uvicorn app:app --timeout-keep-alive 75", 75), ("uvicorn app:app", 5),
    ("poetry run hypercorn app --keep-alive 12", 12), ("K=30 && gunicorn -k gthread --keep-alive ${K} x", 30),
    ("gunicorn --threads 4 --keep-alive ${NOWHERE:-8} x", 8), ("uwsgi --http :80 --http-keepalive 15", 15),
    ("bash -c 'cd /app && exec uvicorn app:app --timeout-keep-alive=6'", 6),
  ])
  func readsCommands(_ command: String, _ seconds: Int64) {
    #expect(idle(["run.sh": command + "\n"]) == .time(.seconds(seconds)), "\(command)")
  }

  @Test(arguments: [
    "pip install gunicorn uvicorn", "echo gunicorn", "# gunicorn -k gthread app", "apt-get install -y uwsgi",
    "gunicorn_stop",
  ])
  func passesOverOtherCommands(_ command: String) {
    #expect(report(["run.sh": command + "\n"]).reading.servers.isEmpty, "\(command)")
  }

  @Test func readsBothFormsOfAnImage() {
    let exec =
      "FROM python:3.12\nENV KEEP=11\nCMD [\"gunicorn\", \"-k\", \"gthread\", \"--keep-alive\", \"3\", \"app\"]\n"
    #expect(idle(["Dockerfile": exec]) == .time(.seconds(3)))
    let shell = "FROM python:3.12\nENV KEEP=11\nCMD gunicorn -k gthread --keep-alive ${KEEP:-2} app\n"
    #expect(idle(["Dockerfile": shell]) == .time(.seconds(11)))
  }

  @Test(arguments: [
    ("const s = http.createServer(f); s.keepAliveTimeout = 61 * 1000; s.listen(1)", 61_000),
    (
      "const KEEP = 70_000\nconst s = require('http').createServer(f)\ns.keepAliveTimeout = KEEP\ns.listen(3000)",
      70_000
    ),
    ("import http from 'http'\nconst s = http.createServer({ keepAliveTimeout: 62000 }, f)\ns.listen(1)", 62_000),
    (
      "const app = express(); const server = app.listen(80); server.keepAliveTimeout = Number(process.env.KEEP ?? 63000)",
      63_000
    ),
    ("const app = Fastify({ keepAliveTimeout: 64000 })\napp.listen({ port: 1 })", 64_000),
    ("const app = require('fastify')(); app.listen({ port: 1 })", 72_000),
    ("const app = require('fastify')({ logger: true, keepAliveTimeout: 10000 }); app.listen({ port: 1 })", 10_000),
    ("const app = express()\napp.listen(3000) // keepAliveTimeout = 1", 5_000),
  ])
  func readsNode(_ source: String, _ milliseconds: Int64) {
    #expect(idle(["server.js": source]) == .time(.milliseconds(milliseconds)), "\(source)")
  }

  @Test(arguments: [
    "const app = express(); const server = app.listen(80); server.keepAliveTimeout = 65000; server.headersTimeout = 66000",
    "const net = require('net'); net.createServer(s => {}).listen(1)",
    "const app = http.createServer(f); app.keepAliveTimeout = 65000; app.listen(1)", "axios.create({ timeout: 1000 })",
  ])
  func staysQuietOnNode(_ source: String) {
    #expect(report(["server.js": source]).findings.isEmpty, "\(source)")
  }

  @Test func followsMembersOfARequiredFile() {
    let files = [
      "config.js":
        "module.exports = { port: process.env.PORT || 3000, keepAlive: Number(process.env.KEEP || 90000) };\n",
      "index.js":
        "const Koa = require('koa');\nconst config = require('./config');\nconst app = new Koa();\nconst server = app.listen(config.port);\nserver.keepAliveTimeout = config.keepAlive;\n",
    ]
    let server = report(files).reading.servers.first
    #expect(server?.idle.value == .time(.milliseconds(90_000)))
    #expect(server?.ports == [3_000])
  }

  /// A variable that `set` or `map` gives the name of an upstream block goes to that block.
  @Test(arguments: [
    "server { listen 80; set $up backend; location / { ~ proxy_pass http://$up; } }",
    "map $host $up { default backend; }\nserver { listen 80; location / { ~ proxy_pass http://$up; } }",
    "server { listen 80; location / { ~ proxy_pass http://backend; } }",
  ])
  func followsVariablesOfNginx(_ server: String) {
    let way = "proxy_http_version 1.1; proxy_set_header Connection \"\";"
    let text =
      "events {}\nhttp {\n upstream backend { server 127.0.0.1:3000; keepalive 32; }\n"
      + server.replacing("~", with: way) + "\n}\n"
    let found = report(["nginx.conf": text, "s.js": "require('http').createServer(f).listen(3000)\n"])
    #expect(found.findings.contains { $0.rule == .holdLongerThanServer && $0.level == .error }, "\(server)")
  }

  @Test func takesOverNamedDefaultsOfHAProxy() {
    let text = """
      defaults base
        mode http
        timeout client 30s
        timeout server 30s
        timeout tunnel 1h
      defaults other
        mode tcp
      defaults web from base
        default-server pool-purge-delay 60s
      frontend fe from web
        bind :80
        default_backend api
      backend api from web
        server-template app 3 app:3000

      """
    let pools = report(["haproxy.cfg": text]).reading.pools
    #expect(pools.count == 1)
    #expect(pools.first?.idle.value == .time(.seconds(240)))
    #expect(pools.first?.targets.first == CheckTarget("app:3000"))
  }

  @Test func readsUnicornsConfiguration() {
    let found = report([
      "config/unicorn.rb": "worker_processes 4\nlisten \"/tmp/u.sock\"\nlisten 8080, backlog: 64\ntimeout 30\n",
      "nginx.conf":
        "upstream a { server 127.0.0.1:8080; keepalive 4; }\nserver { listen 80; location / { proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_pass http://a; } }\n",
    ])
    #expect(found.reading.servers.first { $0.software == .unicorn }?.ports == [8_080])
    #expect(found.hops.count == 1)
    #expect(!found.findings.contains { $0.rule == .holdLongerThanServer })
  }

  @Test func aFileThatACommandNamesIsThatCommands() {
    let files = [
      "hypercorn.toml": "bind = [\"0.0.0.0:8000\"]\nkeep_alive_timeout = 10\n",
      "Procfile": "web: hypercorn -c hypercorn.toml main:app\n",
    ]
    let servers = report(files).reading.servers.filter { $0.software == .hypercorn }
    #expect(servers.map(\.idle.value) == [.time(.seconds(10))])
  }

  @Test func readsThePortOfATemplatedAddress() {
    let found = report([
      "nginx.conf.erb":
        "upstream a { server <%= @host %>:3000; keepalive 16; }\nserver { listen 80; location / { proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_pass http://a; } }\n",
      "s.js": "require('http').createServer(f).listen(3000)\n",
    ])
    #expect(found.findings.contains { $0.rule == .holdLongerThanServer && $0.level == .error })
  }

  @Test func theVersionOfNodeDecides() {
    let source = "const s = http.createServer(f); s.keepAliveTimeout = 65000; s.headersTimeout = 35000; s.listen(1)"
    #expect(report(["server.js": source, "package.json": "{\"engines\": {\"node\": \">=20\"}}"]).findings.isEmpty)
    let old = report(["server.js": source, ".nvmrc": "16.13\n"])
    #expect(old.findings.map(\.rule) == [.secondTimer] && old.findings.first?.confidence == .proved)
    let new = report(["server.js": "require('http').createServer(f).listen(1)", "Dockerfile": "FROM node:26-alpine\n"])
    #expect(new.findings.isEmpty)
  }

  @Test func theVersionOfNginxDecides() {
    let nginx =
      "upstream a { server app:8000; keepalive 8; }\nserver { listen 80; location / { proxy_pass http://a; } }\n"
    let app = "gunicorn -k gthread -b :8000 app\n"
    let old = report(["nginx.conf": nginx, "run.sh": app, "Dockerfile": "FROM nginx:1.25\n"])
    #expect(old.findings.map(\.rule) == [.poolWithoutEffect] && old.hops.map(\.verdict) == [.noReuse])
    let new = report(["nginx.conf": nginx, "run.sh": app, "Dockerfile": "FROM nginx:1.31.2\n"])
    #expect(new.hops.map(\.verdict) == [.race] && new.findings.first?.rule == .holdLongerThanServer)
    // Nobody asked for a pool: a note for whoever upgrades.
    let plain = "upstream a { server app:8000; }\nserver { listen 80; location / { proxy_pass http://a; } }\n"
    let unasked = report(["nginx.conf": plain, "run.sh": app])
    #expect(unasked.findings.map(\.rule) == [.versionFlipsDefault] && unasked.findings.first?.level == .note)
  }

  @Test(arguments: [
    ("srv := &http.Server{Addr: \":80\", IdleTimeout: 90 * time.Second}", TimerValue.time(.seconds(90))),
    ("srv := &http.Server{ReadTimeout: 5 * time.Second}", .time(.seconds(5))),
    ("srv := &http.Server{}\nsrv.IdleTimeout = time.Minute", .time(.seconds(60))),
    ("http.ListenAndServe(\":80\", nil)", .never), ("srv := http.Server{IdleTimeout: cfg.Idle}", .unknown),
  ])
  func readsGo(_ source: String, _ value: TimerValue) {
    #expect(idle(["main.go": "package main\n" + source + "\n"]) == value, "\(source)")
  }

  @Test(arguments: [
    ("persistent_timeout 75", 75), ("persistent_timeout ENV.fetch('X') { 30 }", 30),
    ("persistent_timeout(Integer(ENV['X'] || 25))", 25),
  ])
  func readsPuma(_ line: String, _ seconds: Int64) {
    #expect(idle(["config/puma.rb": "threads 5\n\(line)\n"]) == .time(.seconds(seconds)))
  }

  @Test func readsJavaServers() {
    let xml =
      "<Server><Service><!-- <Connector port=\"1\"/> --><Connector port=\"8080\" connectionTimeout=\"20000\"/></Service></Server>"
    #expect(idle(["server.xml": xml]) == .time(.seconds(20)))
    #expect(
      idle(["application.properties": "server.port=8081\nserver.tomcat.keepAliveTimeout=35s\n"]) == .time(.seconds(35)))
    #expect(idle(["start.d/http.ini": "--module=http\njetty.http.idleTimeout=30000\n"]) == .time(.seconds(30)))
    #expect(
      idle(["appsettings.json": "{\"Kestrel\": {\"Limits\": {\"KeepAliveTimeout\": \"00:02:00\"}}}"])
        == .time(.seconds(120)))
  }

  @Test func readsProxies() {
    let app = ["run.sh": "gunicorn -k gthread -b :8000 app\n"]
    let proxies = [
      "haproxy.cfg":
        "defaults\n  mode http\n  timeout client 30s\n  timeout tunnel 1h\nbackend a\n  server s1 app:8000\n",
      "Caddyfile":
        "example.com {\n  reverse_proxy app:8000 {\n    transport http {\n      keepalive 45s\n    }\n  }\n}\n",
      "httpd.conf": "<VirtualHost *:80>\nProxyPass / http://app:8000/\n</VirtualHost>\n",
      "envoy.json": """
      {"static_resources": {"clusters": [{"name": "a", "load_assignment": {"endpoints": [{"lb_endpoints": [{"endpoint": {"address":
      {"socket_address": {"address": "app", "port_value": 8000}}}}]}]}}]}}
      """,
      "traefik.toml":
        "[entryPoints.web]\naddress = \":80\"\n[http.services.a.loadBalancer]\n[[http.services.a.loadBalancer.servers]]\nurl = \"http://app:8000\"\n",
    ]
    for (name, text) in proxies {
      let report = report(app.merging([name: text]) { first, _ in first })
      #expect(report.hops.map(\.verdict) == [.race], "\(name)")
    }
  }

  @Test(arguments: [
    ("haproxy.cfg", "backend a\n  mode http\n  http-reuse never\n  timeout tunnel 1h\n  server s1 app:8000\n"),
    ("Caddyfile", "x.com {\n  reverse_proxy app:8000 {\n    transport http {\n      keepalive off\n    }\n  }\n}\n"),
    ("Caddyfile", "x.com {\n  reverse_proxy app:8000 {\n    transport http {\n      keepalive 1s\n    }\n  }\n}\n"),
    ("httpd.conf", "<VirtualHost *:80>\nProxyPass / http://app:8000/ disablereuse=on\n</VirtualHost>\n"),
    (
      "nginx.conf",
      "server { listen 80; location / { proxy_pass http://app:8000; proxy_set_header Connection close; } }"
    ),
  ])
  func staysQuietOnProxies(_ name: String, _ text: String) {
    let report = report([name: text, "run.sh": "gunicorn -k gthread -b :8000 app\n"])
    #expect(report.findings.filter { $0.level > .note }.isEmpty, "\(name): \(report.findings.map(\.message))")
  }

  @Test func aChainByHandGoesBeforeEverything() {
    let files = [
      "alb.tf": "resource \"aws_lb\" \"a\" { idle_timeout = 4000 }\n",
      "gunicorn.conf.py": "worker_class = \"gthread\"\nkeepalive = 5\n",
    ]
    #expect(report(files, chain: ["nginx", "gunicorn.conf.py"]).hops.map(\.pool.software) == [.nginx])
    #expect(report(files, chain: ["heroku", "gunicorn.conf.py"]).hops.first?.pool.idle.value == .time(.seconds(90)))
  }

  @Test func commentsAndBaselinesKeepQuiet() {
    let text = "worker_class = \"gthread\"\nkeepalive = 5  # photofinish: ignore hold-longer-than-server\n"
    let file = CheckedFile(path: "gunicorn.conf.py", text: text)
    var run = CheckRun([file], readYAML: { _ in ConfigurationTree() })
    var report = run.run()
    let before = report.findings.count
    report.dropCommented([file])
    #expect(report.findings.count == before - 1 && report.suppressed == 1)
    let known = CheckBaseline.fingerprints(CheckBaseline.text(report))
    report.drop(known)
    #expect(report.findings.isEmpty)
  }

  @Test func writesADiffThatSaysWhatItChanges() {
    let files = [
      CheckedFile(path: "alb.tf", text: "resource \"aws_lb\" \"a\" {\n}\n"),
      CheckedFile(path: "gunicorn.conf.py", text: "worker_class = \"gthread\"\nkeepalive = 5\n"),
    ]
    var run = CheckRun(files, readYAML: { _ in ConfigurationTree() })
    #expect(
      CheckFix.diff(run.run(), files)
        == "--- a/gunicorn.conf.py\n+++ b/gunicorn.conf.py\n@@ -1,2 +1,2 @@\n worker_class = \"gthread\"\n-keepalive = 5\n+keepalive = 75\n"
    )
  }

  // MARK: - Bad input

  @Test func endsOnWhateverItGets() {
    let names = [
      "nginx.conf", "haproxy.cfg", "Caddyfile", "httpd.conf", "main.tf", "a.json", "a.toml", "a.ini", "a.properties",
      "server.xml", "a.js", "a.py",
      "main.go", "puma.rb", "run.sh", "Dockerfile", "Procfile", "a.service", ".env", "gunicorn.conf.py",
    ]
    let pieces = [
      "{", "}", "[", "]", "(", ")", "\"", "'", "`", "\\", "\n", "#", "//", "/*", "${", "<<EOT", "=", ":", ";",
      "<Connector ", "server", "gunicorn ",
      "proxy_pass ", "upstream a {", "keepalive ", "http.Server{", "createServer(", ".keepAliveTimeout = ",
      "9999999999999999999999", "1e999", "-1",
      "\u{0}", "\u{feff}", "é", "resource \"aws_lb\" \"a\" {", "[a.b]", "[[a]]", "FROM nginx:", "CMD [", "ExecStart=",
      "web: ",
    ]
    // A generator of its own, so that a failure can be repeated.
    var state: UInt64 = 7
    func next(_ count: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % UInt64(count))
    }
    for round in 0..<3_000 {
      var text = ""
      for _ in 0..<next(40) { text += pieces[next(pieces.count)] + (next(3) == 0 ? " " : "") }
      let name = names[round % names.count]
      var files = [name: text]
      if name != "nginx.conf" { files["nginx.conf"] = "include \(name);\n" + text }
      let made = report(files)
      _ = CheckJSON.document(made) + CheckSARIF.document(made, version: "0") + CheckMarkdown.document(made)
    }
  }

  @Test(arguments: ["{", "[", "(", "a {", "a = {", "[[", "x(", "\"a\": {"])
  func boundsDepth(_ piece: String) {
    let text = String(repeating: piece, count: 40_000)
    for name in ["nginx.conf", "main.tf", "a.json", "a.toml", "server.js", "gunicorn.conf.py", "main.go", "Caddyfile"] {
      _ = report([name: "keepAliveTimeout createServer http.Server{ \n" + text])
    }
  }

  @Test func filesThatIncludeEachOtherEnd() {
    let text = "http { include b.conf; include a.conf; server { listen 80; } }\ninclude b.conf;\ninclude a.conf;\n"
    _ = report(["a.conf": text + "proxy_pass x;", "b.conf": text + "proxy_pass x;"])
  }

  @Test func variablesThatNameEachOtherEnd() {
    #expect(
      report(["run.sh": "A=$B\nB=$A\ngunicorn -k gthread --keep-alive $A x\n"]).reading.servers.first?.idle.value
        == .unknown)
  }

  @Test func escapesForTerminalsAreNotPassedOn() {
    let report = report(["a\u{1b}[31m/gunicorn.conf.py": "worker_class = \"gthread\"\n"])
    #expect(!CheckText(report, ink: Ink(isColoured: false)).text().contains("\u{1b}"))
  }
}
