import CKernels
import COpenBLAS

#if OneDNN
  import COneDNN
#endif

/// C[m,n] = alpha op(A) op(B) + beta C, row-major, on the calling thread. A build with oneDNN takes its
/// product where that is the faster one: 6 to 12 % for many rows, on AVX-512 beside OpenBLAS 0.3.21.
@inline(__always)
func sgemm(
  _ m: Int, _ n: Int, _ k: Int, alpha: Float, _ a: Floats, _ lda: Int, transposeA: Bool = false,
  _ b: Floats, _ ldb: Int, transposeB: Bool = false, beta: Float, _ c: MutableFloats, _ ldc: Int
) {
  #if OneDNN
    if m >= 16 {
      omp_set_num_threads(1)
      func letter(_ transposes: Bool) -> CChar { CChar(UInt8(ascii: transposes ? "T" : "N")) }
      return check(
        dnnl_sgemm(
          letter(transposeA), letter(transposeB), Int64(m), Int64(n), Int64(k), alpha, a,
          Int64(lda), b, Int64(ldb), beta, c, Int64(ldc)))
    }
  #endif
  cblas_sgemm(
    CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans,
    Int32(m), Int32(n), Int32(k), alpha, a, Int32(lda), b, Int32(ldb), beta, c, Int32(ldc))
}

/// A grid of tiles over an output [rows, columns], fixed by the shape. Every tile packs its part of
/// both factors anew, so tiles are large: 512 rows, and 384 columns or, beyond eight of these, up to
/// 1024. An even number of tiles, so that two threads end together; four, where the work is long.
struct TileGrid {
  let rows, columns, rowStep, columnStep, columnTiles, count: Int

  init(rows: Int, columns: Int, inner: Int, rowLimit: Int = 512) {
    func parts(_ extent: Int, _ limit: Int) -> Int { max(1, (extent + limit - 1) / limit) }
    func step(_ extent: Int, _ parts: Int) -> Int { ((extent + parts - 1) / parts + 15) / 16 * 16 }
    var rowParts = parts(rows, rowLimit)
    var columnParts = max(parts(columns, 1024), min(8, parts(columns, 384)))
    let work = rows * columns * inner
    if rowParts * columnParts % 2 == 1, work > 1 << 20 {
      if columns >= 192 { columnParts += 1 } else { rowParts += 1 }
    }
    if rowParts * columnParts < 4, columns >= 512, work > 1 << 30 { columnParts = 4 }
    (self.rows, self.columns) = (rows, columns)
    (rowStep, columnStep) = (max(1, step(rows, rowParts)), max(1, step(columns, columnParts)))
    columnTiles = (columns + columnStep - 1) / columnStep
    count = columnTiles * ((rows + rowStep - 1) / rowStep)
  }

  /// One tile, for a thread that works alone: each operand is packed once.
  init(wholeRows rows: Int, columns: Int) {
    (self.rows, self.columns, rowStep, columnStep) = (rows, columns, max(1, rows), max(1, columns))
    (columnTiles, count) = (1, min(1, rows * columns))
  }

  func tile(_ index: Int) -> (rows: Range<Int>, columns: Range<Int>) {
    let (r, c) = (index / columnTiles * rowStep, index % columnTiles * columnStep)
    return (r..<min(rows, r + rowStep), c..<min(columns, c + columnStep))
  }
}

/// y[T,N] (= or +=) alpha x[T,K] W[N,K]^T (+ bias[N]); `isWhole`: not cut into tiles.
/// A product of bf16 has alpha 1 and tiles.
public func linearForward(
  _ y: MutableFloats, _ x: Floats, _ w: any RowPanels, tokens: Int, bias: Floats? = nil,
  accumulate: Bool = false, alpha: Float = 1, isWhole: Bool = false,
  precision: ProductPrecision = .f32, workers: Workers, scratch: Scratch
) {
  #if OneDNN
    if precision == .bf16 {
      precondition(alpha == 1 && !isWhole)
      return bf16Forward(
        y, x, w, tokens: tokens, bias: bias, accumulate: accumulate, workers: workers,
        scratch: scratch)
    }
  #endif
  let part = LinearPart(y, w, bias: bias)
  let grid = isWhole ? TileGrid(wholeRows: tokens, columns: w.rows) : part.grid(tokens)
  workers.forEach(tiles: grid.count) { index, worker in
    part.multiply(
      x, grid.tile(index), accumulate: accumulate, alpha: alpha, scratch: scratch, worker: worker)
  }
}

