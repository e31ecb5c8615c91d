import Modeling

/// Where a run stands between two optimiser steps, besides its tensors.
///
/// Random numbers are counted, not drawn: a mask depends on the seed, the micro-step and the lane. So
/// this, the tensors, the data and the options determine everything that follows, bit for bit.
public struct TrainingState: Sendable {
  /// Where one lane stands.
  public struct Lane: Sendable {
    /// The row of the lane's next segment; nil before its first.
    public var nextRow: Int?
    public var isDone: Bool
    public var memory: [MemoryBank.Entry]
    /// The most chunks that its bank has held.
    public var peakChunks: Int
    /// Nil where segments are read alone.
    public var context: LaneContext.State?

    public init(
      nextRow: Int?, isDone: Bool, memory: [MemoryBank.Entry], peakChunks: Int,
      context: LaneContext.State? = nil
    ) {
      self.nextRow = nextRow
      self.isDone = isDone
      self.memory = memory
      self.peakChunks = peakChunks
      self.context = context
    }
  }

  /// Optimiser steps taken.
  public var step: Int
  public var microStep: Int
  public var tokens: Int
  public var lanes: [Lane]

  public init(step: Int, microStep: Int, tokens: Int, lanes: [Lane]) {
    self.step = step
    self.microStep = microStep
    self.tokens = tokens
    self.lanes = lanes
  }
}

/// A tensor that training changes, in place: read it to save it, overwrite it to restore it.
public struct StateTensor: Sendable {
  /// `parameter.`, `adam.first.` or `adam.second.`, then the parameter's name.
  public var name: String
  public var shape: [Int]
  public var values: FloatBuffer
}

extension Trainer {
  /// What `restore` needs. The chunks are shared with the bank, not copied, and so are the keys and values
  /// of a context, which are this state's only until the next step.
  public var state: TrainingState {
    TrainingState(
      step: optimizer.step, microStep: microStep, tokens: tokens,
      lanes: lanes.map { lane in
        TrainingState.Lane(
          nextRow: lane.nextRow, isDone: lane.isDone, memory: lane.memory.bank.entries,
          peakChunks: lane.memory.bank.peakChunks, context: lane.context?.state)
      })
  }

  /// The trained parameters and the optimiser's moments, in a fixed order.
  public var stateTensors: [StateTensor] {
    zip(optimizer.parameters, optimizer.moments).flatMap { parameter, moments in
      [
        ("parameter.", parameter.value), ("adam.first.", moments.first),
        ("adam.second.", moments.second),
      ].map { StateTensor(name: $0.0 + parameter.name, shape: parameter.shape, values: $0.1) }
    }
  }

  /// Goes on from `state`, once `stateTensors` hold what they held then. The sources must stand at
  /// each lane's `nextRow`.
  ///
  /// - Throws: `ModelError` when the state is of a run with another number of lanes or another context.
  public func restore(_ state: TrainingState) throws {
    guard state.lanes.count == lanes.count else {
      throw ModelError("a state of \(state.lanes.count) lanes, where the run has \(lanes.count)")
    }
    optimizer.restore(step: state.step)
    microStep = state.microStep
    tokens = state.tokens
    for (index, lane) in state.lanes.enumerated() {
      lanes[index].nextRow = lane.nextRow
      lanes[index].isDone = lane.isDone
      lanes[index].memory = LaneMemory(
        plan: lanes[index].memory.plan,
        bank: MemoryBank(entries: lane.memory, peakChunks: lane.peakChunks))
      guard lanes[index].context != nil else { continue }
      guard let context = lane.context else { throw ModelError("a state without a context") }
      try lanes[index].context?.restore(context)
    }
  }
}
