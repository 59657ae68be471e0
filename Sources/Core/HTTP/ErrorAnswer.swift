/// What a failure that this proxy answers itself looks like to a client.
package struct ErrorAnswer: Sendable {
  package var status: UInt16
  package var error: ProxyStatus.ErrorType
  /// The server that was asked.
  package var nextHop: String?
  /// What happened, in a sentence or more.
  package var sentence: String
  /// The same for Proxy-Status: short.
  package var details: String
  package var retryAfter: UInt32?
  /// Whether the request itself is at fault: that is always told to whoever sent it.
  package var isRequestsFault: Bool

  package init(
    status: UInt16, error: ProxyStatus.ErrorType, nextHop: String? = nil, sentence: String, details: String,
    retryAfter: UInt32? = nil, isRequestsFault: Bool = false
  ) {
    self.status = status
    self.error = error
    self.nextHop = nextHop
    self.sentence = sentence
    self.details = details
    self.retryAfter = retryAfter
    self.isRequestsFault = isRequestsFault
  }

  /// The response.
  ///
  /// - Parameters:
  ///   - pseudonym: of this proxy.
  ///   - requestID: by which the log line is found.
  ///   - tells: whether the client may know which server was asked and what happened there.
  ///   - page: what the settings have for the status.
  ///   - accepted: the forms that the client takes.
  package func response(
    pseudonym: String, requestID: [UInt8], tells: Bool, page: ErrorPage?, accepted: AcceptedForms
  ) -> LocalResponse {
    let tells = tells || isRequestsFault
    let proxyStatus = ProxyStatus(
      pseudonym: pseudonym, error: error, nextHop: tells ? nextHop : nil, details: tells ? details : nil)
    let reason = "\(ReasonPhrase.standard(for: status))"
    guard let page, let form = accepted.best(of: page), let template = page[form] else {
      var body = Array((tells ? sentence : "\(status) \(reason)").utf8)
      body += Array("\nRequest ID: ".utf8) + requestID + [0x0a]
      return LocalResponse(status: status, body: body, proxyStatus: proxyStatus.fieldValue, retryAfter: retryAfter)
    }
    let values: [(name: String, value: [UInt8])] = [
      ("{status}", Array("\(status)".utf8)), ("{reason}", Array(reason.utf8)), ("{request-id}", requestID),
      ("{details}", tells ? Array(sentence.utf8) : []),
    ]
    var response = LocalResponse(
      status: status, body: form.filled(template, values), proxyStatus: proxyStatus.fieldValue, retryAfter: retryAfter)
    response.contentType = Array(form.contentType.utf8)
    return response
  }
}

extension ErrorSettings {
  /// The page for a status: its own, or that of its class.
  package func page(for status: UInt16) -> ErrorPage? {
    pages.first { $0.statuses == .one(status) } ?? pages.first { $0.statuses == .all(ofClass: status / 100) }
  }
}

extension ErrorPageForm {
  package var contentType: String {
    switch self {
    case .text: "text/plain; charset=utf-8"
    case .html: "text/html; charset=utf-8"
    case .json: "application/json"
    }
  }

  /// A page with values in place of their names in braces. Other braces stay.
  func filled(_ template: [UInt8], _ values: [(name: String, value: [UInt8])]) -> [UInt8] {
    var filled: [UInt8] = []
    filled.reserveCapacity(template.count + 64)
    var rest = template[...]
    while let byte = rest.first {
      if byte == UInt8(ascii: "{"), let (name, value) = values.first(where: { rest.starts(with: $0.name.utf8) }) {
        append(value, to: &filled)
        rest = rest.dropFirst(name.utf8.count)
      } else {
        filled.append(byte)
        rest = rest.dropFirst()
      }
    }
    return filled
  }

  /// What a client sent may be in the value: it must not become markup.
  private func append(_ value: [UInt8], to page: inout [UInt8]) {
    for byte in value {
      switch (self, byte) {
      case (.text, _): page.append(byte)
      case (.html, UInt8(ascii: "&")): page += Array("&amp;".utf8)
      case (.html, UInt8(ascii: "<")): page += Array("&lt;".utf8)
      case (.html, UInt8(ascii: ">")): page += Array("&gt;".utf8)
      case (.html, UInt8(ascii: "\"")): page += Array("&quot;".utf8)
      case (.html, UInt8(ascii: "'")): page += Array("&#39;".utf8)
      case (.html, _): page.append(byte)
      case (.json, UInt8(ascii: "\"")), (.json, UInt8(ascii: "\\")): page += [UInt8(ascii: "\\"), byte]
      case (.json, 0..<0x20): page += Array("\\u00\(byte < 0x10 ? "0" : "")\(String(byte, radix: 16))".utf8)
      case (.json, _): page.append(byte)
      }
    }
  }
}

