import Embedding
import Kernels
import Safetensors
import Weights
import XCTest

final class BERTEncoderTests: XCTestCase {
  private struct Tiny {
    let fixture = Fixture("bert-tiny")
    let configuration: EncoderConfiguration
    let lengths: [Int]
    let texts: [[Int32]]
    let paddedLength: Int

    init() throws {
      configuration = try EncoderConfiguration(fixture.json("config.json"))
      lengths = try fixture.json("case.json")["lengths"]!.arrayValue!.map { $0.intValue! }
      let ids = try fixture.integers("input_ids")
      let padded = ids.count / lengths.count
      paddedLength = padded
      texts = lengths.enumerated().map { row, length in
        ids[row * padded..<row * padded + length].map { Int32($0) }
      }
    }

    /// The rows of a padded tensor [texts, paddedLength, H] that hold tokens.
    func unpadded(_ name: String) throws -> [Float] {
      let (all, h) = (try fixture.floats(name), configuration.hiddenSize)
      return lengths.enumerated().flatMap { row, length in
        all[row * paddedLength * h..<(row * paddedLength + length) * h]
      }
    }
  }

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

  func testTinyModelEqualsTheReference() throws {
    let tiny = try Tiny()
    let encoder = try BERTEncoder(
      configuration: tiny.configuration, tensors: tiny.fixture.weights())
    let embedded = hidden(encoder, tiny.texts, layers: 0)
    XCTAssertLessThan(maximumDifference(embedded, try tiny.unpadded("embedding_output")), 5e-6)
    let last = hidden(encoder, tiny.texts)
    XCTAssertLessThan(maximumDifference(last, try tiny.unpadded("last_hidden_state")), 5e-6)
    for (pooling, name) in [(Pooling.cls, "cls_normalized"), (.mean, "mean_normalized")] {
      let vectors = pooling.vectors(
        last, lengths: tiny.lengths, width: tiny.configuration.hiddenSize)
      XCTAssertLessThan(maximumDifference(vectors, try tiny.fixture.floats(name)), 2e-6, name)
    }
  }

  /// Texts of a batch do not see each other, and an empty text takes no row.
  func testPackedTextsEqualSingleOnes() throws {
    let tiny = try Tiny()
    let encoder = try BERTEncoder(
      configuration: tiny.configuration, tensors: tiny.fixture.weights())
    let packed = hidden(encoder, tiny.texts)
    let single = tiny.texts.flatMap { hidden(encoder, [$0]) }
    XCTAssertLessThan(maximumDifference(packed, single), 2e-6)
    XCTAssertEqual(hidden(encoder, [[], tiny.texts[0], []]), hidden(encoder, [tiny.texts[0]]))
    XCTAssertEqual(hidden(encoder, []), [])
  }

  /// A batch of more rows than a tile, in a workspace that was used for less before.
  func testManyTextsInAUsedWorkspace() throws {
    let tiny = try Tiny()
    let encoder = try BERTEncoder(
      configuration: tiny.configuration, tensors: tiny.fixture.weights())
    let texts = (0..<80).map { tiny.texts[$0 % 4] }
    let workspace = EncoderWorkspace(tiny.configuration)
    _ = hidden(encoder, [tiny.texts[3]], workspace: workspace)
    let many = hidden(encoder, texts, workspace: workspace)
    let single = tiny.texts.flatMap { hidden(encoder, [$0]) }
    let expected = (0..<20).flatMap { _ in single }
    XCTAssertLessThan(maximumDifference(many, expected), 2e-6)
  }

  func testPrefixesAndOldNamesAreFound() throws {
    let tiny = try Tiny()
    let weights = try tiny.fixture.weights()
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
    let tiny = try Tiny()
    let weights = try tiny.fixture.weights()
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
    let config = try XCTUnwrap(Tiny().fixture.json("config.json").objectValue)
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
      "config.json: model_type \"roberta\" is not supported, only \"bert\"")
    XCTAssertEqual(
      parse("model_type", nil), "config.json: model_type null is not supported, only \"bert\"")
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
    var old = config
    old["position_embedding_type"] = nil
    XCTAssertNoThrow(try EncoderConfiguration(.object(old)))
  }

  func testMiniLMLayersEqualTheReference() throws {
    let model = try ModelFiles.open(path: miniLMFolder())
    let fixture = Fixture("minilm")
    let encoder = try BERTEncoder(
      configuration: EncoderConfiguration(model.configuration), tensors: model.tensors)
    let ids = try fixture.integers("probe_ids").map { Int32($0) }
    for (layers, name) in [
      (0, "probe_embedding_output"), (1, "probe_layer0_out"), (nil, "probe_last_hidden"),
    ] {
      let difference = maximumDifference(
        hidden(encoder, [ids], layers: layers), try fixture.floats(name))
      XCTAssertLessThan(difference, 1e-5, name)
      print("\(name): max|d| \(difference)")
    }
  }
}
