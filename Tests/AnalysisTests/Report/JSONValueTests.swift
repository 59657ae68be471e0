import Analysis
import Testing

struct JSONValueTests {
  @Test func readsWhatIsWritten() throws {
    let text = JSONText.object([
      ("text", .string("a \"b\"\\\n\t\u{1}\u{2028}é😀")), ("number", .number(-12)),
      ("decimal", .decimal(1.5, digits: 2)),
      ("yes", .bool(true)), ("no", .bool(false)), ("nothing", .null),
      ("list", .array([.number(1), .array([]), .object([])])),
    ]).text
    let value = try JSONValue(parsing: text)
    #expect(value["text"]?.string == "a \"b\"\\\n\t\u{1}\u{2028}é😀")
    #expect(value["number"]?.integer == -12)
    #expect(value["decimal"]?.number == 1.5 && value["decimal"]?.integer == nil)
    #expect(value["yes"]?.bool == true && value["no"]?.bool == false)
    #expect(value["nothing"] == .null && value["absent"] == nil)
    #expect(value["list"] == .array([.number(1), .array([]), .object([])]))
    #expect(try JSONValue(parsing: value.text) == value)
  }

  @Test(arguments: [
    ("\"\\u00e9\\ud83d\\ude00\\/\\b\\f\\r\"", "é😀/\u{8}\u{c}\r"), (" \"\" ", ""),
  ])
  func readsEscapes(_ text: String, _ expected: String) throws {
    #expect(try JSONValue(parsing: text) == .string(expected))
  }

  @Test(arguments: [
    "", " ", "{", "[", "[1", "[1,", "[1,]", "{\"a\"", "{\"a\":", "{\"a\":1", "{a:1}", "{\"a\":1,}", "\"", "\"\\",
    "\"\\u12", "\"\\x\"",
    "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"a\nb\"", "tru", "nul", "1 2", "+1", ".5", "-", "1e999",
    "nan", "0x10", "01x",
    String(repeating: "[", count: 100_000),
  ])
  func refusesWhatIsNone(_ text: String) {
    #expect(throws: JSONValue.SyntaxError.self) { try JSONValue(parsing: text) }
  }
}
