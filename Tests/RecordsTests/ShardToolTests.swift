import Foundation
import Records
import ShardIO
import TestSupport
import XCTest

/// `ml-shard` from outside: outputs, errors, exit codes, signals.
final class ShardToolTests: XCTestCase {
  private func withShards(_ body: (String) throws -> Void) throws {
    try withTemporaryFolder { folder in
      try write(Samples.chunkShard(Samples.chunks(13)), to: "\(folder)/chunks.mls")
      try write(Samples.embeddingShard(3), to: "\(folder)/embeddings.mls")
      try write(Samples.planShard(Samples.planRows(4), chunkRows: 9), to: "\(folder)/plan.mls")
      try write(Samples.scoreShard(Samples.scoreRows(2)), to: "\(folder)/scores.mls")
      let states = Samples.stateParameters(layers: [2])
      try write(
        Samples.stateShard(Samples.stateRows(2, states), states), to: "\(folder)/states.mls")
      try body(folder)
    }
  }

  private func run(_ arguments: String..., stdin: [UInt8] = []) throws -> ToolResult {
    try runTool("ml-shard", arguments, stdin: stdin)
  }

  private func shell(_ script: String, in folder: String) throws -> ToolResult {
    let tool = try toolPath("ml-shard")
    return try runProgram(
      "bash", ["-c", script], environment: ["ml": tool], currentFolder: folder)
  }

