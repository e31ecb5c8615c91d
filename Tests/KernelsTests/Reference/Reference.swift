import Foundation

// Plain loops in Double, for the kernels to be compared with: what is computed, not how.

/// y[T,N] = x[T,K] w[N,K]^T
func referenceLinear(_ x: [Double], _ w: [Double], tokens: Int, n: Int, k: Int) -> [Double] {
  var y = [Double](repeating: 0, count: tokens * n)
  for t in 0..<tokens {
    for r in 0..<n {
      var sum = 0.0
      for c in 0..<k { sum += x[t * k + c] * w[r * k + c] }
      y[t * n + r] = sum
    }
  }
  return y
}

func transposed(_ x: [Double], rows: Int, columns: Int) -> [Double] {
  (0..<columns * rows).map { x[$0 % rows * columns + $0 / rows] }
}

func referenceRMSNorm(_ x: [Double], _ weight: [Double], width: Int, epsilon: Double) -> [Double] {
  x.indices.map { i in
    let row = x[i / width * width..<(i / width + 1) * width]
    let mean = row.reduce(0) { $0 + $1 * $1 } / Double(width)
    return weight[i % width] * x[i] / (mean + epsilon).squareRoot()
  }
}

func referenceLayerNorm(
  _ x: [Double], _ weight: [Double], _ bias: [Double], width: Int, epsilon: Double
) -> [Double] {
  x.indices.map { i in
    let row = x[i / width * width..<(i / width + 1) * width]
    let mean = row.reduce(0, +) / Double(width)
    let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(width)
    return (x[i] - mean) / (variance + epsilon).squareRoot() * weight[i % width] + bias[i % width]
  }
}

func referenceGELU(_ x: Double) -> Double { x * 0.5 * (1 + erf(x / 2.0.squareRoot())) }

func referenceTanhGELU(_ x: Double) -> Double {
  x / 2 * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
}

func referenceSwiGLU(_ gate: [Double], _ up: [Double]) -> [Double] {
  zip(gate, up).map { g, u in g / (1 + exp(-g)) * u }
}

/// Rotates the halves of each head by position * frequency.
func referenceRotation(
  _ x: [Double], heads: Int, headSize: Int, frequencies: [Double], firstPosition: Int
) -> [Double] {
  var y = x
  let half = headSize / 2
  for t in 0..<x.count / (heads * headSize) {
    for h in 0..<heads {
      for i in 0..<half {
        let angle = Double(firstPosition + t) * frequencies[i]
        let at = (t * heads + h) * headSize + i
        y[at] = x[at] * cos(angle) - x[at + half] * sin(angle)
        y[at + half] = x[at + half] * cos(angle) + x[at] * sin(angle)
      }
    }
  }
  return y
}

/// -log softmax(logits)[target], 0 for the target -1.
func referenceCrossEntropy(_ logits: [Double], targets: [Int32], vocabulary: Int) -> [Double] {
  targets.indices.map { t in
    guard targets[t] >= 0 else { return 0 }
    let row = logits[t * vocabulary..<(t + 1) * vocabulary]
    let largest = row.max()!
    return log(row.reduce(0) { $0 + exp($1 - largest) }) + largest
      - logits[t * vocabulary + Int(targets[t])]
  }
}

/// An attention's shapes and its memory per block, [M, kvHeads * headSize].
struct ReferenceAttention {
  struct Block {
    var queries: Range<Int>
    var keys: [Double] = []
    var values: [Double] = []
  }

  var tokens, heads, keyValueHeads, headSize: Int
  var blocks: [Block]
  var causal = true
  /// Local keys that a query sees at most.
  var window = Int.max
  /// Local keys before the first query's own.
  var cached = 0

  func callAsFunction(
    q: [Double], k: [Double], v: [Double], gates: [Double]? = nil
  ) -> (out: [Double], logSumExp: [Double]) {
    var out = [Double](repeating: 0, count: tokens * heads * headSize)
    var lse = [Double](repeating: 0, count: heads * tokens)
    let width = keyValueHeads * headSize
    for block in blocks {
      for t in block.queries {
        for h in 0..<heads {
          let (kv, at) = (h / (heads / keyValueHeads) * headSize, (t * heads + h) * headSize)
          let memory = block.keys.count / width
          let local = cached + (causal ? t + 1 : tokens)
          let hidden = max(0, local - window)
          let s = gates.map { 1 / (1 + exp(-$0[h])) }
          var logits = [Double]()
          for j in 0..<memory + local where j < memory || j - memory >= hidden {
            let (keys, row) = j < memory ? (block.keys, j) : (k, j - memory)
            var sum = 0.0
            for i in 0..<headSize { sum += q[at + i] * keys[row * width + kv + i] }
            let factor = memory > 0 ? s.map { j < memory ? $0 : 1 - $0 } ?? 1 : 1
            logits.append(sum / Double(headSize).squareRoot() * factor)
          }
          let largest = logits.max()!
          let total = logits.reduce(0) { $0 + exp($1 - largest) }
          lse[h * tokens + t] = largest + log(total)
          for (index, logit) in logits.enumerated() {
            let j = index < memory ? index : index + hidden
            let (values, row) = j < memory ? (block.values, j) : (v, j - memory)
            let p = exp(logit - largest) / total
            for i in 0..<headSize { out[at + i] += p * values[row * width + kv + i] }
          }
        }
      }
    }
    return (out, lse)
  }
}

/// d loss / d x[i] by central differences, for the given elements.
func finiteDifferences(
  _ x: [Double], at indices: [Int], step: Double = 1e-5, _ loss: ([Double]) -> Double
) -> [Double] {
  indices.map { i in
    var (a, b) = (x, x)
    a[i] += step
    b[i] -= step
    return (loss(a) - loss(b)) / (2 * step)
  }
}

func inner(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