/// Several layers' outputs of one input x[T,K], each as `linearForward` makes it. Their tiles are one
/// piece of work, so that more threads have some at once.
public func linearForward(
  _ parts: [LinearPart], _ x: Floats, tokens: Int, precision: ProductPrecision = .f32,
  workers: Workers, scratch: Scratch
) {
  guard precision == .f32 else {
    for part in parts {
      linearForward(
        part.y, x, part.w, tokens: tokens, bias: part.bias, precision: precision, workers: workers,
        scratch: scratch)
    }
    return
  }
  let grids = parts.map { $0.grid(tokens) }
  workers.forEach(tiles: grids.reduce(0) { $0 + $1.count }) { index, worker in
    var (part, index) = (0, index)
    while index >= grids[part].count {
      index -= grids[part].count
      part += 1
    }
    parts[part].multiply(
      x, grids[part].tile(index), accumulate: false, alpha: 1, scratch: scratch, worker: worker)
  }
}

/// One linear layer's output y[T,N], its weight [N,K] and bias [N].
public struct LinearPart {
  let y: MutableFloats
  let w: any RowPanels
  let bias: Floats?

  public init(_ y: MutableFloats, _ w: any RowPanels, bias: Floats? = nil) {
    (self.y, self.w, self.bias) = (y, w, bias)
  }

  func grid(_ tokens: Int) -> TileGrid {
    guard w.isDense else { return narrowGrid(w, tokens) }
    return TileGrid(rows: tokens, columns: w.rows, inner: w.columns)
  }

  /// A tile of y (= or +=) alpha x[T,K] W[N,K]^T (+ bias[N]).
  @inline(__always)
  func multiply(
    _ x: Floats, _ tile: (rows: Range<Int>, columns: Range<Int>), accumulate: Bool, alpha: Float,
    scratch: Scratch, worker: Int
  ) {
    let (n, k) = (w.rows, w.columns)
    let (rows, columns) = tile
    let panel = w.panel(
      columns,
      scratch: w.isDense ? nil : scratch.floats(worker: worker, count: columns.count * k))
    let out = y + rows.lowerBound * n + columns.lowerBound
    if let bias {
      startRows(
        out, bias + columns.lowerBound, rows: rows.count, columns: columns.count, stride: n,
        accumulate: accumulate)
    }
    sgemm(
      rows.count, columns.count, k, alpha: alpha, x + rows.lowerBound * k, k, panel, k,
      transposeB: true, beta: accumulate || bias != nil ? 1 : 0, out, n)
  }
}

/// y (= or +=) bias in every row.
func startRows(
  _ y: MutableFloats, _ bias: Floats, rows: Int, columns: Int, stride: Int, accumulate: Bool
) {
  for r in 0..<rows {
    let row = y + r * stride
    @inline(__always) func step(_ c: Int, _ lanes: Int) {
      store(row + c, load(row + c, lanes) + load(bias + c, lanes), lanes)
    }
    if accumulate {
      eachVector(columns, step)
    } else {
      row.update(from: bias, count: columns)
    }
  }
}

/// A narrow weight's tiles take all tokens: each of its panels is expanded once.
private func narrowGrid(_ w: any RowPanels, _ tokens: Int) -> TileGrid {
  TileGrid(rows: tokens, columns: w.rows, inner: w.columns, rowLimit: max(1, tokens))
}

