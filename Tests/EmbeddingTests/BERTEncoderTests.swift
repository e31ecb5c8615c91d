import Embedding
import Kernels
import Safetensors
import TestSupport
import Weights
import XCTest

final class BERTEncoderTests: XCTestCase {
  private func hidden(
    _ encoder: BERTEncoder, _ texts: [[Int32]], layers: Int? = nil,
    workspace: EncoderWorkspace? = nil
  ) -> [Float] {
    let (tokens, h) = (Array(texts.joined()), encoder.configuration.hiddenSize)
    return encoder.forward(
      tokens: tokens, lengths: texts.map(\.count), layers: layers,
      workspace: workspace ?? EncoderWorkspace(encoder.configuration)
    ) { Array(UnsafeBufferPointer(start: $0, count: tokens.count * h)) }
  }

  func testTinyModelsEqualTheReference() throws {
    for model in ["bert-tiny", "xlmr-tiny"] {
      let tiny = try TinyBERT(model)
      let encoder = try BERTEncoder(configuration: tiny.configuration, tensors: tiny.weights)
      let embedded = hidden(encoder, tiny.texts, layers: 0)
      XCTAssertLessThan(
        maximumDifference(embedded, try tiny.unpadded("embedding_output")), 5e-6, model)
      let last = hidden(encoder, tiny.texts)
      XCTAssertLessThan(
        maximumDifference(last, try tiny.unpadded("last_hidden_state")), 5e-6, model)
      for (pooling, name) in [(Pooling.cls, "cls_normalized"), (.mean, "mean_normalized")] {
        let vectors = pooling.vectors(
          last, lengths: tiny.lengths, width: tiny.configuration.hiddenSize)
        let difference = maximumDifference(vectors, try tiny.tensors.floats(name))
        XCTAssertLessThan(difference, 2e-6, "\(model) \(name)")
      }
    }
  }

  /// XLM-RoBERTa's positions begin behind the padding's, and a padding token in a text is not
  /// counted: `create_position_ids_from_input_ids` of transformers.
  func testPaddingTokenIsNotCounted() throws {
    let tiny = try TinyBERT("xlmr-tiny")
    XCTAssertEqual(tiny.configuration.firstPosition, 2)
    XCTAssertEqual(tiny.configuration.longestText, 40)
    let encoder = try BERTEncoder(configuration: tiny.configuration, tensors: tiny.weights)
    let plain = hidden(encoder, [[0, 7, 9, 2]], layers: 0)
    let padded = hidden(encoder, [[0, 7, 1, 9, 2]], layers: 0)
    XCTAssertEqual(Array(padded[..<96] + padded[144...]), plain)
    let longest = [Int32](repeating: 5, count: 40)
    XCTAssertEqual(hidden(encoder, [longest]).count, 40 * 48)
  }

  /// Texts of a batch do not see each other, and an empty text takes no row.
  func testPackedTextsEqualSingleOnes() throws {
    let tiny = try TinyBERT()
    let encoder = try BERTEncoder(configuration: tiny.configuration, tensors: tiny.weights)
    let packed = hidden(encoder, tiny.texts)
    let single = tiny.texts.flatMap { hidden(encoder, [$0]) }
    XCTAssertLessThan(maximumDifference(packed, single), 2e-6)
    XCTAssertEqual(hidden(encoder, [[], tiny.texts[0], []]), hidden(encoder, [tiny.texts[0]]))
    XCTAssertEqual(hidden(encoder, []), [])
  }

  /// A batch of more rows than a tile, in a workspace that was used for less before.
  func testManyTextsInAUsedWorkspace() throws {
    let tiny = try TinyBERT()
    let encoder = try BERTEncoder(configuration: tiny.configuration, tensors: tiny.weights)
    let texts = (0..<80).map { tiny.texts[$0 % 4] }
    let workspace = EncoderWorkspace(tiny.configuration)
    _ = hidden(encoder, [tiny.texts[3]], workspace: workspace)
    let many = hidden(encoder, texts, workspace: workspace)
    let single = tiny.texts.flatMap { hidden(encoder, [$0]) }
    let expected = (0..<20).flatMap { _ in single }
    XCTAssertLessThan(maximumDifference(many, expected), 2e-6)
  }

