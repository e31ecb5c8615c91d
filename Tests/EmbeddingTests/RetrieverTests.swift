import Embedding
import Foundation
import Safetensors
import TestSupport
import XCTest

final class RetrieverTests: XCTestCase {
  private var folder = ""

  override func setUpWithError() throws {
    folder = NSTemporaryDirectory() + "retriever-\(UUID().uuidString)"
    try writeTinyRetriever(folder)
  }

  override func tearDown() { try? FileManager.default.removeItem(atPath: folder) }

  private func write(_ file: String, _ text: String) throws {
    try writeText(text, to: folder + "/" + file)
  }

  private func remove(_ file: String) throws {
    try FileManager.default.removeItem(atPath: folder + "/" + file)
  }

  private func opening() -> String {
    message { _ = try Retriever(folder: folder) }
      .replacing(folder, with: "DIR")
  }

  private func key(_ text: String) -> RetrieverText { RetrieverText(Array(text.utf8), as: .key) }
  private func query(_ text: String) -> RetrieverText {
    RetrieverText(Array(text.utf8), as: .query)
  }

  func testSettingsAreRead() throws {
    let all = try Retriever(folder: folder)
    XCTAssertEqual(all.maximumLength, 40)
    XCTAssertEqual(all.pooling, .cls)
    XCTAssertEqual(all.dimension, 48)
    XCTAssertEqual(all.tokens(of: key(" \u{1c}Ab\u{3000}")), [2, 5, 32, 3])
    try write("sentence_bert_config.json", #"{"max_seq_length": 5, "do_lower_case": true}"#)
    try write("1_Pooling/config.json", #"{"pooling_mode_mean_tokens": true}"#)
    try write("tokenizer_config.json", #"{"do_lower_case": false}"#)
    let short = try Retriever(folder: folder + "/")
    XCTAssertEqual(short.name, all.name)
    XCTAssertEqual(short.maximumLength, 5)
    XCTAssertEqual(short.pooling, .mean)
    XCTAssertEqual(short.tokens(of: key("aBc de")), [2, 5, 32, 33, 3])
    XCTAssertNotEqual(short.digest, all.digest)
    XCTAssertEqual(short.digest.count, 16)
  }

  func testModulesThatAreNotSupportedAreNamed() throws {
    try write(
      "modules.json",
      """
      [{"path": "", "type": "sentence_transformers.models.Transformer"},
       {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
       {"path": "2_Dense", "type": "sentence_transformers.models.Dense"}]
      """)
    XCTAssertEqual(opening(), "DIR: modules.json: module Dense is not supported here")
    try write("modules.json", #"[{"path": "", "type": "custom.Transformer"}]"#)
    XCTAssertEqual(opening(), "DIR: modules.json: module custom.Transformer is not supported here")
    try write(
      "modules.json",
      #"[{"path": "", "type": "sentence_transformers.models.Transformer", "kwargs": ["task"]}]"#)
    XCTAssertEqual(opening(), #"DIR: modules.json: kwargs ["task"] is not supported"#)
    try write("modules.json", #"[{"path": "../x", "type": "a.Transformer"}]"#)
    XCTAssertEqual(opening(), "DIR: modules.json: path ../x leaves the folder")
    try write("modules.json", "{}")
    XCTAssertEqual(opening(), "DIR: modules.json: not an array")
    try write("modules.json", "[")
    XCTAssertTrue(opening().hasPrefix("DIR: modules.json: not JSON at byte 1"), opening())
    folder += "-absent"
    XCTAssertEqual(opening(), "DIR: No such file or directory")
  }

  func testPoolingThatIsNotSupportedIsNamed() throws {
    let only = "is not supported, only mean_tokens or cls_token"
    try write("1_Pooling/config.json", #"{"pooling_mode_max_tokens": true}"#)
    XCTAssertEqual(opening(), "DIR: 1_Pooling/config.json: pooling max_tokens \(only)")
    try write(
      "1_Pooling/config.json",
      #"{"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true}"#)
    XCTAssertEqual(
      opening(), "DIR: 1_Pooling/config.json: pooling cls_token + mean_tokens \(only)")
    try write("1_Pooling/config.json", "{}")
    XCTAssertEqual(opening(), "DIR: 1_Pooling/config.json: pooling none \(only)")
    try remove("1_Pooling/config.json")
    XCTAssertEqual(opening(), "DIR: 1_Pooling/config.json is missing or not an object")
  }

  /// As sentence-transformers 5.4 writes them.
  func testFilesOfNewReleases() throws {
    let usual = try Retriever(folder: folder)
    try write(
      "1_Pooling/config.json",
      #"{"embedding_dimension": 48, "pooling_mode": "cls", "include_prompt": true}"#)
    try write(
      "sentence_bert_config.json",
      """
      {"transformer_task": "feature-extraction", "modality_config": {"text":
       {"method": "forward", "method_output_name": "last_hidden_state"}},
       "module_output_name": "token_embeddings"}
      """)
    try write(
      "config_sentence_transformers.json",
      """
      {"model_type": "SentenceTransformer", "__version__": {}, "prompts": {"query": "x"},
       "default_prompt_name": null, "similarity_fn_name": "cosine"}
      """)
    XCTAssertEqual(try Retriever(folder: folder).digest, usual.digest)
    try write("1_Pooling/config.json", #"{"pooling_mode": ["mean"]}"#)
    XCTAssertEqual(try Retriever(folder: folder).pooling, .mean)
  }

  func testSettingsThatChangeVectorsAreNamed() throws {
    let config = try String(contentsOfFile: folder + "/config.json", encoding: .utf8)
    for (file, text, expected) in [
      ("1_Pooling/config.json", #"{"pooling_mode": "lasttoken"}"#, "pooling lasttoken is not"),
      ("1_Pooling/config.json", #"{"pooling_mode": ["mean", "cls"]}"#, "pooling mean + cls is not"),
      ("1_Pooling/config.json", #"{"pooling_mode": 1}"#, "pooling_mode 1 is not"),
      (
        "1_Pooling/config.json", #"{"pooling_mode": "cls", "include_prompt": false}"#,
        "include_prompt false is not"
      ),
      ("1_Pooling/config.json", #"{"pooling_mode": "cls", "new": 1}"#, "new 1 is not"),
      ("sentence_bert_config.json", #"{"transformer_task": "fill-mask"}"#, "transformer_task"),
      ("sentence_bert_config.json", #"{"query_length": 32}"#, "query_length 32 is not"),
      ("sentence_xlm-roberta_config.json", #"{"new": 1}"#, "new 1 is not"),
      ("config_sentence_transformers.json", #"{"truncate_dim": 16}"#, "truncate_dim 16 is not"),
      (
        "config_sentence_transformers.json", #"{"default_prompt_name": "query"}"#,
        #"default_prompt_name "query" is not"#
      ),
      (
        "config_sentence_transformers.json", #"{"similarity_fn_name": "manhattan"}"#,
        #"similarity_fn_name "manhattan" is not"#
      ),
      ("config_sentence_transformers.json", #"{"new": 1}"#, "new 1 is not"),
      ("tokenizer_config.json", #"{"truncation_side": "left"}"#, #"truncation_side "left" is not"#),
      ("tokenizer_config.json", #"{"split_special_tokens": true}"#, "split_special_tokens true"),
      ("tokenizer_config.json", #"{"never_split": ["x"]}"#, #"never_split ["x"]"#),
      (
        "tokenizer_config.json", #"{"added_tokens_decoder": {"9": {"content": "x"}}}"#,
        "added token x is not supported"
      ),
      ("added_tokens.json", #"{"[MASK]": 4, "y": 9}"#, "added token y is not supported"),
      (
        "config.json", config.replacing("{", with: #"{"new": 1,"#, maxReplacements: 1),
        "new 1 is not"
      ),
    ] {
      let path = folder + "/" + file
      let before = try? Data(contentsOf: URL(fileURLWithPath: path))
      try write(file, text)
      XCTAssertTrue(opening().contains("DIR: \(file): \(expected)"), opening() + " for " + text)
      if let before { try before.write(to: URL(fileURLWithPath: path)) } else { try remove(file) }
    }
    XCTAssertNoThrow(try Retriever(folder: folder))
  }

  func testTokenizersThatDoNotFitAreNamed() throws {
    try remove("vocab.txt")
    XCTAssertTrue(opening().hasPrefix("DIR: no tokenizer that is known here"), opening())
    try write("vocab.txt", "a\nb\n")
    XCTAssertEqual(opening(), "DIR: vocab.txt: the vocabulary has no [UNK]")
    let special = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n"
    try write("vocab.txt", special + (0..<117).map { "t\($0)\n" }.joined())
    XCTAssertEqual(opening(), "DIR: vocab.txt: 121 tokens, but config.json has vocab_size 120")
    try write("tokenizer_config.json", #"{"tokenizer_class": "MPNetTokenizer"}"#)
    XCTAssertEqual(
      opening(), "DIR: tokenizer_config.json: tokenizer_class MPNetTokenizer is not supported")
  }

  func testLengthsThatDoNotFitAreNamed() throws {
    try write("sentence_bert_config.json", #"{"max_seq_length": 41}"#)
    XCTAssertEqual(
      opening(), "DIR: a maximum length of 41 is not in 2…40 (max_position_embeddings)")
    try write("sentence_bert_config.json", #"{"max_seq_length": 1}"#)
    XCTAssertEqual(
      opening(), "DIR: sentence_bert_config.json: max_seq_length 1 is not a length of 2 or more")
  }

  func testWeightsThatDoNotFitAreNamed() throws {
    let path = folder + "/model.safetensors"
    let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
    for count in [0, 7, 100, bytes.count / 2, bytes.count - 1] {
      try bytes.prefix(count).write(to: URL(fileURLWithPath: path))
      XCTAssertTrue(opening().hasPrefix("DIR/model.safetensors: "), opening())
    }
    try remove("model.safetensors")
    XCTAssertEqual(
      opening(),
      "DIR: no weights: neither model.safetensors nor pytorch_model.bin, nor an .index.json of either"
    )
  }

  func testVectorsEqualTheReference() throws {
    let model = try cachedModel("minilm")
    let reference = try Tensors(fixture: "minilm/tensors.safetensors")
    let texts = try XCTUnwrap(fixtureJSON("minilm/case.json")["texts"]?.arrayValue)
    let strings = try texts.map { key(try XCTUnwrap($0["text"]?.stringValue)) }
    for length in [256, 512] {
      let retriever = try Retriever(folder: model, options: .init(maximumLength: length))
      for (text, string) in zip(texts, strings) {
        let own = retriever.tokens(of: string).map { Int($0) }
        XCTAssertEqual(own.count, min(try XCTUnwrap(text["n_full"]?.intValue), length))
        let ids = try XCTUnwrap(text["ids_256"]?.arrayValue).compactMap(\.intValue)
        XCTAssertEqual(own.prefix(ids.count).dropLast(), ids.dropLast())
      }
      let vectors = retriever.vectors(of: strings, workspace: EncoderWorkspace(retriever))
      let expected = try reference.floats("embeddings_\(length)")
      XCTAssertLessThan(maximumDifference(vectors, expected), 1e-6)
      for first in stride(from: 0, to: expected.count, by: 384) {
        let (own, other) = (vectors[first..<first + 384], expected[first..<first + 384])
        XCTAssertGreaterThan(cosine(Array(own), Array(other)), 0.999999)
      }
    }
    XCTAssertEqual(try Retriever(folder: model).maximumLength, 256)
    XCTAssertEqual(try Retriever(folder: model).name, "minilm")
  }

  /// Bit for bit the same for every number of threads, in the order of the requests.
  func testEmbedderIsDeterministic() throws {
    try write("1_Pooling/config.json", #"{"pooling_mode_mean_tokens": true}"#)
    let retriever = try Retriever(folder: folder)
    var random = SplitMix64(seed: 3)
    let requests = (0..<1500).map { index -> EmbeddingRequest in
      let letters = Int.random(in: 0..<60, using: &random)
      let text = (0..<letters).map { _ in UInt8.random(in: 97...122, using: &random) }
      return index % 3 == 0
        ? .query(row: index, text: text) : .key(document: 0, segment: Int32(index), text: text)
    }
    func embed(threads: Int) throws -> [[Float]] {
      let embedder = RequestEmbedder(retriever, threads: threads)
      var order: [EmbeddingRequest] = []
      var vectors: [[Float]] = []
      let emit = { (request: EmbeddingRequest, vector: [Float]) in
        order.append(request)
        vectors.append(vector)
      }
      for request in requests { try embedder.append(request, emit) }
      try embedder.finish(emit)
      XCTAssertEqual(order, requests)
      return vectors
    }
    let one = try embed(threads: 1)
    XCTAssertEqual(one, try embed(threads: 2))
    XCTAssertEqual(one, try embed(threads: 3))
    for (request, vector) in zip(requests, one) {
      let norm = vector.reduce(0) { $0 + Double($1) * Double($1) }
      if case .query(_, let text) = request, text.isEmpty {
        XCTAssertEqual(norm, 0)
      } else {
        XCTAssertEqual(norm, 1, accuracy: 1e-6)
      }
    }
  }

  func testEmbedderWithoutRequests() throws {
    let embedder = RequestEmbedder(try Retriever(folder: folder), threads: 2)
    for _ in 0..<2 { try embedder.finish { _, _ in XCTFail("a vector out of nothing") } }
  }
}
