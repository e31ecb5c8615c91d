import Foundation
import Modeling

/// What one chunk leaves in memory: by slot, keys before rotation and values, tokens × (Hkv · hd).
struct ReferenceChunk {
  var tokens: Int
  var keys: [[Double]]
  var values: [[Double]]
}

/// Queries that read one retrieved set.
struct ReferenceBlock {
  var queries: Range<Int>
  var chunks: [ReferenceChunk] = []

  var memoryTokens: Int { chunks.reduce(0) { $0 + $1.tokens } }
}

/// Of one layer, keys before rotation and values, tokens × (Hkv · hd).
struct ReferenceLayer {
  var keys: [Double] = []
  var values: [Double] = []

  /// Forgets the tokens at `places`.
  mutating func remove(_ places: Range<Int>, width: Int) {
    let numbers = places.lowerBound * width..<places.upperBound * width
    keys.removeSubrange(numbers)
    values.removeSubrange(numbers)
  }
}

/// A decoder of Llama's design with retrieval attention, in Double and plain loops: what is computed, not how.
///
/// Every query is taken alone, with its block's memory at the positions that the method gives them.
struct ReferenceDecoder {
  let configuration: LlamaConfiguration
  let memory: MemoryConfiguration?
  /// By Hugging Face name, adapters by PEFT's without prefix; `lm_head.weight` also where it is tied.
  var tensors: [String: [Double]]
  /// α / r
  var adapterScale = 1.0

  struct Output {
    /// T × vocabulary
    var logits: [Double]
    /// By slot, T × (Hkv · hd).
    var keys: [[Double]]
    var values: [[Double]]
    /// Those of every layer.
    var layers: [ReferenceLayer] = []
  }

  /// - Parameter context: of every layer, what the tokens continue; empty for nothing.
  func forward(
    _ tokens: [Int32], blocks given: [ReferenceBlock], context: [ReferenceLayer] = []
  ) -> Output {
    let c = configuration
    let blocks = given.isEmpty ? [ReferenceBlock(queries: 0..<tokens.count)] : given
    let cached = (context.first?.keys.count ?? 0) / c.keyValueWidth
    let angles = RotaryAngles(self, tokens: cached + tokens.count, blocks: blocks)
    let sources = memory?.sourceLayers ?? []
    let none = [[Double]](repeating: [], count: sources.count)
    var output = Output(logits: [], keys: none, values: none)
    let embedding = tensor("model.embed_tokens.weight")
    var x = tokens.flatMap { embedding[Int($0) * c.hiddenSize..<(Int($0) + 1) * c.hiddenSize] }
    if c.family == .gemma { x = x.map { $0 * Double(c.hiddenSize).squareRoot() } }
    for layer in 0..<c.layerCount {
      let prefix = "model.layers.\(layer)."
      let normed = norm(x, prefix + "input_layernorm.weight")
      let key = linear(normed, prefix + "self_attn.k_proj")
      let value = linear(normed, prefix + "self_attn.v_proj")
      if let slot = sources.firstIndex(of: layer) {
        (output.keys[slot], output.values[slot]) = (key, value)
      }
      output.layers.append(ReferenceLayer(keys: key, values: value))
      let before = context.isEmpty ? ReferenceLayer() : context[layer]
      let mixed = attention(
        layer, linear(normed, prefix + "self_attn.q_proj"), before.keys + key,
        before.values + value, blocks, angles)
      add(&x, linear(mixed, prefix + "self_attn.o_proj"))
      let middle = norm(x, prefix + "post_attention_layernorm.weight")
      let up = linear(middle, prefix + "mlp.up_proj")
      let gated = zip(linear(middle, prefix + "mlp.gate_proj"), up).map { bent($0) * $1 }
      add(&x, linear(gated, prefix + "mlp.down_proj"))
    }
    output.logits = linear(norm(x, "model.norm.weight"), "lm_head")
    return output
  }

  /// Σ −log p(target) over the positions with a target.
  func loss(
    _ tokens: [Int32], targets: [Int32], blocks: [ReferenceBlock], context: [ReferenceLayer] = []
  ) -> Double {
    let width = configuration.vocabularySize
    let logits = forward(tokens, blocks: blocks, context: context).logits
    var sum = 0.0
    for (position, target) in targets.enumerated() where target >= 0 {
      let row = logits[position * width..<(position + 1) * width]
      let largest = row.max() ?? 0
      let total = row.reduce(0) { $0 + exp($1 - largest) }
      sum += log(total) + largest - row[position * width + Int(target)]
    }
    return sum
  }

