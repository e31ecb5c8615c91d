import ArgumentParser
import Safetensors
import ShardIO
import ToolSupport

struct Stat: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Describes shards: kind, sizes, digest, parameters, provenance.",
    discussion: helpDiscussion(examples: [
      "ml-shard stat chunks.mls",
      "ml-shard stat --json plan.mls | jq .digest",
    ]))

  @OptionGroup var common: CommonOptions
  @Flag(help: "Print a JSON object a file, each on one line.") var json = false
  @Argument(help: "Shards, each described by itself.") var input: [String] = []

  func run() throws {
    let output = try OutputFile(common.output, isBinary: false)
    for path in input.isEmpty ? ["-"] : input {
      let summary = try Summary(path)
      try output.write(json ? summary.json.encoded + "\n" : summary.text)
    }
    try output.commit()
  }
}

/// What `stat` says of one shard.
private struct Summary {
  let path: String
  var kind = ""
  var streams = 0
  var blocks = 0
  var rows = 0
  var bytes = 0
  var tensorBytes = 0
  var digest = ""
  /// Per stream.
  var parameters: [[String: String]] = []
  var provenance: [Provenance?] = []

  init(_ path: String) throws {
    self.path = path
    let source = TeeSource(try InputFile(path))
    let reader = ShardReader(source: source)
    while let block = try reader.next() {
      if block.index == 0 {
        parameters.append(block.parameters)
        provenance.append(block.provenance)
      }
      blocks += 1
      rows += block.rows
      tensorBytes += block.tensors.values.reduce(0) { $0 + $1.byteCount }
    }
    kind = reader.kind ?? ""
    streams = reader.streams
    bytes = source.count
    digest = reader.digest.description
  }

  private var ratio: Double { Double(tensorBytes) / Double(max(bytes, 1)) }

  var json: JSONValue {
    .object([
      "path": .string(path), "kind": .string(kind), "streams": .integer(Int64(streams)),
      "blocks": .integer(Int64(blocks)), "rows": .integer(Int64(rows)),
      "bytes": .integer(Int64(bytes)), "tensor_bytes": .integer(Int64(tensorBytes)),
      "ratio": .number(ratio), "digest": .string(digest),
      "parameters": .array(
        parameters.map { .object($0.mapValues { .string($0) }) }),
      "provenance": .array(
        provenance.map { entries in
          entries.flatMap { try? JSONValue(parsing: $0.encoded) } ?? .null
        }),
    ])
  }

  var text: String {
    var lines = [
      "path        \(path)", "kind        \(kind)", "streams     \(streams)",
      "blocks      \(blocks)", "rows        \(rows)",
      "bytes       \(bytes) (\(tensorBytes) of tensors, ratio \(decimal(ratio, 2)))",
      "digest      \(digest)",
    ]
    for stream in 0..<streams {
      let heading = streams > 1 ? "stream \(stream): " : ""
      for (key, value) in parameters[stream].sorted(by: { $0.key < $1.key }) {
        lines.append("parameter   \(heading)\(key) = \(value)")
      }
      for entry in provenance[stream] ?? [] {
        let command = ([entry.tool] + entry.arguments).joined(separator: " ")
        lines.append("provenance  \(heading)\(entry.version) \(command)")
        for input in entry.inputs { lines.append("            \(heading)input \(input)") }
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }
}
