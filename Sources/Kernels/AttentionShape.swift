import CKernels

/// Heads and row strides of an attention. Query head h reads key/value head
/// h / (queryHeads / keyValueHeads).
public struct AttentionShape: Sendable {
  public let queryHeads, keyValueHeads, headSize: Int
  /// Factor of the logits, before softmax.
  public let scale: Float
  /// Floats between the tokens of q, k, v, and of dq, dk, dv. Outputs and memory are dense.
  public let queryStride, keyStride, valueStride: Int

  /// The defaults: scale 1 / sqrt(headSize), dense rows.
  public init(
    queryHeads: Int, keyValueHeads: Int, headSize: Int, scale: Float? = nil,
    queryStride: Int? = nil, keyStride: Int? = nil, valueStride: Int? = nil
  ) {
    precondition(keyValueHeads > 0 && queryHeads % keyValueHeads == 0 && headSize > 0)
    self.queryHeads = queryHeads
    self.keyValueHeads = keyValueHeads
    self.headSize = headSize
    self.scale = scale ?? 1 / Float(headSize).squareRoot()
    self.queryStride = queryStride ?? queryHeads * headSize
    self.keyStride = keyStride ?? keyValueHeads * headSize
    self.valueStride = valueStride ?? keyValueHeads * headSize
  }

  var group: Int { queryHeads / keyValueHeads }
  var outStride: Int { queryHeads * headSize }
  var memoryStride: Int { keyValueHeads * headSize }
}

/// A run of queries and the memory they read: keys (rotated already) and values
/// [memoryTokens, keyValueHeads * headSize]. No memory: plain local attention.
public struct AttentionBlock: @unchecked Sendable {
  public var queries: Range<Int>
  public var memoryKeys: Floats?
  public var memoryValues: Floats?
  public var memoryTokens: Int

  public init(
    queries: Range<Int>, memoryKeys: Floats? = nil, memoryValues: Floats? = nil,
    memoryTokens: Int = 0
  ) {
    precondition(memoryTokens == 0 || memoryKeys != nil && memoryValues != nil)
    self.queries = queries
    self.memoryKeys = memoryKeys
    self.memoryValues = memoryValues
    self.memoryTokens = memoryTokens
  }
}

/// The input of an attention, forward and backward.
struct AttentionInput {
  let q, k, v: Floats
  let tokens: Int
  /// Keys before the first query's own.
  var cached = 0
  let shape: AttentionShape
  let gates: Floats?
  let causal: Bool
  /// Local keys that a query sees at most, its own among them.
  var window: Int?

  /// Local keys that some query of these rows sees: what tiles compute on.
  func visible(_ rows: Range<Int>) -> Range<Int> {
    let end = cached + (causal ? rows.upperBound : tokens)
    return first(seenBy: rows.lowerBound)..<end
  }

  /// The local keys that query `t` sees, counted from the first that its rows see.
  func seen(by t: Int, in rows: Range<Int>) -> Range<Int> {
    let visible = visible(rows)
    let end = causal ? cached + t + 1 : visible.upperBound
    return first(seenBy: t) - visible.lowerBound..<end - visible.lowerBound
  }

  private func first(seenBy t: Int) -> Int {
    window.map { max(0, cached + t + 1 - $0) } ?? 0
  }

  /// sigmoid of the head's gate, where there is one and the rows have memory.
  func gate(_ head: Int, _ rows: RowBlock) -> Float? {
    guard let gates, rows.memory.memoryTokens > 0 else { return nil }
    return Float(1 / (1 + ml_scalar_exp(-Double(gates[head]))))
  }

  /// logits[rows, M + visible] = scale q k^T over [memory ‖ local], each part times its gate.
  func logits(_ out: MutableFloats, stride: Int, rows: RowBlock, head: Int) {
    let (size, kv) = (shape.headSize, head / shape.group * shape.headSize)
    let queries = q + rows.queries.lowerBound * shape.queryStride + head * size
    let (gate, m) = (gate(head, rows), rows.memory.memoryTokens)
    if m > 0, let keys = rows.memory.memoryKeys {
      sgemm(
        rows.queries.count, m, size, alpha: shape.scale * (gate ?? 1), queries, shape.queryStride,
        keys + kv, shape.memoryStride, transposeB: true, beta: 0, out, stride)
    }
    let visible = visible(rows.queries)
    sgemm(
      rows.queries.count, visible.count, size,
      alpha: shape.scale * (gate.map { 1 - $0 } ?? 1), queries, shape.queryStride,
      k + visible.lowerBound * shape.keyStride + kv, shape.keyStride, transposeB: true, beta: 0,
      out + m, stride)
  }

  /// out[rows, headSize] = weights[rows, M + visible] values, over [memory ‖ local].
  func weighValues(
    _ out: MutableFloats, outStride: Int, weights: Floats, stride: Int, rows: RowBlock, head: Int
  ) {
    let (size, kv) = (shape.headSize, head / shape.group * shape.headSize)
    let (m, visible) = (rows.memory.memoryTokens, visible(rows.queries))
    sgemm(
      rows.queries.count, size, visible.count, alpha: 1, weights + m, stride,
      v + visible.lowerBound * shape.valueStride + kv, shape.valueStride, beta: 0, out, outStride)
    if m > 0, let values = rows.memory.memoryValues {
      sgemm(
        rows.queries.count, size, m, alpha: 1, weights, stride, values + kv, shape.memoryStride,
        beta: 1, out, outStride)
    }
  }
}

/// At most 128 consecutive queries of one block: what a tile works on.
struct RowBlock {
  static let limit = 128
  let queries: Range<Int>
  let memory: AttentionBlock

  static func split(_ blocks: [AttentionBlock], tokens: Int) -> [RowBlock] {
    var (rows, end) = ([RowBlock](), 0)
    for block in blocks {
      precondition(block.queries.lowerBound == end, "blocks must cover the tokens in order")
      for first in Swift.stride(from: end, to: block.queries.upperBound, by: limit) {
        rows.append(
          RowBlock(queries: first..<min(block.queries.upperBound, first + limit), memory: block))
      }
      end = block.queries.upperBound
    }
    precondition(end == tokens, "blocks must cover the tokens in order")
    return rows
  }

  /// Floats between rows of a buffer [queries, M + visible].
  static func stride(_ rows: [RowBlock], _ input: AttentionInput) -> Int {
    let widest = rows.map { $0.memory.memoryTokens + input.visible($0.queries).count }.max() ?? 0
    return (widest + 15) / 16 * 16 + 16  // not a multiple of the page: rows in distinct sets
  }
}
