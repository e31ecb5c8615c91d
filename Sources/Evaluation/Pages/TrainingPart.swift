import Safetensors

/// The steps of a training run, from the log of `ml-train`.
public struct TrainingLog: Equatable, Sendable {
  public struct Step: Equatable, Sendable {
    public var step: Int
    public var loss: Double
    public var learningRate: Double
    public var gradientNorm: Double
    /// Read since the run began, this step's included.
    public var tokens: Int
  }

  public let steps: [Step]

  /// nil for what is no log: its first line is not a step.
  ///
  /// - Throws: ``ResultError`` naming the line that is wrong.
  init?(_ contents: [UInt8]) throws {
    let lines = contents.split(separator: 0x0A, omittingEmptySubsequences: true)
    guard let first = lines.first, let json = try? JSONValue(parsing: first),
      json["step"] != nil, json["loss"] != nil
    else { return nil }
    steps = try lines.enumerated().map { index, line in
      do {
        let fields = try FieldReader(try JSONValue(parsing: line), at: "step")
        return Step(
          step: try fields.integer("step"), loss: try fields.number("loss"),
          learningRate: try fields.number("learning_rate"),
          gradientNorm: try fields.number("gradient_norm"), tokens: try fields.integer("tokens"))
      } catch {
        throw ResultError("line \(index + 1): \(error)")
      }
    }
  }
}

func trainingPart(_ logs: [(name: String, log: TrainingLog)], stem: String?) -> ReportPart {
  let rows = logs.map { name, log in
    let losses = log.steps.map(\.loss)
    let span = max(1, losses.count / 10)
    let mean = { (part: ArraySlice<Double>) in part.reduce(0, +) / Double(part.count) }
    return [
      markdownText(name), grouped(log.steps.count),
      grouped(log.steps.last?.tokens ?? 0),
      fixed(mean(losses.prefix(span)), 4), fixed(mean(losses.suffix(span)), 4),
    ]
  }
  var part = ReportPart(
    markdown: "# Training\n\n"
      + markdownTable(
        ["log", "steps", "tokens", "loss, first tenth", "loss, last tenth"], rows, firstNumber: 1))
  let curves: [(String, String, (TrainingLog.Step) -> Double)] = [
    ("loss", "Training loss (nats per token)", \.loss),
    ("learning-rate", "Learning rate", \.learningRate),
    ("gradient-norm", "Gradient norm before clipping", \.gradientNorm),
  ]
  for (file, title, value) in curves {
    let chart = CurveChart(
      title: title, xTitle: "optimiser step",
      series: logs.map { name, log in
        .init(label: name, points: log.steps.map { (Double($0.step), value($0)) })
      }, isLinear: file == "learning-rate")
    part.add(chart.svg, stem: stem, file, title)
  }
  return part
}
