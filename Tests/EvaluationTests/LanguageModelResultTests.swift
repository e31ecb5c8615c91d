import Evaluation
import Foundation
import Safetensors
import XCTest

final class LanguageModelResultTests: XCTestCase {
  func testSumsByHand() throws {
    let result = try Samples.result()
    XCTAssertEqual(result.tokens, 1029)
    XCTAssertEqual(result.scoredTokens, 5)
    XCTAssertEqual(result.words, 5)
    XCTAssertEqual(result.bytes, 10)
    XCTAssertEqual(result.overall.mean, 1.8)
    XCTAssertEqual(result.overall.perplexity, 6.0496474644, accuracy: 1e-9)
    XCTAssertEqual(result.wordPerplexity, 6.0496474644, accuracy: 1e-9)
    XCTAssertEqual(result.bytePerplexity, 2.4596031112, accuracy: 1e-9)
    XCTAssertEqual(result.bitsPerByte, 1.2984255368, accuracy: 1e-9)
    XCTAssertEqual(result.overall.kind, .documents)
    XCTAssertEqual(result.overall.interval, Interval(lower: 1, upper: 3))
    XCTAssertEqual(result.tokensPerSecond, 411.6)
    XCTAssertEqual(result.documents.map(\.document), [7, 9])
    XCTAssertEqual(result.documents[1].segmentTokens, [1, 1])

    XCTAssertEqual(result.buckets.map(\.bucket.label), ["0–1k", "1–2k"])
    XCTAssertEqual(result.buckets.map(\.estimate.mean), [1.25, 4])
    XCTAssertEqual(result.buckets[1].estimate.kind, .segments)
    XCTAssertNil(result.buckets[1].estimate.interval)
  }

  func testBucketEdges() throws {
    var sums = LanguageModelAccumulator()
    let edges = [0, 1, 2, 4, 8, 16, 32, 64, 80].map { $0 * 1024 }
    for edge in edges { sums.add(document: 0, position: edge, nll: 1) }
    for edge in edges.dropFirst() { sums.add(document: 0, position: edge - 1, nll: 2) }
    sums.add(document: 0, position: 1_000_000, nll: 3)
    let result = try LanguageModelResult(
      toolVersion: "1", system: SystemLabel(model: Samples.model), chunksDigest: "",
      documents: sums.documents)
    XCTAssertEqual(
      result.buckets.map(\.bucket.label),
      ["0–1k", "1–2k", "2–4k", "4–8k", "8–16k", "16–32k", "32–64k", "64–80k", "80k+"])
    XCTAssertEqual(result.buckets.map(\.estimate.mean), Array(repeating: 1.5, count: 8) + [2])
    XCTAssertEqual(result.overall.kind, .segments)
    XCTAssertNotNil(result.overall.interval)
  }

  func testDocumentsMayInterleave() throws {
    var sums = LanguageModelAccumulator()
    for position in 0..<2048 {
      sums.add(document: 5, position: position, nll: 1)
      sums.add(document: -2, position: position, nll: 3)
    }
    XCTAssertEqual(sums.scoredTokens, 4096)
    XCTAssertEqual(sums.documents.map(\.document), [5, -2])
    XCTAssertEqual(sums.documents.map(\.segmentNLL), [[1024, 1024], [3072, 3072]])
  }

  func testRefusesNothingAndNotFinite() {
    func make(_ documents: [DocumentScore]) throws -> LanguageModelResult {
      try LanguageModelResult(
        toolVersion: "1", system: SystemLabel(model: Samples.model), chunksDigest: "",
        documents: documents)
    }
    XCTAssertEqual(message { try make([]) }, "no token was scored")
    XCTAssertEqual(message { try make([DocumentScore(document: 1)]) }, "no token was scored")
    var sums = LanguageModelAccumulator()
    sums.add(document: 4, position: 3000, nll: .nan)
    XCTAssertEqual(
      message { try make(sums.documents) },
      "document 4, tokens from 2048: negative log-likelihood is not finite")
  }

  func testJSONRoundTrip() throws {
    var beyondContext = Samples.memory(.nearest)
    (beyondContext.recentChunks, beyondContext.contextTokens) = (4, 2048)
    for memory in [
      nil, Samples.memory(.random), Samples.memory(.nearest, .current), beyondContext,
    ] {
      let result = try Samples.result(
        adapter: memory == nil ? nil : "ad", memory: memory, shift: 0.1 + 0.2,
        provenance: [["tool": "ml-chunk"]])
      for text in [result.json.encoded, result.json.prettyEncoded] {
        let back = try LanguageModelResult(json: JSONValue(parsing: text.utf8))
        XCTAssertEqual(back, result)
        XCTAssertEqual(back.json.encoded, result.json.encoded)
      }
    }
  }

