import Evaluation
import Safetensors
import XCTest

/// Hand-made results.
enum Samples {
  static let model = SystemLabel.Identity(name: "tiny", digest: "aaaabbbbccccdddd0000")

  static func memory(
    _ selection: MemoryLabel.Selection, _ query: MemoryLabel.Query = .previous
  ) -> MemoryLabel {
    MemoryLabel(
      planDigest: "\(selection)-\(query)-plan", selection: selection, query: query,
      queryTokens: 1024, blockTokens: 1024, topK: 8, memoryTokens: 32768, eviction: "counter",
      reset: "document", seed: 3)
  }

  /// Two documents: (3 tokens, nll 3) and (one token of nll 2, one at position 1024 of nll 4), all
  /// moved by `shift` a token.
  static func result(
    adapter: String? = nil, memory: MemoryLabel? = nil, shift: Double = 0,
    dataSet: String? = nil, chunks: String = "0123456789abcdef", provenance: JSONValue = .null
  ) throws -> LanguageModelResult {
    var sums = LanguageModelAccumulator()
    sums.addChunk(document: 7, tokens: 4, text: "a b".utf8)
    for position in 1...3 { sums.add(document: 7, position: position, nll: 1 + shift) }
    sums.addChunk(document: 7, tokens: 0, text: " c".utf8)
    sums.addChunk(document: 9, tokens: 1025, text: "dé f".utf8)
    sums.add(document: 9, position: 1, nll: 2 + shift)
    sums.add(document: 9, position: 1024, nll: 4 + 2 * shift)
    return try LanguageModelResult(
      toolVersion: "0.1.0",
      system: SystemLabel(
        model: model, adapter: adapter.map { .init(name: $0, digest: "\($0)-digest") },
        memory: memory),
      dataSet: dataSet, chunksDigest: chunks, documents: sums.documents, seconds: 2.5,
      provenance: provenance)
  }

  /// base off, and trained off, random, retrieved by both queries.
  static func entries() throws -> [Report.Entry] {
    let step: JSONValue = [
      "tool": "ml-chunk", "version": "0.1.0", "arguments": ["--field", "the text"],
      "inputs": ["feedfacefeedface"],
    ]
    let systems: [(String, String?, MemoryLabel?, Double)] = [
      ("e.json", "stage2", memory(.nearest, .current), -0.25),
      ("d.json", "stage2", memory(.nearest), -0.125),
      ("c.json", "stage2", memory(.random), 0.125),
      ("b.json", "stage2", nil, 0),
      ("a.json", nil, nil, 0),
    ]
    return try systems.map { name, adapter, memory, shift in
      Report.Entry(
        name: name,
        result: try result(
          adapter: adapter, memory: memory, shift: shift, provenance: .array([step])))
    }
  }
}

/// The one line an expression's error says.
func message<Value>(_ body: () throws -> Value) -> String? {
  do {
    _ = try body()
    return nil
  } catch {
    return "\(error)"
  }
}
