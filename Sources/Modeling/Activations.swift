import Kernels

/// The intermediate results of one layer over a segment of at most `tokens` tokens.
///
/// A training pass keeps one set a layer that a gradient reaches; every other layer shares one.
final class Activations {
  let input: FloatBuffer  // (T, d)
  let normedInput: FloatBuffer  // (T, d)
  let inputInverse: FloatBuffer  // (T)
  let query: FloatBuffer  // (T, H·hd), rotated
  let key: FloatBuffer  // (T, Hkv·hd), rotated
  let value: FloatBuffer  // (T, Hkv·hd)
  let logSumExp: FloatBuffer  // (H, T)
  let attention: FloatBuffer  // (T, H·hd)
  let middle: FloatBuffer  // (T, d), the residual stream between attention and MLP
  let normedMiddle: FloatBuffer  // (T, d)
  let middleInverse: FloatBuffer  // (T)
  let gate: FloatBuffer  // (T, f)
  let up: FloatBuffer  // (T, f)

  init(_ c: LlamaConfiguration, tokens: Int) {
    func buffer(_ width: Int) -> FloatBuffer { FloatBuffer(count: tokens * width) }
    input = buffer(c.hiddenSize)
    normedInput = buffer(c.hiddenSize)
    inputInverse = buffer(1)
    query = buffer(c.queryWidth)
    key = buffer(c.keyValueWidth)
    value = buffer(c.keyValueWidth)
    logSumExp = buffer(c.queryHeads)
    attention = buffer(c.queryWidth)
    middle = buffer(c.hiddenSize)
    normedMiddle = buffer(c.hiddenSize)
    middleInverse = buffer(1)
    gate = buffer(c.intermediateSize)
    up = buffer(c.intermediateSize)
  }
}

/// Gradients of one layer's intermediate results, shared by all layers, and the residual's.
final class GradientBuffers {
  let residual: FloatBuffer  // (T, d)
  let normed: FloatBuffer  // (T, d)
  let attention: FloatBuffer  // (T, H·hd)
  let query: FloatBuffer  // (T, H·hd)
  let key: FloatBuffer  // (T, Hkv·hd)
  let value: FloatBuffer  // (T, Hkv·hd)
  let activation: FloatBuffer  // (T, f)
  let gate: FloatBuffer  // (T, f)
  let up: FloatBuffer  // (T, f)

  init(_ c: LlamaConfiguration, tokens: Int) {
    func buffer(_ width: Int) -> FloatBuffer { FloatBuffer(count: tokens * width) }
    residual = buffer(c.hiddenSize)
    normed = buffer(c.hiddenSize)
    attention = buffer(c.queryWidth)
    query = buffer(c.queryWidth)
    key = buffer(c.keyValueWidth)
    value = buffer(c.keyValueWidth)
    activation = buffer(c.intermediateSize)
    gate = buffer(c.intermediateSize)
    up = buffer(c.intermediateSize)
  }
}
