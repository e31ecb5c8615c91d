import Embedding
import Foundation
import Safetensors
import TestSupport
import XCTest

/// Instructions, what is cut off a text that is too long, and what a folder leaves open.
final class InstructionTests: XCTestCase {
  private var folder = ""

  override func setUpWithError() throws {
    folder = NSTemporaryDirectory() + "instruction-\(UUID().uuidString)"
  }

  override func tearDown() { try? FileManager.default.removeItem(atPath: folder) }

  private func vectors(
    _ retriever: Retriever, _ texts: [String], as role: TextRole
  ) -> [Float] {
    retriever.vectors(
      of: texts.map { RetrieverText(Array($0.utf8), as: role) },
      workspace: EncoderWorkspace(retriever))
  }

  /// Keys keep the beginning, queries the end, and the instruction stays.
  func testLongTextsAreCut() throws {
    try writeTinyRetriever(folder)
    try writeWordVocabulary(folder)
    let retriever = try Retriever(
      folder: folder, options: .init(maximumLength: 15, instruction: .longRange))
    func ids(_ text: String, _ role: TextRole) -> [Int32] {
      retriever.tokens(of: RetrieverText(Array(text.utf8), as: role))
    }
    let query: [Int32] = [6, 7, 8, 9, 10, 11, 12, 13, 14, 5]
    let key: [Int32] = [6, 7, 13, 8, 9, 10, 15, 5]
    XCTAssertEqual(ids(" a b ", .query), [2] + query + [16, 17, 3])
    XCTAssertEqual(ids("a", .key), [2] + key + [16, 3])
    XCTAssertEqual(ids("", .query), [2] + query + [3])
    XCTAssertEqual(ids("a a a ab", .query), [2] + query + [16, 16, 19, 3])
    XCTAssertEqual(ids("a ab b b b", .key), [2] + key + [16, 16, 19, 17, 17, 3])
    XCTAssertThrowsError(
      try Retriever(folder: folder, options: .init(maximumLength: 12, instruction: .longRange)))
  }

  func testDefaultsAndDigests() throws {
    let bge = try XCTUnwrap(Instruction.all.first { $0.name == "bge" })
    XCTAssertEqual(bge.key, "")
    XCTAssertEqual(
      Instruction.all.map(\.name),
      ["qa", "convsearch", "chat", "lrlm", "icl", "tool", "bge", "none"])
    for (name, instruction) in [("llm-embedder", "lrlm"), ("bge-small", "none")] {
      let own = folder + "/" + name
      try writeTinyRetriever(own)
      try writeWordVocabulary(own)
      let retriever = try Retriever(folder: own)
      XCTAssertEqual(retriever.instruction.name, instruction)
      let without = try Retriever(folder: own, options: .init(instruction: Instruction.none))
      XCTAssertEqual(retriever.digest == without.digest, instruction == "none")
    }
  }

  func testFolderWithoutModules() throws {
    try writeTinyRetriever(folder)
    try FileManager.default.removeItem(atPath: folder + "/modules.json")
    try writeText(#"{"model_max_length": 30}"#, to: folder + "/tokenizer_config.json")
    let retriever = try Retriever(folder: folder)
    XCTAssertEqual(retriever.pooling, .cls)
    XCTAssertEqual(retriever.maximumLength, 30)
    XCTAssertEqual(retriever.assumptions, ["pooling cls, since there is no modules.json"])
    let mean = try Retriever(folder: folder, options: .init(pooling: .mean))
    XCTAssertEqual(mean.assumptions, [])
    for huge in ["1000000000000000019884624838656", "512"] {
      try writeText("{\"model_max_length\": \(huge)}", to: folder + "/tokenizer_config.json")
      XCTAssertEqual(try Retriever(folder: folder).maximumLength, 40)
    }
  }

  /// Against the published recipe for llm-embedder, with MiniLM's weights: instruction + text, 512
  /// ids, the first token's state.
  func testInstructedVectorsEqualTheReference() throws {
    let model = try cachedModel("minilm")
    let reference = try Tensors(fixture: "minilm/tensors.safetensors")
    let texts = try XCTUnwrap(fixtureJSON("minilm/case.json")["texts"]?.arrayValue)
      .map { try XCTUnwrap($0["text"]?.stringValue) }
    let retriever = try Retriever(
      folder: model, options: .init(maximumLength: 512, pooling: .cls, instruction: .longRange))
    for (role, name) in [(TextRole.key, "key"), (.query, "query")] {
      let own = vectors(retriever, texts, as: role)
      let expected = try reference.floats("llm_embedder_lrlm_\(name)")
      for (index, text) in texts.enumerated() {
        // A query that is cut keeps its other end here.
        let ids = retriever.tokens(of: RetrieverText(Array(text.utf8), as: role)).count
        if role == .query && ids == 512 { continue }
        let row = index * 384..<(index + 1) * 384
        XCTAssertLessThan(
          maximumDifference(Array(own[row]), Array(expected[row])), 2e-6, "\(name) \(index)")
      }
    }
  }

  /// Text to vector with a SentencePiece vocabulary and torch's `pytorch_model.bin`.
  func testXLMRobertaEqualsTheReference() throws {
    try writeTinyXLMRoberta(folder)
    let facts = try fixtureJSON("xlmr-bin/case.json")
    let texts = try XCTUnwrap(facts["texts"]?.arrayValue)
    let retriever = try Retriever(folder: folder)
    XCTAssertEqual(retriever.maximumLength, facts["length"]?.intValue.map { Int($0) })
    XCTAssertEqual(retriever.pooling, .cls)
    XCTAssertEqual(retriever.instruction, .none)
    let whole = try Retriever(folder: folder, options: .init(maximumLength: 32))
    let strings = try texts.map { try XCTUnwrap($0["text"]?.stringValue) }
    for (text, string) in zip(texts, strings) {
      let ids = try XCTUnwrap(text["ids"]?.arrayValue).compactMap { $0.intValue.map { Int32($0) } }
      for role in TextRole.allCases {
        let kept = role == .key ? ids.prefix(30) : ids.suffix(30)
        XCTAssertEqual(
          whole.tokens(of: RetrieverText(Array(string.utf8), as: role)), [0] + kept + [2], string)
      }
    }
    let reference = try Tensors(fixture: "xlmr-bin/tensors.safetensors")
    for (role, name) in [(TextRole.key, "keys"), (.query, "queries")] {
      let difference = maximumDifference(
        vectors(retriever, strings, as: role), try reference.floats(name))
      XCTAssertLessThan(difference, 2e-6, name)
    }
  }

  /// Texts that are read as the same ids have the same vector, each at its own place.
  func testRepeatedTextsKeepTheirPlaces() throws {
    try writeTinyRetriever(folder)
    let retriever = try Retriever(folder: folder)
    let own = vectors(retriever, ["ab", "c", " ab ", "AB", "c"], as: .key)
    let (ab, c) = (Array(own[..<48]), Array(own[48..<96]))
    XCTAssertEqual(own, ab + c + ab + ab + c)
    XCTAssertNotEqual(ab, c)
    XCTAssertEqual(own.count, 5 * 48)
  }
}
