import Kernels
import Weights

/// A BERT encoder: token ids to hidden states.
///
/// Texts of a batch stand one after another, without padding: the linear layers see one matrix of
/// all tokens, attention runs per text. A batch runs on one thread, so threads take batches and
/// never wait for each other inside a layer.
public final class BERTEncoder: Sendable {
  public let configuration: EncoderConfiguration
  private let weights: EncoderWeights

  /// - Throws: `EmbeddingError` naming a tensor that is missing or has another shape.
  public init(configuration: EncoderConfiguration, tensors: [String: StoredTensor]) throws {
    self.configuration = configuration
    weights = try EncoderWeights(configuration, tensors: tensors)
  }

  /// Rows that go through the feed-forward pair at once: [rows, I] stays in a core's cache.
  private static let rowTile = 1024

  /// Calls `body` with the hidden states [T, H] after the first `layers` layers (nil: all; 0: the
  /// embeddings).
  ///
  /// - Parameters:
  ///   - tokens: the ids of all texts, each below `vocabularySize`; T of them.
  ///   - lengths: tokens per text, their sum T, each at most `positions`.
  ///   - workspace: of the calling thread.
  public func forward<Result>(
    tokens: [Int32], lengths: [Int], layers: Int? = nil, workspace: EncoderWorkspace,
    _ body: (Floats) -> Result
  ) -> Result {
    precondition(lengths.reduce(0, +) == tokens.count)
    let count = tokens.count
    precondition(workspace.configuration == configuration)
    workspace.reserve(rows: count, tile: min(Self.rowTile, count))
    embed(tokens, lengths, workspace)
    for layer in weights.layers.prefix(layers ?? weights.layers.count) {
      project(workspace.queryKeyValue, workspace.hidden, layer.queryKeyValue, count, workspace)
      attend(lengths, workspace)
      for first in stride(from: 0, to: count, by: Self.rowTile) {
        finish(layer, rows: first..<min(first + Self.rowTile, count), workspace)
      }
    }
    return withExtendedLifetime(workspace) { body(Floats(workspace.hidden)) }
  }

  /// hidden = norm(word + type 0 + position)
  private func embed(_ tokens: [Int32], _ lengths: [Int], _ workspace: EncoderWorkspace) {
    let h = configuration.hiddenSize
    var row = workspace.hidden
    var index = 0
    for length in lengths {
      precondition(length <= configuration.positions)
      for position in 0..<length {
        let id = Int(tokens[index])
        weights.words.expand(rows: id..<id + 1, into: row)
        let place = weights.positions + position * h
        for i in 0..<h { row[i] = row[i] + weights.tokenType[i] + place[i] }
        row += h
        index += 1
      }
    }
    normalise(workspace.hidden, weights.embeddingNorm, tokens.count, workspace)
  }

  /// context = softmax(Q Kᵀ / √d) V within each text; q ‖ k ‖ v are a row's thirds.
  private func attend(_ lengths: [Int], _ workspace: EncoderWorkspace) {
    let h = configuration.hiddenSize
    let shape = AttentionShape(
      queryHeads: configuration.heads, keyValueHeads: configuration.heads,
      headSize: configuration.headSize, queryStride: 3 * h, keyStride: 3 * h, valueStride: 3 * h)
    var first = 0
    for length in lengths where length > 0 {
      let q = Floats(workspace.queryKeyValue + first * 3 * h)
      attentionForward(
        workspace.context + first * h, logSumExp: nil, q: q, k: q + h, v: q + 2 * h,
        tokens: length, shape: shape, blocks: [AttentionBlock(queries: 0..<length)],
        causal: false, workers: workspace.workers, scratch: workspace.scratch)
      first += length
    }
  }

  /// What follows attention, row by row: output projection, residual and norm, feed-forward pair,
  /// residual and norm. The residual is the matrix that the product is added to.
  private func finish(
    _ layer: EncoderWeights.Layer, rows: Range<Int>, _ workspace: EncoderWorkspace
  ) {
    let (h, count) = (configuration.hiddenSize, rows.count)
    let hidden = workspace.hidden + rows.lowerBound * h
    let context = workspace.context + rows.lowerBound * h
    project(hidden, context, layer.output, count, accumulate: true, workspace)
    normalise(hidden, layer.attentionNorm, count, workspace)
    project(workspace.wide, hidden, layer.up, count, workspace)
    geluForward(
      workspace.wide, count: count * configuration.intermediateSize, workers: workspace.workers)
    project(hidden, workspace.wide, layer.down, count, accumulate: true, workspace)
    normalise(hidden, layer.outputNorm, count, workspace)
  }

  /// Layer norm in place.
  private func normalise(
    _ x: MutableFloats, _ norm: EncoderWeights.Norm, _ count: Int, _ workspace: EncoderWorkspace
  ) {
    layerNormForward(
      x, Floats(x), norm.scale, norm.bias, tokens: count, width: configuration.hiddenSize,
      epsilon: configuration.layerNormEpsilon, workers: workspace.workers)
  }

  private func project(
    _ y: MutableFloats, _ x: MutableFloats, _ linear: EncoderWeights.Linear, _ count: Int,
    accumulate: Bool = false, _ workspace: EncoderWorkspace
  ) {
    linearForward(
      y, Floats(x), linear.weight, tokens: count, bias: linear.bias, accumulate: accumulate,
      isWhole: true, workers: workspace.workers, scratch: workspace.scratch)
  }
}
