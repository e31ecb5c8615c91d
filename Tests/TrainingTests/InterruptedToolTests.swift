import Foundation
import Safetensors
import TestSupport
import XCTest

/// `ml-train` killed, stopped and resumed, as a cluster does it.
final class InterruptedToolTests: XCTestCase {
  /// `kill -9` at random moments until that many have struck, over as many runs as it takes. More by
  /// hand: MEMLONG_KILLS=50.
  func testKilledAtRandomMoments() throws {
    let environment = ProcessInfo.processInfo.environment
    let kills = environment["MEMLONG_KILLS"].flatMap { Int($0) } ?? 10
    try withTemporaryFolder { folder in
      let tiny = try TinyTraining(folder: folder, documents: [60, 45, 30])
      func arguments(_ name: String, _ more: [String] = []) -> [String] {
        tiny.arguments(name, ["--log", "\(folder)/\(name).jsonl", "--lanes", "2"] + more)
      }
      let start = Date()
      let whole = try runTool("ml-train", arguments("whole"))
      let duration = Date().timeIntervalSince(start)
      XCTAssertEqual(whole.status, 0, whole.standardError)
      let every = arguments("killed", ["--checkpoint-every", "3", "--resume"])
      var random = SplitMix64(seed: 11)
      var struck: [String] = []
      while struck.count < kills {
        // At the start, in a step, in a checkpoint, at the end; then from the last checkpoint on.
        while true {
          let delay = Double(random.next() % 1000) / 1000 * duration
          let status = try kill("ml-train", every, after: delay, by: SIGKILL)
          if status == 0 { break }
          XCTAssertEqual(status, 128 + SIGKILL)
          struck.append(position(folder))
        }
        XCTAssert(try tiny.adapter("killed") == tiny.adapter("whole"))
        XCTAssertEqual(try tiny.log("killed.jsonl"), try tiny.log("whole.jsonl"))
        let leftovers = try FileManager.default.subpathsOfDirectory(atPath: folder)
        XCTAssertEqual(leftovers.filter { $0.hasSuffix(".tmp") }, [])
        for name in ["killed", "killed.checkpoints", "killed.jsonl"] {
          try FileManager.default.removeItem(atPath: "\(folder)/\(name)")
        }
      }
      print("killed at line/checkpoint/temporaries: \(struck.joined(separator: " "))")
    }
  }

  /// Where a kill struck: lines of the log, the newest checkpoint, temporaries left behind.
  private func position(_ folder: String) -> String {
    let lines = (try? readBytes(folder + "/killed.jsonl").filter { $0 == 0x0a }.count) ?? 0
    let names = (try? FileManager.default.subpathsOfDirectory(atPath: folder)) ?? []
    let newest = names.compactMap { name -> Int? in
      name.hasPrefix("killed.checkpoints/checkpoint-")
        ? Int(name.split(separator: "-").last ?? "") : nil
    }.max()
    let left = names.filter { $0.hasSuffix(".tmp") }.count
    return "\(lines)/\(newest.map(String.init) ?? "-")/\(left)"
  }

  func testStoppedByTermThenResumed() throws {
    for (signal, more) in [(SIGTERM, []), (SIGUSR1, ["--context", "80", "--sinks", "4"])] {
      try withTemporaryFolder { folder in
        let tiny = try TinyTraining(folder: folder, documents: [60, 40])
        let whole = try runTool("ml-train", tiny.arguments("whole", more))
        XCTAssertEqual(whole.status, 0, whole.standardError)
        let log = folder + "/log.jsonl"
        let arguments = tiny.arguments("stopped", ["--log", log, "--resume"] + more)
        var stops = 0
        while true {
          let status = try kill("ml-train", arguments, whenGrown: log, by: signal)
          if status == 0 { break }
          XCTAssertEqual(status, 75)
          stops += 1
        }
        XCTAssertGreaterThan(stops, 0)
        XCTAssert(try tiny.adapter("stopped") == tiny.adapter("whole"))
        XCTAssertEqual(try tiny.log("log.jsonl").count, 100)
      }
    }
  }

