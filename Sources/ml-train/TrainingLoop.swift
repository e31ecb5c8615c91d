import ModelSupport
import Modeling
import Safetensors
import ToolSupport
import Training

/// Steps, with what is written on the way: log, events, checkpoints.
struct TrainingLoop {
  let trainer: Trainer
  let identity: RunIdentity
  let settings: TrainingOptions
  let arguments: CheckpointArguments
  let options: CommonOptions
  let store: CheckpointStore
  /// Whether the trainer stands at a checkpoint.
  let isResumed: Bool
  let totalTokens: Int

  /// Trains to the end.
  ///
  /// - Throws: `ToolError` with exit code 75 after a checkpoint that a signal asked for.
  func run() throws {
    let first = (step: trainer.steps, tokens: trainer.tokens)
    let log = try arguments.log.map {
      try StepLog($0, keepingThrough: isResumed ? first.step : nil)
    }
    let events = try arguments.tensorboard.map {
      try EventFile(folder: $0, purging: isResumed ? first.step + 1 : nil)
    }
    let progress = Progress(
      "tokens", total: totalTokens, from: first.tokens, quiet: options.quiet)
    let start = monotonicSeconds()
    StopRequest.catchSignals()
    while trainer.steps < settings.schedule.totalSteps, let report = try trainer.step() {
      guard report.loss.isFinite, report.gradientNorm.isFinite else {
        throw ToolError("step \(report.step): the loss is \(report.loss); training diverged")
      }
      progress.update(report.tokens, note: "loss \(decimal(report.loss, 3))")
      options.detail("step \(report.step): loss \(decimal(report.loss, 4))")
      let rate = Double(report.tokens - first.tokens) / max(monotonicSeconds() - start, 1e-9)
      try log?.write(report, tokensPerSecond: rate)
      try events?.write(step: report.step, report.scalars(tokensPerSecond: rate))
      try saveIfDue(report.step, log)
    }
    progress.finish()
    try log?.sync()
  }

  private func saveIfDue(_ step: Int, _ log: StepLog?) throws {
    let isLast = step >= settings.schedule.totalSteps
    let isStop = StopRequest.isRequested && !isLast
    let isDue = arguments.checkpointEvery.map { step % $0 == 0 && !isLast } ?? false
    guard isStop || isDue else { return }
    try log?.sync()
    try save()
    guard isStop else { return }
    throw ToolError.stopped(
      "stopped on request after step \(step) of \(settings.schedule.totalSteps); "
        + "--resume goes on from \(CheckpointStore.path(step, in: store.folder))")
  }

  private func save() throws {
    let state = trainer.state
    var json = CheckpointCoding.json(state, seed: settings.seed)
    json["run"] = identity.json
    json["tool"] = .string("ml-train \(toolVersion)")
    var files = [
      (CheckpointCoding.trainingFile, CheckpointCoding.tensors(trainer.stateTensors)),
      (
        CheckpointCoding.memoryFile,
        CheckpointCoding.tensors(state.lanes, layout: BankLayout(trainer.decoder))
      ),
    ]
    if settings.context != nil {
      files.append(
        (
          CheckpointCoding.contextFile,
          CheckpointCoding.contexts(state.lanes, layout: ContextLayout(trainer.decoder))
        ))
    }
    try store.write(step: state.step, state: json, files: files, keep: arguments.keep)
  }
}