/// Floats of scratch that `linearForward` takes a thread for a narrow weight [rows, columns].
public func narrowPanelCount(rows: Int, columns: Int) -> Int {
  // Of the shortest segment: an odd number of tiles is evened out only for longer ones.
  TileGrid(rows: 1, columns: rows, inner: 1).columnStep * columns
}

/// dx[T,K] (= or +=) alpha dy[T,N] W[N,K]: the gradient of `linearForward` by its input.
/// A narrow W is expanded by groups of rows, which are added in their order.
public func linearBackwardInput(
  _ dx: MutableFloats, _ dy: Floats, _ w: any RowPanels, tokens: Int, accumulate: Bool = true,
  alpha: Float = 1, precision: ProductPrecision = .f32, workers: Workers, scratch: Scratch
) {
  #if OneDNN
    if precision == .bf16 {
      precondition(alpha == 1)
      return bf16BackwardInput(
        dx, dy, w, tokens: tokens, accumulate: accumulate, workers: workers, scratch: scratch)
    }
  #endif
  let (n, k) = (w.rows, w.columns)
  let grid = TileGrid(rows: tokens, columns: k, inner: n)
  let step = w.isDense ? max(1, n) : max(64, expansionRoom / max(1, k) / 64 * 64)
  for first in stride(from: 0, to: n, by: step) {
    let group = first..<min(n, first + step)
    let panel =
      w.isDense ? w.panel(group, scratch: nil) : expand(w, group, workers: workers, scratch)
    workers.forEach(tiles: grid.count) { index, _ in
      let (rows, columns) = grid.tile(index)
      sgemm(
        rows.count, columns.count, group.count, alpha: alpha, dy + rows.lowerBound * n + first, n,
        panel + columns.lowerBound, k, beta: accumulate || first > 0 ? 1 : 0,
        dx + rows.lowerBound * k + columns.lowerBound, k)
    }
  }
}

/// Floats of a group of expanded rows: they stay in a last-level cache.
private let expansionRoom = 4 << 20

/// The rows in the shared scratch buffer, expanded by all workers.
private func expand(
  _ w: any RowPanels, _ rows: Range<Int>, workers: Workers, _ scratch: Scratch
) -> Floats {
  let buffer = scratch.shared(count: rows.count * w.columns)
  workers.forRanges(rows.count, grain: 64) { part in
    let (to, count) = (buffer + part.lowerBound * w.columns, part.count * w.columns)
    let from = w.panel(
      rows.lowerBound + part.lowerBound..<rows.lowerBound + part.upperBound, scratch: to)
    if from != Floats(to) { to.update(from: from, count: count) }
  }
  return Floats(buffer)
}

/// dW[N,K] += alpha dy[T,N]^T x[T,K], and db[N] += the column sums of dy:
/// the gradients of `linearForward` by its weight and bias.
public func linearBackwardWeight(
  _ dw: MutableFloats, _ dy: Floats, _ x: Floats, tokens: Int, rows n: Int, columns k: Int,
  bias db: MutableFloats? = nil, alpha: Float = 1, workers: Workers
) {
  let grid = TileGrid(rows: n, columns: k, inner: tokens)
  workers.forEach(tiles: grid.count) { index, _ in
    let (rows, columns) = grid.tile(index)
    sgemm(
      rows.count, columns.count, tokens, alpha: alpha, dy + rows.lowerBound, n, transposeA: true,
      x + columns.lowerBound, k, beta: 1, dw + rows.lowerBound * k + columns.lowerBound, k)
  }
  if let db { addColumnSums(db, dy, tokens: tokens, width: n, workers: workers) }
}

/// out[W] += the sum over tokens of x[T,W], each column in token order.
func addColumnSums(_ out: MutableFloats, _ x: Floats, tokens: Int, width: Int, workers: Workers) {
  workers.forRanges(width, grain: 256) { columns in
    for t in 0..<tokens {
      let row = x + t * width
      for c in columns { out[c] += row[c] }
    }
  }
}