  /// Killed at random moments, from checkpoints that hold a context.
  func testKilledBesideAContext() throws {
    try withTemporaryFolder { folder in
      let tiny = try TinyTraining(folder: folder, documents: [60, 45, 30])
      let context = ["--lanes", "2", "--context", "80", "--sinks", "4"]
      let start = Date()
      let whole = try runTool("ml-train", tiny.arguments("whole", context))
      let duration = Date().timeIntervalSince(start)
      XCTAssertEqual(whole.status, 0, whole.standardError)
      let every = tiny.arguments("killed", context + ["--checkpoint-every", "3", "--resume"])
      var random = SplitMix64(seed: 12)
      for _ in 0..<3 {
        let delay = Double(300 + random.next() % 500) / 1000 * duration
        _ = try kill("ml-train", every, after: delay, by: SIGKILL)
      }
      XCTAssertEqual(try runTool("ml-train", every).status, 0)
      XCTAssert(try tiny.adapter("killed") == tiny.adapter("whole"))
      // Another context is another run.
      for (other, named) in [
        (["--context", "90", "--sinks", "4"], "context.tokens is 80 there and 90 here"),
        (["--context", "80", "--sinks", "3"], "context.sinks is 4 there and 3 here"),
        (["--context", "none"], "context.sinks is 4 there and absent here"),
      ] {
        let lanes = ["--lanes", "2", "--checkpoint-every", "3", "--resume"]
        let refused = try runTool("ml-train", tiny.arguments("killed", lanes + other))
        XCTAssertEqual(refused.status, 1)
        XCTAssert(refused.standardError.contains(named), refused.standardError)
      }
    }
  }

  func testThreadsDoNotMatter() throws {
    try withTemporaryFolder { folder in
      let tiny = try TinyTraining(folder: folder, documents: [6, 5])
      for threads in ["1", "2", "3"] {
        let options = ["--threads", threads, "--lanes", "2", "--log", folder + "/\(threads).jsonl"]
        let result = try runTool("ml-train", tiny.arguments(threads, options))
        XCTAssertEqual(result.status, 0, result.standardError)
      }
      XCTAssert(try tiny.adapter("2") == tiny.adapter("1"))
      XCTAssert(try tiny.adapter("3") == tiny.adapter("1"))
      XCTAssertEqual(try tiny.log("2.jsonl"), try tiny.log("1.jsonl"))
    }
  }

  func testLanesWithoutDocumentsAreNone() throws {
    try withTemporaryFolder { folder in
      let tiny = try TinyTraining(folder: folder, documents: [4, 3])
      for lanes in ["2", "1024"] {
        // The provenance names the lanes that were asked for.
        let result = try runTool(
          "ml-train", tiny.arguments(lanes, ["--lanes", lanes, "--no-provenance"]))
        XCTAssertEqual(result.status, 0, result.standardError)
      }
      XCTAssert(try tiny.adapter("1024") == tiny.adapter("2"))
    }
  }

  func testOtherRunsAreRefused() throws {
    try withTemporaryFolder { folder in
      let tiny = try TinyTraining(folder: folder, documents: [6, 5])
      let every = ["--checkpoint-every", "2", "--resume"]
      XCTAssertEqual(try runTool("ml-train", tiny.arguments("a", every)).status, 0)
      let rate = try runTool("ml-train", tiny.arguments("a", every + ["--learning-rate", "1e-3"]))
      XCTAssertEqual(rate.status, 1)
      XCTAssert(
        rate.standardError.contains("schedule.peak is 0.01 there and 0.001 here"),
        rate.standardError)
      let other = try TinyTraining(folder: folder + "/other", documents: [6, 5], seed: 9)
      for input in ["model", "plan", "chunks"] {
        var arguments = tiny.arguments("a", every)
        if input == "model" {
          arguments[3] = other.model
        } else {
          arguments[5] = other.plan
          arguments[arguments.count - 1] = other.chunks
        }
        let result = try runTool("ml-train", arguments)
        XCTAssertEqual(result.status, 1)
        let expected = input == "plan" ? "chunks" : input
        XCTAssert(result.standardError.contains("\(expected) is "), result.standardError)
      }
    }
  }