/// How gladly a client takes each form of a page, by its Accept (RFC 9110 section 12.5.1): 0 to 1000.
package struct AcceptedForms: Sendable, Hashable, BitwiseCopyable {
  private var text: Int16 = 1_000
  private var html: Int16 = 1_000
  private var json: Int16 = 1_000

  /// A client that says nothing takes all.
  package init() {}

  package init(_ bytes: RawSpan, _ fields: borrowing FieldTable) {
    guard fields.firstValue(named: "accept", in: bytes) != nil else { return }
    // By how exactly the form is named: as itself, as its kind, as anything.
    var found = [(exactness: Int, quality: Int16)](repeating: (0, 0), count: ErrorPageForm.allCases.count)
    for index in 0..<fields.count where bytes.spells("accept", at: fields[index].name) {
      var list = ListElements(fields[index].value)
      while let element = list.next(bytes) {
        var end = element.start
        while end < element.end, bytes.byte(at: end) != UInt8(ascii: ";") { end += 1 }
        let range = bytes.trimmed(element.start, end)
        let quality = Self.quality(bytes, from: end, to: element.end)
        for form in ErrorPageForm.allCases {
          let exactness = form.exactness(bytes, range)
          if exactness > found[Int(form.rawValue)].exactness { found[Int(form.rawValue)] = (exactness, quality) }
        }
      }
    }
    text = found[Int(ErrorPageForm.text.rawValue)].quality
    html = found[Int(ErrorPageForm.html.rawValue)].quality
    json = found[Int(ErrorPageForm.json.rawValue)].quality
  }

  package subscript(form: ErrorPageForm) -> Int {
    switch form {
    case .text: Int(text)
    case .html: Int(html)
    case .json: Int(json)
    }
  }

  /// The form that the client likes best of those that the page has; the first of them when it takes none.
  func best(of page: ErrorPage) -> ErrorPageForm? {
    var best: ErrorPageForm?
    for form in ErrorPageForm.allCases where page[form] != nil {
      if best.map({ self[form] > self[$0] }) ?? true { best = form }
    }
    return best
  }

  /// `;q=0.8` in thousandths; 1000 without it.
  private static func quality(_ bytes: RawSpan, from start: Int, to end: Int) -> Int16 {
    var position = start
    while position < end {
      // At a semicolon.
      var next = position + 1
      while next < end, bytes.byte(at: next) != UInt8(ascii: ";") { next += 1 }
      let parameter = bytes.trimmed(position + 1, next)
      position = next
      guard parameter.count > 2, ByteClass.lowercased(bytes.byte(at: parameter.start)) == UInt8(ascii: "q"),
        bytes.byte(at: parameter.start + 1) == UInt8(ascii: "=")
      else { continue }
      return thousandths(bytes, from: parameter.start + 2, to: parameter.end)
    }
    return 1_000
  }

  /// `0.85`; whatever is malformed counts as much as the digits before it.
  private static func thousandths(_ bytes: RawSpan, from start: Int, to end: Int) -> Int16 {
    guard bytes.byte(at: start) == UInt8(ascii: "0") else { return 1_000 }
    var value: Int16 = 0
    var scale: Int16 = 100
    var position = start + 2
    while position < end, scale > 0, ByteClass.isDigit(bytes.byte(at: position)) {
      value += Int16(bytes.byte(at: position) - 0x30) * scale
      scale /= 10
      position += 1
    }
    return value
  }
}

extension ErrorPageForm {
  /// How exactly a media range names this form: 0, not at all, to 3.
  fileprivate func exactness(_ bytes: RawSpan, _ range: ByteRange) -> Int {
    switch self {
    case .text:
      if bytes.spells("text/plain", at: range) { return 3 }
      if bytes.spells("text/*", at: range) { return 2 }
    case .html:
      if bytes.spells("text/html", at: range) { return 3 }
      if bytes.spells("text/*", at: range) { return 2 }
    case .json:
      if bytes.spells("application/json", at: range) || bytes.spells("application/problem+json", at: range) { return 3 }
      if bytes.spells("application/*", at: range) { return 2 }
    }
    return bytes.spells("*/*", at: range) ? 1 : 0
  }
}