  func testOverflowingPerplexityIsNull() throws {
    var sums = LanguageModelAccumulator()
    sums.add(document: 0, position: 0, nll: 1e5)
    let result = try LanguageModelResult(
      toolVersion: "1", system: SystemLabel(model: Samples.model), chunksDigest: "",
      documents: sums.documents)
    let json = try JSONValue(parsing: result.json.encoded.utf8)
    XCTAssertEqual(json["perplexity"], .null)
    XCTAssertEqual(json["word_perplexity"], .null)
    XCTAssertEqual(try LanguageModelResult(json: json), result)
    _ = try Report([.init(name: "a", result: result)]).figure()
  }

  func testMalformedJSON() throws {
    let good = try Samples.result(adapter: "ad", memory: Samples.memory(.nearest)).json.encoded
    let cases: [(String, String, String)] = [
      (#""schema_version":1"#, #""schema_version":2"#, "expected memlong/lm-result version 1, "),
      (#""chunks_digest":"#, #""chunk_digest":"#, "chunks_digest is missing"),
      (#""chunks_digest":""#, #""chunks_digest":7,"x":""#, "chunks_digest: expected a string"),
      (#""resamples":1000"#, #""resamples":1e9"#, "bootstrap.resamples: expected a whole number"),
      (#""resamples":1000"#, #""resamples":0"#, "bootstrap.resamples: expected a whole number"),
      (#""level":0.95"#, #""level":1"#, "bootstrap.level: expected a number between 0 and 1"),
      (#""select":"nearest""#, #""select":"near\nest""#, "system.plan.select: unknown value near "),
      (#""memory":"retrieved""#, #""memory":"off""#, "system.memory: off, but its plan says"),
      (#""document":9"#, #""document":7"#, "documents: a document appears twice"),
      (#""words":3"#, #""words":-3"#, "documents[0].words: expected a whole number from 0"),
      (#""scored_tokens":[3]"#, #""scored_tokens":[3,1]"#, "documents[0].segments: 2 counts but 1"),
      (#""scored_tokens":[3]"#, #""scored_tokens":[1025]"#, "documents[0].segments.scored_t"),
      (#""scored_tokens":[3]"#, #""scored_tokens":[2]"#, "mean_nll 1.8 of 5 tokens, but its doc"),
      (#""nll":[3.0]"#, #""nll":["3"]"#, "documents[0].segments.nll[0]: expected a number"),
      (#""nll":[3.0]"#, #""nll":[1e308]"#, "mean_nll 1.8 of 5 tokens, but its documents' sums"),
      (#""nll":[2.0,4.0]"#, #""nll":[2.0,4.5]"#, "mean_nll 1.8 of 5 tokens, but its documents'"),
    ]
    for (old, new, expected) in cases {
      XCTAssert(good.contains(old), "\(old) is not in \(good)")
      let bad = good.replacingOccurrences(of: old, with: new)
      let said = message { try LanguageModelResult(json: JSONValue(parsing: bad.utf8)) }
      XCTAssertEqual(said?.hasPrefix(expected), true, "\(new): \(said ?? "no error")")
      XCTAssertEqual(said?.contains("\n"), false)
    }
    XCTAssertEqual(message { try LanguageModelResult(json: [1]) }, "results: expected an object")
    XCTAssertEqual(message { try LanguageModelResult(json: [:]) }, "schema is missing")
  }

  func testPairedDifference() throws {
    let base = try Samples.result()
    let moved = try Samples.result(memory: Samples.memory(.recent), shift: -0.5)
    let difference = try XCTUnwrap(moved.difference(from: base))
    // Documents move by -0.5 (3 tokens) and -0.75 (2 tokens): 6 of 10 sums, and those ends.
    XCTAssertEqual(difference.mean, -0.6)
    XCTAssertEqual(difference.interval, Interval(lower: -0.75, upper: -0.5))
    let bucket = try XCTUnwrap(moved.difference(from: base, in: PositionBucket.all[1]))
    XCTAssertEqual(bucket.mean, -1)
    XCTAssertNil(bucket.interval)
    XCTAssertNil(moved.difference(from: base, in: PositionBucket.all[4]))
  }
}
