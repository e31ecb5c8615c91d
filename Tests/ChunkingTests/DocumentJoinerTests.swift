import Chunking
import Tokenization
import XCTest

final class DocumentJoinerTests: XCTestCase {
  private func joined(_ texts: [String], _ joining: Joining) throws -> [String] {
    var joiner = DocumentJoiner(joining)
    var documents = [Document]()
    for text in texts {
      documents += try joiner.append(Document(text: Array(text.utf8), source: text))
    }
    if let last = joiner.finish() { documents.append(last) }
    return documents.map { String(decoding: $0.text, as: UTF8.self) }
  }

  private let lines = [
    " \n", " = Valkyria = \n", " \n", " = = Plot = = \n", " a = b \n", " = A = B = \n", "end = \n",
  ]

  func testHeadingsBeginDocuments() throws {
    let expected = [" \n = Valkyria = \n \n = = Plot = = \n a = b \n", " = A = B = \nend = \n"]
    // However the text is cut into lines or files.
    XCTAssertEqual(try joined(lines, .headings), expected)
    XCTAssertEqual(try joined([lines.joined()], .headings), expected)
  }

  func testAllAndNone() throws {
    XCTAssertEqual(try joined(lines, .all), [lines.joined()])
    XCTAssertEqual(try joined(lines, .none), lines)
    XCTAssertEqual(try joined([], .all), [])
  }

  func testLargestDocument() throws {
    var joiner = DocumentJoiner(.all, maximumBytes: 4)
    let document = Document(text: [1, 2, 3], source: "x")
    _ = try joiner.append(document)
    XCTAssertThrowsError(try joiner.append(document)) {
      XCTAssertEqual("\($0)", "a joined document of more than 4 bytes")
    }
  }
}