  /// One softmax over [memory ‖ local] a query and head; the queries are the last of the local tokens.
  private func attention(
    _ layer: Int, _ q: [Double], _ k: [Double], _ v: [Double], _ blocks: [ReferenceBlock],
    _ angles: RotaryAngles
  ) -> [Double] {
    let c = configuration
    let (size, width) = (c.headSize, c.keyValueWidth)
    let cached = k.count / width - q.count / c.queryWidth
    let slot = memory?.retrievalLayers.firstIndex(of: layer).map {
      memory?.source == .own ? $0 : 0
    }
    let gates = tensors["model.layers.\(layer).self_attn.ret_gate.output_gate"]
    var out = [Double](repeating: 0, count: q.count)
    for block in blocks {
      let memoryKeys = slot.map { slot in block.chunks.flatMap { $0.keys[slot] } } ?? []
      let memoryValues = slot.map { slot in block.chunks.flatMap { $0.values[slot] } } ?? []
      let count = memoryKeys.count / width
      let first = angles.firstLocalPosition(memoryTokens: block.memoryTokens)
      for t in block.queries {
        for head in 0..<c.queryHeads {
          let kv = head / (c.queryHeads / c.keyValueHeads) * size
          let at = t * c.queryWidth + head * size
          let query = angles.turn(q, at: at, position: first + cached + t)
          var logits = (0..<count).map { j in
            let position = memory?.positions == .continual ? j : 0
            return dot(query, angles.turn(memoryKeys, at: j * width + kv, position: position))
          }
          let nearest = max(0, cached + t + 1 - (c.window(layer: layer) ?? .max))
          logits += (nearest...cached + t).map { s in
            dot(query, angles.turn(k, at: s * width + kv, position: first + s))
          }
          let gate = gates.map { 1 / (1 + exp(-$0[head])) }
          for index in logits.indices {
            logits[index] /= Double(size).squareRoot()
            if let gate, count > 0 { logits[index] *= index < count ? gate : 1 - gate }
          }
          let largest = logits.max() ?? 0
          let weights = logits.map { exp($0 - largest) }
          let total = weights.reduce(0, +)
          for (index, weight) in weights.enumerated() {
            let from =
              index < count ? index * width + kv : (index - count + nearest) * width + kv
            for d in 0..<size {
              let value = index < count ? memoryValues[from + d] : v[from + d]
              out[at + d] += weight / total * value
            }
          }
        }
      }
    }
    return out
  }

  /// The activation of the MLP's gate.
  private func bent(_ x: Double) -> Double {
    switch configuration.activation {
    case .silu: return x / (1 + exp(-x))
    case .gelu: return x / 2 * (1 + erf(x / 2.0.squareRoot()))
    case .tanhGELU:
      return x / 2 * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    }
  }

  /// Where a fused tensor has the outputs of a projection: its name, first row, rows.
  private func place(_ name: String) -> (whole: String, first: Int, rows: Int)? {
    let c = configuration
    guard c.family == .phi3, let dot = name.lastIndex(of: ".") else { return nil }
    let prefix = name[...dot]
    switch name[name.index(after: dot)...] {
    case "q_proj": return (prefix + "qkv_proj", 0, c.queryWidth)
    case "k_proj": return (prefix + "qkv_proj", c.queryWidth, c.keyValueWidth)
    case "v_proj": return (prefix + "qkv_proj", c.queryWidth + c.keyValueWidth, c.keyValueWidth)
    case "gate_proj": return (prefix + "gate_up_proj", 0, c.intermediateSize)
    case "up_proj": return (prefix + "gate_up_proj", c.intermediateSize, c.intermediateSize)
    default: return nil
    }
  }

  private func tensor(_ name: String) -> [Double] {
    guard let tensor = tensors[name] else { preconditionFailure("no tensor \(name)") }
    return tensor
  }

  /// x Wᵀ + bias + α/r (x Aᵀ) Bᵀ, bias and adapter where there are any.
  private func linear(_ x: [Double], _ name: String) -> [Double] {
    if let (whole, first, rows) = place(name) {
      let y = linear(x, whole)
      let width = y.count / (x.count / configuration.hiddenSize)
      return y.indices.filter { (first..<first + rows).contains($0 % width) }.map { y[$0] }
    }
    let weight = tensor(name + ".weight")
    let bias = tensors[name + ".bias"]
    let columns = name == "lm_head" ? configuration.hiddenSize : columns(name)
    var y = product(x, weight, columns: columns)
    if let bias {
      for index in y.indices { y[index] += bias[index % bias.count] }
    }
    if let a = tensors[name + ".lora_A.weight"], let b = tensors[name + ".lora_B.weight"] {
      let low = product(x, a, columns: columns)
      add(&y, product(low, b, columns: a.count / columns).map { $0 * adapterScale })
    }
    return y
  }

  private func columns(_ name: String) -> Int {
    if name.hasSuffix("o_proj") { return configuration.queryWidth }
    return name.hasSuffix("down_proj") ? configuration.intermediateSize : configuration.hiddenSize
  }

  private func product(_ x: [Double], _ w: [Double], columns: Int) -> [Double] {
    let (tokens, rows) = (x.count / columns, w.count / columns)
    var y = [Double](repeating: 0, count: tokens * rows)
    for t in 0..<tokens {
      for r in 0..<rows {
        var sum = 0.0
        for i in 0..<columns { sum += x[t * columns + i] * w[r * columns + i] }
        y[t * rows + r] = sum
      }
    }
    return y
  }

  private func norm(_ x: [Double], _ name: String) -> [Double] {
    let weight = tensor(name)
    var y = x
    for start in stride(from: 0, to: x.count, by: weight.count) {
      let squares = x[start..<start + weight.count].reduce(0) { $0 + $1 * $1 }
      let mean = squares / Double(weight.count) + Double(configuration.normEpsilon)
      for i in weight.indices {
        let factor = weight[i] + (configuration.family == .gemma ? 1 : 0)
        y[start + i] = factor * x[start + i] / mean.squareRoot()
      }
    }
    return y
  }
}

private func dot(_ a: [Double], _ b: [Double]) -> Double {
  zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
}

private func add(_ x: inout [Double], _ y: [Double]) {
  for index in x.indices { x[index] += y[index] }
}
