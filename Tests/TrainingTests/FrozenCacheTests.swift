import Foundation
import Safetensors
import TestSupport
import XCTest

/// `ml-train --cache-frozen`, the tool as it stands.
final class FrozenCacheTests: XCTestCase {
  private func stageTwo(
    _ tiny: TinyTraining, _ output: String, cache: String? = "cache", _ more: [String] = []
  ) -> [String] {
    let option = cache.map { ["--cache-frozen", "\(tiny.folder)/\($0)"] } ?? []
    return tiny.arguments(
      output, ["--stage", "2", "--retrieval-layers", "1-3", "--gate"] + option + more)
  }

  private func train(
    _ tiny: TinyTraining, _ output: String, cache: String? = "cache", _ more: [String] = []
  ) throws -> [String: [UInt8]] {
    let result = try runTool("ml-train", stageTwo(tiny, output, cache: cache, more))
    XCTAssertEqual(result.status, 0, result.standardError)
    return try tiny.adapter(output)
  }

  private func refusal(
    _ tiny: TinyTraining, cache: String = "cache", _ more: [String] = [],
    replacing: [Int: String] = [:]
  ) throws -> String {
    var arguments = stageTwo(tiny, "refused", cache: cache, more)
    for (index, value) in replacing {
      arguments[index < 0 ? arguments.count + index : index] = value
    }
    let result = try runTool("ml-train", arguments)
    XCTAssert([1, 64].contains(result.status), result.standardError)
    return result.standardError.split(separator: "\n").last.map(String.init) ?? ""
  }

  func testEveryRunOnACacheAgrees() throws {
    try withTemporaryFolder { folder in
      let tiny = try TinyTraining(folder: folder, documents: [9, 7, 5])
      for source in ["shared", "own"] {
        for dtype in ["bf16", "f32"] {
          let name = "\(source)-\(dtype)"
          let more = ["--memory-source", source, "--cache-dtype", dtype]
          let lanes = more + ["--lanes", "2", "--accumulation", "2"]
          let first = try train(tiny, name + "-1", cache: name, lanes)
          let again = try train(tiny, name + "-2", cache: name, lanes + ["--threads", "1"])
          XCTAssert(again == first, name)
          let without = try train(tiny, name + "-3", cache: nil, lanes)
          XCTAssertEqual(without == first, dtype == "f32", name)
          // The cache knows nothing of lanes, adapters or rates.
          let other = more + ["--lora-rank", "2", "--learning-rate", "1e-3", "--seed", "3"]
          let read = try train(tiny, name + "-4", cache: name, other)
          XCTAssert(try train(tiny, name + "-5", cache: name + "-fresh", other) == read, name)
        }
      }
      let states = try FileManager.default.contentsOfDirectory(atPath: folder + "/own-f32").sorted()
      XCTAssertEqual(states, ["cache.json", "states-000000000000.mls"])
      let shard = folder + "/shared-bf16/" + states[1]
      XCTAssertEqual(try runTool("ml-shard", ["check", shard]).status, 0)
      let view = try runTool("ml-shard", ["view", shard])
      XCTAssertEqual(view.text.split(separator: "\n").count, 21 * 4)
    }
  }

  func testResumedRunsReadTheCache() throws {
    try withTemporaryFolder { folder in
      let tiny = try TinyTraining(folder: folder, documents: [9, 7])
      let lanes = ["--lanes", "2"]
      let whole = try train(tiny, "whole", lanes)
      let every = lanes + ["--checkpoint-every", "2", "--keep", "99", "--resume"]
      XCTAssert(try train(tiny, "resumed", every) == whole)
      for step in [8, 6] {
        try FileManager.default.removeItem(
          atPath: "\(folder)/resumed.checkpoints/checkpoint-\(step)")
        XCTAssert(try train(tiny, "resumed", every) == whole)
      }
      let exact = try refusal(
        tiny, cache: "exact",
        every + [
          "--cache-dtype", "f32", "--checkpoint-dir", folder + "/resumed.checkpoints",
        ])
      XCTAssert(exact.contains("frozen states is bf16 there and absent here"), exact)
    }
  }

  func testBesideAContext() throws {
    try withTemporaryFolder { folder in
      let tiny = try TinyTraining(folder: folder, documents: [9, 7])
      let context = ["--context", "80", "--sinks", "4", "--memory-source", "own"]
      let exact = context + ["--cache-dtype", "f32", "--lanes", "2"]
      let whole = try train(tiny, "whole", cache: nil, exact)
      XCTAssert(try train(tiny, "cached", exact) == whole)
      let config = try JSONValue(parsing: XCTUnwrap(whole["config.json"]))
      XCTAssertEqual(config["context_tokens"]?.intValue, 80)
      XCTAssertEqual(config["sinks"]?.intValue, 4)
      // A checkpoint has the context of the layers that were run.
      let every = exact + ["--checkpoint-every", "2", "--keep", "99", "--resume"]
      XCTAssert(try train(tiny, "resumed", every) == whole)
      for step in [8, 6] {
        try FileManager.default.removeItem(
          atPath: "\(folder)/resumed.checkpoints/checkpoint-\(step)")
        XCTAssert(try train(tiny, "resumed", every) == whole)
      }
      let uncached = try runTool("ml-train", stageTwo(tiny, "resumed", cache: nil, every))
      XCTAssert(
        uncached.standardError.contains("frozen states is f32 there and absent here"),
        uncached.standardError)
      for (options, named) in [
        (["--context", "90"], "context.tokens is 80 there and 90 here"),
        (["--sinks", "3"], "context.sinks is 4 there and 3 here"),
        (["--context", "none", "--sinks", "0"], "context.sinks is 4 there and absent here"),
      ] {
        let found = try refusal(tiny, exact + options)
        XCTAssert(found.contains("cache is of another run: \(named)"), found)
      }
    }
  }