  func testPrefixesAndOldNamesAreFound() throws {
    let tiny = try TinyBERT()
    let weights = tiny.weights
    let expected = hidden(
      try BERTEncoder(configuration: tiny.configuration, tensors: weights), tiny.texts)
    let renamings: [(String) -> String] = [
      { "bert." + $0 },
      { $0.hasPrefix("encoder.") ? String($0.dropFirst(8)) : $0 },
      {
        $0.replacing("LayerNorm.weight", with: "LayerNorm.gamma")
          .replacing("LayerNorm.bias", with: "LayerNorm.beta")
      },
    ]
    for rename in renamings {
      let renamed = Dictionary(uniqueKeysWithValues: weights.map { (rename($0.key), $0.value) })
      let encoder = try BERTEncoder(configuration: tiny.configuration, tensors: renamed)
      XCTAssertEqual(hidden(encoder, tiny.texts), expected)
    }
  }

  func testWrongTensorsAreNamed() throws {
    let tiny = try TinyBERT()
    let weights = tiny.weights
    func build(_ change: (inout [String: StoredTensor]) -> Void) -> String {
      message {
        var changed = weights
        change(&changed)
        _ = try BERTEncoder(configuration: tiny.configuration, tensors: changed)
      }
    }
    XCTAssertEqual(
      build { $0["encoder.layer.1.output.dense.bias"] = nil },
      "tensor encoder.layer.1.output.dense.bias is missing")
    XCTAssertEqual(
      build { $0 = [:] }, "tensor embeddings.word_embeddings.weight is missing")
    let bias = "encoder.layer.0.intermediate.dense.bias"
    XCTAssertEqual(
      build { $0[bias] = StoredTensor(name: bias, shape: [3], values: [1, 2, 3]) },
      "tensor \(bias) has shape [3], config.json needs [96]")
  }

  func testUnsupportedConfigurationsAreNamed() throws {
    let config = try XCTUnwrap(fixtureJSON("bert-tiny/config.json").objectValue)
    func parse(_ key: String, _ value: JSONValue?) -> String {
      message {
        var changed = config
        changed[key] = value
        _ = try EncoderConfiguration(.object(changed))
      }
    }
    XCTAssertEqual(
      parse("hidden_act", "relu"),
      "config.json: hidden_act \"relu\" is not supported, only \"gelu\"")
    XCTAssertEqual(
      parse("position_embedding_type", "relative_key"),
      "config.json: position_embedding_type \"relative_key\" is not supported, only \"absolute\"")
    XCTAssertEqual(
      parse("model_type", "roberta"),
      "config.json: model_type \"roberta\" is not supported, only \"bert\" and \"xlm-roberta\"")
    XCTAssertEqual(
      parse("model_type", nil),
      "config.json: model_type null is not supported, only \"bert\" and \"xlm-roberta\"")
    XCTAssertEqual(parse("is_decoder", true), "config.json: is_decoder true is not supported")
    XCTAssertEqual(
      parse("hidden_size", nil), "config.json: hidden_size is missing or not in 1…1048576")
    XCTAssertEqual(
      parse("num_attention_heads", 0),
      "config.json: num_attention_heads is missing or not in 1…1024")
    XCTAssertEqual(
      parse("num_attention_heads", 5),
      "config.json: hidden_size 48 is not a multiple of num_attention_heads 5")
    XCTAssertEqual(
      parse("layer_norm_eps", -1), "config.json: layer_norm_eps -1.0 is not in 0..<1")
    XCTAssertEqual(
      message {
        var roberta = config
        roberta["model_type"] = "xlm-roberta"
        roberta["pad_token_id"] = 38
        _ = try EncoderConfiguration(.object(roberta))
      },
      "config.json: pad_token_id 38 leaves no positions for a text (max_position_embeddings 40)")
    var old = config
    old["position_embedding_type"] = nil
    XCTAssertNoThrow(try EncoderConfiguration(.object(old)))
  }

  func testMiniLMLayersEqualTheReference() throws {
    let model = try ModelFiles.open(path: cachedModel("minilm"))
    let reference = try Tensors(fixture: "minilm/tensors.safetensors")
    let encoder = try BERTEncoder(
      configuration: EncoderConfiguration(model.configuration), tensors: model.tensors)
    let ids = try reference.integers("probe_ids").map { Int32($0) }
    for (layers, name) in [
      (0, "probe_embedding_output"), (1, "probe_layer0_out"), (nil, "probe_last_hidden"),
    ] {
      let states = hidden(encoder, [ids], layers: layers)
      XCTAssertLessThan(maximumDifference(states, try reference.floats(name)), 5e-6, name)
    }
  }
}
