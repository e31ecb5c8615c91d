import Foundation
import Modeling
import TestSupport

/// A Llama decoder that reads one token after the other in Double, with plain lists of what it has
/// read: what a context and a memory mean, not how they are computed. Positions `zero`, no gate.
final class NaiveReader {
  /// One token's key before rotation and its value.
  struct Entry {
    var key: [Double]
    var value: [Double]
  }

  let configuration: LlamaConfiguration
  let memory: MemoryConfiguration?
  private let tensors: [String: [Double]]
  /// By layer, the text that the next token attends to.
  private(set) var context: [[Entry]]
  /// Every token that was read, as the memory layer keeps it.
  private(set) var kept: [Entry] = []

  init(folder: String, configuration: LlamaConfiguration, memory: MemoryConfiguration?) throws {
    self.configuration = configuration
    self.memory = memory
    let file = try Tensors(path: folder + "/model.safetensors")
    tensors = Dictionary(
      uniqueKeysWithValues: try file.names.map { ($0, try file.floats($0).map(Double.init)) })
    context = Array(repeating: [], count: configuration.layerCount)
  }

  func forget(_ places: Range<Int>) {
    for layer in context.indices { context[layer].removeSubrange(places) }
  }

  /// Takes back what was read from token `start` on, the context aside.
  func dropKept(from start: Int) { kept.removeSubrange(start...) }

  func forgetAll() { forget(0..<context[0].count) }

  /// The negative log-likelihoods of every token after `token`.
  func read(_ token: Int32, memory entries: [Entry] = []) -> [Double] {
    let c = configuration
    let embedding = tensors["model.embed_tokens.weight"]!
    var x = Array(embedding[Int(token) * c.hiddenSize..<(Int(token) + 1) * c.hiddenSize])
    for layer in 0..<c.layerCount {
      let prefix = "model.layers.\(layer)."
      let normed = norm(x, prefix + "input_layernorm.weight")
      let entry = Entry(
        key: product(normed, prefix + "self_attn.k_proj.weight"),
        value: product(normed, prefix + "self_attn.v_proj.weight"))
      context[layer].append(entry)
      if memory?.memoryLayer == layer { kept.append(entry) }
      let reads = memory?.retrievalLayers.contains(layer) == true ? entries : []
      let mixed = attention(
        product(normed, prefix + "self_attn.q_proj.weight"), context[layer], memory: reads)
      x = sum(x, product(mixed, prefix + "self_attn.o_proj.weight"))
      let middle = norm(x, prefix + "post_attention_layernorm.weight")
      let gated = zip(
        product(middle, prefix + "mlp.gate_proj.weight"),
        product(middle, prefix + "mlp.up_proj.weight")
      ).map { $0 / (1 + exp(-$0)) * $1 }
      x = sum(x, product(gated, prefix + "mlp.down_proj.weight"))
    }
    let logits = product(norm(x, "model.norm.weight"), "lm_head.weight")
    let largest = logits.max()!
    let total = log(logits.reduce(0) { $0 + exp($1 - largest) }) + largest
    return logits.map { total - $0 }
  }

  /// The query stands behind its text, of which it is the last; memory stands at position 0.
  private func attention(_ query: [Double], _ text: [Entry], memory: [Entry]) -> [Double] {
    let c = configuration
    let first = self.memory == nil ? 0 : 1
    var out: [Double] = []
    for head in 0..<c.queryHeads {
      let own = head * c.headSize..<(head + 1) * c.headSize
      let group = head / (c.queryHeads / c.keyValueHeads)
      let shared = group * c.headSize..<(group + 1) * c.headSize
      let q = turned(Array(query[own]), to: first + text.count - 1)
      var logits = memory.map { dot(q, turned(Array($0.key[shared]), to: 0)) }
      logits += text.enumerated().map { dot(q, turned(Array($1.key[shared]), to: first + $0)) }
      let largest = logits.max()!
      let weights = logits.map { exp(($0 - largest) / Double(c.headSize).squareRoot()) }
      let total = weights.reduce(0, +)
      var mixed = [Double](repeating: 0, count: c.headSize)
      for (weight, entry) in zip(weights, memory + text) {
        for (index, value) in entry.value[shared].enumerated() {
          mixed[index] += weight / total * value
        }
      }
      out += mixed
    }
    return out
  }

  private func turned(_ x: [Double], to position: Int) -> [Double] {
    let half = x.count / 2
    let frequencies = configuration.rope.inverseFrequencies(length: 1)
    let scaling = Double(configuration.rope.attentionScaling)
    var y = x
    for i in 0..<half {
      let angle = Double(position) * Double(frequencies[i])
      let (c, s) = (cos(angle) * scaling, sin(angle) * scaling)
      y[i] = x[i] * c - x[half + i] * s
      y[half + i] = x[half + i] * c + x[i] * s
    }
    return y
  }

  private func product(_ x: [Double], _ name: String) -> [Double] {
    let weight = tensors[name]!
    return stride(from: 0, to: weight.count, by: x.count).map { row in
      var sum = 0.0
      for i in x.indices { sum += x[i] * weight[row + i] }
      return sum
    }
  }

  private func norm(_ x: [Double], _ name: String) -> [Double] {
    let mean = dot(x, x) / Double(x.count) + Double(configuration.normEpsilon)
    return zip(x, tensors[name]!).map { $0 / mean.squareRoot() * $1 }
  }
}

private func dot(_ a: [Double], _ b: [Double]) -> Double {
  zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
}

private func sum(_ a: [Double], _ b: [Double]) -> [Double] { zip(a, b).map { $0 + $1 } }