  func testOtherRunsAreRefused() throws {
    try withTemporaryFolder { folder in
      let tiny = try TinyTraining(folder: folder, documents: [6, 5])
      _ = try train(tiny, "a")
      let stated = try refusal(tiny, ["--adapter", folder + "/a"])
      XCTAssert(stated.contains("cache is of another run: adapter stood on is none there"), stated)
      XCTAssert(stated.contains("or name another --cache-frozen"), stated)
      for (option, value, named) in [
        ("--cache-dtype", "f32", "cache-dtype is bf16 there and f32 here"),
        ("--positions", "continual", "memory.positions is zero there and continual here"),
        ("--memory-layer", "2", "first trained layer is 2 there and 3 here"),
        ("--memory-dtype", "bf16", "memory.precision is f32 there and bf16 here"),
        ("--retrieval-layers", "2", "memory.retrievalLayers is 1 there and  here"),
        ("--mode", "lora-all", "no layer is frozen, --mode lora-all trains them all"),
        ("--train-also", "embed", "no layer is frozen, --train-also embed trains the embedding"),
      ] {
        let found = try refusal(tiny, [option, value])
        XCTAssert(found.contains(named), "\(option): \(found)")
      }
      let other = try TinyTraining(folder: folder + "/other", documents: [6, 5], seed: 9)
      let model = try refusal(tiny, replacing: [3: other.model])
      XCTAssert(model.contains("cache is of another run: model is "), model)
      let chunks = try refusal(tiny, replacing: [5: other.plan, -1: other.chunks])
      XCTAssert(chunks.contains("cache is of another run: chunks is "), chunks)
      let plan = try TinyTraining(
        folder: folder + "/plan", documents: [6, 5], seed: 1, planSeed: 4)
      let planned = try refusal(tiny, replacing: [5: plan.plan])
      XCTAssert(planned.contains("cache is of another run: plan is "), planned)
    }
  }

  func testDamagedAndUnfinishedCaches() throws {
    try withTemporaryFolder { folder in
      let tiny = try TinyTraining(folder: folder, documents: [6, 5])
      let whole = try train(tiny, "a")
      let file = folder + "/cache/states-000000000000.mls"
      let bytes = try readBytes(file)
      try write(Array(bytes.dropLast(7)), to: file)
      let truncated = try refusal(tiny)
      XCTAssert(
        truncated.contains("states-000000000000.mls: truncated, or not the file"), truncated)
      var flipped = bytes
      flipped[bytes.count / 2] ^= 1
      try write(flipped, to: file)
      let damaged = try refusal(tiny)
      XCTAssert(damaged.contains("states-000000000000.mls: block 0"), damaged)
      // Without cache.json it is no cache: what is there is a killed writer's, and is written again.
      try FileManager.default.removeItem(atPath: folder + "/cache/cache.json")
      try write([1], to: folder + "/cache/.states-000000000064.mls.77.0.tmp")
      XCTAssert(try train(tiny, "b") == whole)
      XCTAssertEqual(
        try FileManager.default.contentsOfDirectory(atPath: folder + "/cache").sorted(),
        ["cache.json", "states-000000000000.mls"])
      XCTAssert(try readBytes(file) == bytes)
    }
  }

  func testKilledWhileWriting() throws {
    try withTemporaryFolder { folder in
      let tiny = try TinyTraining(folder: folder, documents: [400, 300])
      let whole = try train(tiny, "whole", cache: "other", ["--max-steps", "4"])
      var caught = 0
      for attempt in 0..<10 {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: try toolPath("ml-train"))
        process.arguments = stageTwo(tiny, "killed", ["--max-steps", "4", "-q"])
        process.standardError = FileHandle.nullDevice
        try process.run()
        while process.isRunning, !exists(folder + "/cache") { usleep(200) }
        usleep(UInt32(attempt) * 2000)
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        process.waitUntilExit()
        caught += exists(folder + "/cache/cache.json") ? 0 : 1
        XCTAssert(try train(tiny, "after", ["--max-steps", "4"]) == whole)
        for name in ["cache", "after"] {
          try FileManager.default.removeItem(atPath: folder + "/" + name)
        }
      }
      XCTAssertGreaterThan(caught, 0)
    }
  }

  private func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
}