  func testViewPrintsEveryKind() throws {
    try withShards { folder in
      let chunks = try run("head", "-n", "2", "\(folder)/chunks.mls")
      XCTAssertEqual(chunks.status, 0, chunks.standardError)
      let lines = chunks.text.split(separator: "\n")
      XCTAssertEqual(lines.count, 2)
      let opening = #"{"row":1,"document":0,"ordinal":1,"segment":0,"source":"wîki","tokens":["#
      XCTAssert(lines[1].hasPrefix(opening), "\(lines[1])")
      XCTAssert(lines[1].hasSuffix(#"],"text":"chunk ü 1"}"#))
      XCTAssertEqual(
        try run("view", "\(folder)/embeddings.mls").text,
        """
        {"row":0,"document":0,"segment":0,"key":[0.0,0.0,0.0],"query":[0.0,0.0,0.0]}
        {"row":1,"document":0,"segment":0,"key":[1.0,1.0,1.0]}
        {"row":2,"document":0,"segment":1,"key":[2.0,2.0,2.0],"query":[-2.0,-2.0,-2.0]}

        """)
      XCTAssertEqual(
        try run("view", "\(folder)/plan.mls").text.split(separator: "\n")[2],
        #"{"row":4,"live":4,"neighbours":[0,2],"scores":[0.0,0.25],"evicted":[2,3]}"#)
      XCTAssertEqual(
        try run("view", "\(folder)/scores.mls").text,
        """
        {"row":0,"offset":0,"nll":0.0,"scored":false}
        {"row":0,"offset":1,"nll":0.33333334,"scored":true}

        """)
      XCTAssertEqual(
        try run("view", "\(folder)/states.mls").text,
        """
        {"row":0,"tokens":1,"hidden":[[0.0,0.25]],"keys":[[[0.5,0.75,1.0]]],"values":[[[0.0,0.25,0.5]]]}
        {"row":1,"tokens":2,"hidden":[[0.25,0.5],[0.75,1.0]]}

        """)
    }
  }

  func testPipesAndFilesAgree() throws {
    try withShards { folder in
      let bytes = try readBytes("\(folder)/chunks.mls")
      XCTAssertEqual(
        try run("view", stdin: bytes).output, try run("view", "\(folder)/chunks.mls").output)
      XCTAssertEqual(try run("view", "-", stdin: bytes).status, 0)
    }
  }

  func testStat() throws {
    try withShards { folder in
      let text = try run("stat", "\(folder)/plan.mls").text
      for part in ["kind        plan", "rows        4", "parameter   top_k = 3"] {
        XCTAssert(text.contains(part), text)
      }
      let json = try run("stat", "--json", "\(folder)/plan.mls").text
      XCTAssert(json.contains(#""kind":"plan""#) && json.contains(#""provenance":[null]"#), json)
    }
  }

  func testCheck() throws {
    try withShards { folder in
      let good = try run("check", "\(folder)/chunks.mls", "\(folder)/plan.mls")
      XCTAssertEqual([good.status, Int32(good.output.count)], [0, 0])
      XCTAssertEqual(good.standardError, "")
      let bytes = try readBytes("\(folder)/chunks.mls")
      var damaged = bytes
      damaged[60] ^= 0x10
      try write(damaged, to: "\(folder)/damaged.mls")
      try write(Array(bytes.dropLast(48)), to: "\(folder)/short.mls")
      let bad = try run(
        "check", "\(folder)/damaged.mls", "\(folder)/chunks.mls", "\(folder)/short.mls",
        "\(folder)/none.mls")
      XCTAssertEqual(bad.status, 1)
      let lines = bad.standardError.split(separator: "\n")
      XCTAssertEqual(lines.count, 3)
      XCTAssert(lines[0].hasPrefix("ml-shard: \(folder)/damaged.mls: block 0 (row 0): "))
      XCTAssertEqual(
        lines[1], "ml-shard: \(folder)/short.mls: block 1 (row 13): truncated: END is missing")
      XCTAssertEqual(lines[2], "ml-shard: \(folder)/none.mls: No such file or directory")
    }
  }

  func testCat() throws {
    try withShards { folder in
      let bytes = try readBytes("\(folder)/chunks.mls")
      let joined = try run("cat", "\(folder)/chunks.mls", "-", stdin: bytes)
      XCTAssertEqual(joined.output, bytes + bytes)
      let mixed = try run("cat", "\(folder)/chunks.mls", "\(folder)/plan.mls")
      XCTAssertEqual(mixed.status, 1)
      XCTAssertEqual(mixed.output, [])
      XCTAssertEqual(
        mixed.standardError,
        "ml-shard: \(folder)/plan.mls holds plan, \(folder)/chunks.mls holds chunks\n")
      var other = Samples.parameters
      other.segmentTokens = 4
      try write(Samples.chunkShard([], parameters: other), to: "\(folder)/other.mls")
      let refused = try run(
        "cat", "\(folder)/chunks.mls", "\(folder)/other.mls", "-o", "\(folder)/out.mls")
      XCTAssertEqual(refused.status, 1)
      XCTAssert(refused.standardError.contains("segment_tokens 4"), refused.standardError)
      XCTAssertFalse(FileManager.default.fileExists(atPath: "\(folder)/out.mls"))
      let piped = try shell(
        """
        "$ml" cat <(cat chunks.mls) <(cat chunks.mls) | cmp - <(cat chunks.mls chunks.mls)
        """, in: folder)
      XCTAssertEqual(piped.status, 0, piped.standardError)
    }
  }

  func testUsageErrorsEndWith64() throws {
    for arguments in [
      [], ["look"], ["view", "--no-such"], ["head", "-n", "-1"], ["head", "-n", "x"],
    ] {
      let result = try runTool("ml-shard", arguments)
      XCTAssertEqual(result.status, 64, "\(arguments)")
      XCTAssertEqual(result.standardError.split(separator: "\n").count, 1, result.standardError)
      XCTAssert(result.standardError.hasPrefix("ml-shard: "))
    }
    let help = try run("--help")
    XCTAssertEqual(help.status, 0)
    XCTAssert(help.text.contains("Examples:") && help.text.contains("Exit status"))
    XCTAssertEqual(try run("--version").status, 0)
  }

  func testFullOutputsFail() throws {
    try withShards { folder in
      for script in [
        "\"$ml\" view chunks.mls > /dev/full", "\"$ml\" cat chunks.mls > /dev/full",
        "\"$ml\" cat chunks.mls -o /dev/full", "\"$ml\" --help > /dev/full",
      ] {
        let result = try shell(script, in: folder)
        XCTAssertEqual(result.status, 1, script)
        XCTAssert(result.standardError.contains("No space left"), result.standardError)
      }
      let result = try shell("\"$ml\" cat chunks.mls -o none/out.mls", in: folder)
      XCTAssertEqual(result.status, 1)
      XCTAssertEqual(
        result.standardError, "ml-shard: none/out.mls: No such file or directory\n")
    }
  }

  func testClosedDescriptorsAreErrors() throws {
    try withShards { folder in
      for (script, message) in [
        ("\"$ml\" cat chunks.mls >&-", "standard output"), ("\"$ml\" check <&-", "standard input"),
      ] {
        let result = try shell(script, in: folder)
        XCTAssertEqual(result.status, 1, script)
        XCTAssertEqual(result.standardError, "ml-shard: \(message): Bad file descriptor\n")
      }
      let result = try shell(
        "\"$ml\" check plan.mls none 2>&-; \"$ml\" cat plan.mls -v -o out 2>&- && cmp out plan.mls",
        in: folder)
      XCTAssertEqual(result.status, 0)
    }
  }

  func testAClosedPipeEndsQuietly() throws {
    try withTemporaryFolder { folder in
      try write(Samples.chunkShard(Samples.chunks(20_000)), to: "\(folder)/chunks.mls")
      for trap in ["", "trap '' PIPE; "] {
        let result = try shell(
          "\(trap)\"$ml\" view chunks.mls | head -n 1 > /dev/null; exit ${PIPESTATUS[0]}",
          in: folder)
        XCTAssertEqual(result.status, 141, trap)
        XCTAssertEqual(result.standardError, "")
      }
    }
  }

  func testSignalsLeaveNothingBehind() throws {
    try withShards { folder in
      for (name, status) in [("TERM", Int32(143)), ("INT", 130)] {
        // monitor mode, so that a background command does not ignore INT
        let result = try shell(
          """
          set -m
          mkfifo in; exec 3<>in; cat chunks.mls >&3
          "$ml" cat -o out.mls < in 3>&- & job=$!
          for i in $(seq 100); do ls -A | grep -q tmp && break; sleep 0.02; done
          ls -A | grep -q tmp || exit 99
          kill -\(name) $job; wait $job; status=$?
          rm in; ls -A; exit $status
          """, in: folder)
        XCTAssertEqual(result.status, status, result.standardError)
        XCTAssertEqual(
          result.text, "chunks.mls\nembeddings.mls\nplan.mls\nscores.mls\nstates.mls\n")
      }
    }
  }

  func testOutputsReplaceWhatIsThere() throws {
    try withShards { folder in
      let result = try shell(
        """
        echo old > real; ln -s real link; chmod 600 real
        "$ml" cat chunks.mls -o link && test -L link && cmp chunks.mls real && stat -c %a real
        ls -A | grep tmp; "$ml" cat plan.mls -o . ; test $? = 1
        """, in: folder)
      XCTAssertEqual(result.status, 0, result.standardError)
      XCTAssertEqual(result.text, "600\n")
      XCTAssertEqual(result.standardError, "ml-shard: .: Is a directory\n")
    }
  }
}
