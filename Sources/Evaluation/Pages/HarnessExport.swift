import Safetensors

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Results in the shape of lm-evaluation-harness 0.4: `results_*.json` and `samples_*.jsonl`, for tools
/// that read those. Names of metrics are the harness's; no dates, so that the same results give the
/// same files. The texts of items are not copied: samples name them by their number.
public enum HarnessExport {
  public struct File: Sendable {
    public var name: String
    public var contents: String
  }

  /// The files for one result; none for logs and plans.
  public static func files(for input: ReportInput) -> [File] {
    switch input {
    case .languageModel(let entry): languageModel(entry)
    case .inContext(let name, let result): inContext(stem(name), result)
    case .needle(let name, let result): needle(stem(name), result)
    case .training, .plan: []
    }
  }

  /// A file's base name without `.json`, of characters that are safe in one.
  private static func stem(_ name: String) -> String {
    let base = name.hasSuffix(".json") ? String(name.dropLast(5)) : name
    let safe = base.unicodeScalars.map { scalar -> Character in
      let isPlain = scalar.isASCII && (scalar.properties.isAlphabetic || scalar.value < 0x3A)
      return isPlain && scalar.value >= 0x30 || "-_.".unicodeScalars.contains(scalar)
        ? Character(scalar) : "_"
    }
    return safe.isEmpty ? "result" : String(String(safe).prefix(100))
  }

  /// One task's numbers and what the harness says beside them.
  private struct Task {
    var name: String
    var metrics: [String: JSONValue]
    var shots: Int
    var samples: Int
    var higherIsBetter: [String: JSONValue]
    var configuration: [String: JSONValue] = [:]
    var lines: [JSONValue] = []
  }

  private static func export(
    _ stem: String, _ tasks: [Task], model: SystemLabel.Identity, adapter: SystemLabel.Identity?,
    source: JSONValue
  ) -> [File] {
    func table(_ value: (Task) -> JSONValue) -> JSONValue {
      .object(Dictionary(tasks.map { ($0.name, value($0)) }) { first, _ in first })
    }
    var arguments = "pretrained=\(model.name)"
    if let adapter { arguments += ",peft=\(adapter.name)" }
    let results: JSONValue = .object([
      "results": table {
        .object($0.metrics.merging(["alias": .string($0.name)]) { own, _ in own })
      },
      "group_subtasks": table { _ in .array([]) },
      "configs": table {
        .object(
          $0.configuration.merging([
            "task": .string($0.name), "num_fewshot": .integer(Int64($0.shots)),
          ]) {
            own, _ in own
          })
      },
      "versions": table { _ in 1 }, "n-shot": table { .integer(Int64($0.shots)) },
      "higher_is_better": table { .object($0.higherIsBetter) },
      "n-samples": table {
        let count = JSONValue.integer(Int64($0.samples))
        return ["original": count, "effective": count]
      },
      "config": [
        "model": "memlong", "model_args": .string(arguments), "batch_size": 1,
        "model_digest": .string(model.digest),
        "adapter_digest": adapter.map { .string($0.digest) } ?? .null,
      ],
      "git_hash": .null, "memlong": source,
    ])
    return [File(name: "results_\(stem).json", contents: results.prettyEncoded)]
      + tasks.map { task in
        File(
          name: "samples_\(task.name)_\(stem).jsonl",
          contents: task.lines.map { $0.encoded + "\n" }.joined())
      }
  }

  private static func languageModel(_ entry: Report.Entry) -> [File] {
    let result = entry.result
    let lower: [String: JSONValue] = [
      "word_perplexity": false, "byte_perplexity": false, "bits_per_byte": false,
    ]
    let lines = result.documents.enumerated().map { index, document -> JSONValue in
      let logLikelihood = JSONValue.number(-document.total.sum)
      let words: JSONValue = [logLikelihood, .integer(Int64(document.words))]
      let bytes: JSONValue = [logLikelihood, .integer(Int64(document.bytes))]
      return [
        "doc_id": .integer(Int64(index)), "doc": ["document": .integer(Int64(document.document))],
        "target": "", "arguments": [], "resps": [[logLikelihood]],
        "filtered_resps": [logLikelihood], "word_perplexity": words, "byte_perplexity": bytes,
        "bits_per_byte": bytes,
      ]
    }
    let task = Task(
      name: "memlong_lm_\(result.protocolName)",
      metrics: [
        "word_perplexity,none": number(result.wordPerplexity),
        "byte_perplexity,none": number(result.bytePerplexity),
        "bits_per_byte,none": number(result.bitsPerByte),
      ], shots: 0, samples: result.documents.count, higherIsBetter: lower,
      configuration: ["output_type": "loglikelihood_rolling"], lines: lines)
    return export(
      stem((result.dataSet.map { "\($0)_" } ?? "") + entry.name), [task],
      model: result.system.model, adapter: result.system.adapter,
      source: [
        "chunks_digest": .string(result.chunksDigest), "provenance": result.provenance,
      ])
  }

