import Evaluation
import ToolSupport

/// Asks a model the items of a task, setting after setting.
struct InContextAnswering {
  let task: InContextTask
  let train: [LabelledText]
  let items: [LabelledText]
  let session: RecallSession
  let beginInMemory: Bool
  /// Tokens read so far.
  private(set) var tokens = 0

  init(
    task: InContextTask, train: [LabelledText], items: [LabelledText], session: RecallSession,
    beginInMemory: Bool
  ) {
    self.task = task
    self.train = train
    self.items = items
    self.session = session
    self.beginInMemory = beginInMemory
  }

  /// Every setting under every seed.
  mutating func runs(
    shots: [Int], memoryShots: [Int], seeds: [Int], progress: Progress
  ) throws -> [InContextRun] {
    var runs: [InContextRun] = []
    for shots in shots {
      for memoryShots in memoryShots {
        for seed in seeds {
          if shots == 0, memoryShots == 0, var same = runs.first(where: { $0.isUndrawn }) {
            // Nothing was drawn, so no seed can change it.
            same.seed = seed
            runs.append(same)
            continue
          }
          let done = runs.count * items.count
          runs.append(
            try run(shots: shots, memoryShots: memoryShots, seed: seed) {
              progress.update(done + $0)
            })
        }
      }
    }
    progress.finish()
    return runs
  }

  private mutating func run(
    shots: Int, memoryShots: Int, seed: Int, progress: (Int) -> Void
  ) throws -> InContextRun {
    var draws = DemonstrationDraws(
      population: train.count, shots: shots, memory: memoryShots, seed: UInt64(seed))
    let demonstrations = text(of: draws.shots)
    var run = InContextRun(shots: shots, memoryShots: memoryShots, seed: seed)
    for (number, item) in items.enumerated() {
      let memory = text(of: draws.nextMemory())
      let prompt = demonstrations + task.template.question(item.text)
      try ask(prompt, memory: memory, item: number, &run)
      progress(number + 1)
    }
    return run
  }

  private mutating func ask(
    _ prompt: String, memory: String, item: Int, _ run: inout InContextRun
  ) throws {
    let ids = session.encode(prompt)
    let labels = session.continuations(task.labels.map { " " + $0 }, of: prompt, ids)
    guard labels.allSatisfy({ !$0.isEmpty }) else {
      throw ToolError("test item \(item + 1): a label has no tokens after the prompt")
    }
    let document = memory.isEmpty ? (beginInMemory ? session.begin : []) : session.encode(memory)
    try session.read(
      document, query: .current, prompt: ids, goesOn: false,
      continuation: labels.map(\.count).max() ?? 1,
      seed: UInt64(run.seed) << 32 | UInt64(item))
    run.predictions.append(session.text([session.reader.mostLikely]))
    run.logLikelihoods.append(session.reader.logLikelihoods(of: labels))
    tokens += document.count + ids.count
  }

  private func text(of draws: [Int]) -> String {
    draws.map { task.template.demonstration(train[$0].text, label: task.labels[train[$0].label]) }
      .joined()
  }
}

extension InContextRun {
  fileprivate var isUndrawn: Bool { shots == 0 && memoryShots == 0 }
}
