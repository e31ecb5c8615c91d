import Embedding
import Foundation
import Safetensors
import TestSupport
import Weights
import XCTest

/// The random encoder of the fixture `bert-tiny` or `xlmr-tiny`, its padded batch and what is
/// expected of it.
struct TinyBERT {
  let tensors: Tensors
  let weights: [String: StoredTensor]
  let configuration: EncoderConfiguration
  /// The token ids of each text, without padding.
  let texts: [[Int32]]
  private let paddedLength: Int

  var lengths: [Int] { texts.map(\.count) }

  init(_ name: String = "bert-tiny") throws {
    tensors = try Tensors(fixture: "\(name)/tensors.safetensors")
    configuration = try EncoderConfiguration(fixtureJSON("\(name)/config.json"))
    let file = try MappedSafetensors(path: fixture("\(name)/weights.safetensors"))
    weights = Dictionary(
      uniqueKeysWithValues: try file.entries.map { ($0.name, try file.tensor($0.name)) })
    let ids = try tensors.integers("input_ids")
    let padded = try tensors.shape("input_ids")[1]
    paddedLength = padded
    let lengths = try XCTUnwrap(fixtureJSON("\(name)/case.json")["lengths"]?.arrayValue)
    texts = lengths.compactMap(\.intValue).enumerated().map { row, length in
      ids[row * padded..<row * padded + length].map { Int32($0) }
    }
  }

  /// The rows of a padded tensor [texts, paddedLength, H] that hold tokens.
  func unpadded(_ name: String) throws -> [Float] {
    let (all, width) = (try tensors.floats(name), configuration.hiddenSize)
    return lengths.enumerated().flatMap { row, length in
      all[row * paddedLength * width..<(row * paddedLength + length) * width]
    }
  }
}

extension XCTestCase {
  /// The one-line message of an error that must be thrown.
  func message(_ body: () throws -> Void) -> String {
    do {
      try body()
      XCTFail("no error")
      return ""
    } catch {
      XCTAssertFalse("\(error)".contains("\n"), "more than one line: \(error)")
      return "\(error)"
    }
  }
}

func writeText(_ text: String, to path: String) throws {
  try Data(text.utf8).write(to: URL(fileURLWithPath: path))
}

/// Makes a retriever's folder around the model of `bert-tiny`: a vocabulary of letters, the first
/// token's vector.
func writeTinyRetriever(_ folder: String) throws {
  let manager = FileManager.default
  try manager.createDirectory(atPath: folder + "/1_Pooling", withIntermediateDirectories: true)
  for (file, copy) in [
    ("config.json", "config.json"), ("weights.safetensors", "model.safetensors"),
  ] {
    try manager.copyItem(atPath: fixture("bert-tiny/\(file)"), toPath: "\(folder)/\(copy)")
  }
  let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
  let letters = "abcdefghijklmnopqrstuvwxyz".map { String($0) }
  let vocabulary = special + letters + letters.map { "##" + $0 }
  try writeText(vocabulary.joined(separator: "\n") + "\n", to: folder + "/vocab.txt")
  try writeText(
    """
    [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
     {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]
    """, to: folder + "/modules.json")
  try writeText(#"{"pooling_mode_cls_token": true}"#, to: folder + "/1_Pooling/config.json")
}

/// Makes a retriever's folder as bge-m3's from the fixture `xlmr-bin`, random weights of torch.
func writeTinyXLMRoberta(_ folder: String) throws {
  let manager = FileManager.default
  try manager.copyItem(atPath: fixture("xlmr-bin"), toPath: folder)
  try manager.copyItem(
    atPath: fixture("sentencepiece-unigram/unigram.model"),
    toPath: folder + "/sentencepiece.bpe.model")
}

/// Replaces the letters of `writeTinyRetriever` by the words of llm-embedder's instructions for
/// long-range language modelling, and few letters: `:` is 5, the words 6…19.
func writeWordVocabulary(_ folder: String) throws {
  let words =
    "[PAD] [UNK] [CLS] [SEP] [MASK] : embed this text chunk for finding useful historical chunks "
    + "retrieval a b ##a ##b"
  try writeText(words.replacing(" ", with: "\n") + "\n", to: folder + "/vocab.txt")
}