  private static func inContext(_ stem: String, _ result: InContextResult) -> [File] {
    let tasks = result.runs.map { run in
      let likely = result.correct(run, .likelihood)
      let begins = result.correct(run, .prefix)
      let lines = result.targets.enumerated().map { item, target -> JSONValue in
        let scores: [JSONValue] = run.logLikelihoods[item].map { [.number($0), false] }
        return [
          "doc_id": .integer(Int64(item)),
          "doc": ["item": .integer(Int64(result.drawn?[item] ?? item))],
          "target": .integer(Int64(target)), "arguments": [],
          "resps": .array(scores.map { [$0] }), "filtered_resps": .array(scores),
          "prediction": .string(run.predictions[item]), "acc": likely[item] ? 1.0 : 0.0,
          "prefix_acc": begins[item] ? 1.0 : 0.0,
        ]
      }
      return Task(
        name: "\(result.task.rawValue)_\(run.shots)shot_\(run.memoryShots)memory_seed\(run.seed)",
        metrics: share("acc", likely).merging(share("prefix_acc", begins)) { own, _ in own },
        shots: run.shots, samples: result.targets.count,
        higherIsBetter: ["acc": true, "prefix_acc": true],
        configuration: [
          "output_type": "multiple_choice", "doc_to_text": .string(result.task.template.text),
          "doc_to_choice": .array(result.task.labels.map { .string($0) }),
          "metadata": [
            "memory_demonstrations": .integer(Int64(run.memoryShots)),
            "seed": .integer(Int64(run.seed)),
          ],
        ], lines: lines)
    }
    return export(
      stem, tasks, model: result.model, adapter: result.adapter,
      source: [
        "memory": result.memory?.json ?? .null, "test_digest": .string(result.test.digest),
        "provenance": result.provenance,
      ])
  }

  private static func needle(_ stem: String, _ result: NeedleResult) -> [File] {
    let tasks = result.lengths.map { length in
      let answers = result.answers.filter { $0.length == length }
      let lines = answers.enumerated().map { index, answer -> JSONValue in
        [
          "doc_id": .integer(Int64(index)),
          "doc": ["depth": .number(answer.depth), "trial": .integer(Int64(answer.trial))],
          "target": .string(answer.key), "arguments": [], "resps": [[.string(answer.answer)]],
          "filtered_resps": [.string(answer.answer)],
          "exact_match": answer.isCorrect ? 1.0 : 0.0,
        ]
      }
      return Task(
        name: "\(result.task.rawValue)_\(length)",
        metrics: share("exact_match", answers.map(\.isCorrect)), shots: 0, samples: answers.count,
        higherIsBetter: ["exact_match": true], configuration: ["output_type": "generate_until"],
        lines: lines)
    }
    return export(
      stem, tasks, model: result.model, adapter: result.adapter,
      source: ["memory": result.memory?.json ?? .null, "provenance": result.provenance])
  }

  /// A share and its standard error as the harness computes it: the sample deviation over √n.
  private static func share(_ metric: String, _ hits: [Bool]) -> [String: JSONValue] {
    let count = Double(hits.count)
    let mean = Double(hits.count { $0 }) / count
    let error = count > 1 ? (mean * (1 - mean) / (count - 1)).squareRoot() : Double.nan
    return ["\(metric),none": .number(mean), "\(metric)_stderr,none": number(error)]
  }

  /// `N/A` is what the harness writes where there is no number.
  private static func number(_ value: Double) -> JSONValue {
    value.isFinite ? .number(value) : "N/A"
  }
}