  func testADamagedCheckpointIsPassedOver() throws {
    try withTemporaryFolder { folder in
      let tiny = try TinyTraining(folder: folder, documents: [8])
      let every = tiny.arguments("a", ["--checkpoint-every", "2", "--keep", "3", "--resume"])
      XCTAssertEqual(try runTool("ml-train", every).status, 0)
      let whole = try tiny.adapter("a")
      let checkpoints = folder + "/a.checkpoints"
      XCTAssertEqual(
        try FileManager.default.contentsOfDirectory(atPath: checkpoints).sorted(),
        ["checkpoint-2", "checkpoint-4", "checkpoint-6"])
      let file = checkpoints + "/checkpoint-6/training.safetensors"
      var bytes = try readBytes(file)
      bytes[bytes.count - 100] ^= 1
      try write(bytes, to: file)
      let result = try runTool("ml-train", every)
      XCTAssertEqual(result.status, 0, result.standardError)
      XCTAssert(result.standardError.contains("checkpoint-6: training.safetensors is not the file"))
      XCTAssert(result.standardError.contains("going on from \(checkpoints)/checkpoint-4"))
      XCTAssert(try tiny.adapter("a") == whole)
    }
  }

  func testARunThatCannotFitIsRefused() throws {
    try withTemporaryFolder { folder in
      let tiny = try TinyTraining(folder: folder, documents: [2])
      let fits = try runTool("ml-train", tiny.arguments("a"))
      XCTAssert(fits.standardError.contains(" MB of memory: "), fits.standardError);
      // The shape is known before the weights are read.
      let config = tiny.model + "/config.json"
      let text = String(decoding: try readBytes(config), as: UTF8.self)
      let large = text.replacingOccurrences(
        of: "\"intermediate_size\":48", with: "\"intermediate_size\":1048576"
      )
      .replacingOccurrences(of: "\"hidden_size\":32", with: "\"head_dim\":8,\"hidden_size\":65536")
      XCTAssertNotEqual(large, text)
      try write(Array(large.utf8), to: config)
      let weights = ["--weights", "expanded"]
      let refused = try runTool("ml-train", tiny.arguments("b", weights))
      XCTAssertEqual(refused.status, 1)
      XCTAssert(
        refused.standardError.contains("ml-train: the run needs about 3300.7 GB"),
        refused.standardError)
      XCTAssert(refused.standardError.contains(" left (--ignore-memory-estimate"))
      let forced = try runTool(
        "ml-train", tiny.arguments("b", weights + ["--ignore-memory-estimate"]))
      XCTAssertEqual(forced.status, 1)
      XCTAssert(forced.standardError.contains("has shape"), forced.standardError)
    }
  }

  /// Starts a tool and sends it a signal after `delay` seconds, or once `file` has grown by a few
  /// lines; its exit status, 128 + n where signal n ended it.
  private func kill(
    _ tool: String, _ arguments: [String], after delay: Double? = nil,
    whenGrown file: String? = nil, by signal: Int32
  ) throws -> Int32 {
    func size() -> Int { file.flatMap { try? readBytes($0).count } ?? 0 }
    let before = size()
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try toolPath(tool))
    process.arguments = arguments + ["-q"]
    process.standardInput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    if let delay {
      usleep(UInt32(delay * 1e6))
    } else {
      while process.isRunning, size() < before + 2000 { usleep(1000) }
    }
    if process.isRunning { Foundation.kill(process.processIdentifier, signal) }
    process.waitUntilExit()
    return process.terminationStatus + (process.terminationReason == .uncaughtSignal ? 128 : 0)
  }
}
