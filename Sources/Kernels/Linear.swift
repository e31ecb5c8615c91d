import CKernels
import COpenBLAS

/// C[m,n] = alpha op(A) op(B) + beta C, row-major, on the calling thread.
@inline(__always)
func sgemm(
  _ m: Int, _ n: Int, _ k: Int, alpha: Float, _ a: Floats, _ lda: Int, transposeA: Bool = false,
  _ b: Floats, _ ldb: Int, transposeB: Bool = false, beta: Float, _ c: MutableFloats, _ ldc: Int
) {
  cblas_sgemm(
    CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans,
    Int32(m), Int32(n), Int32(k), alpha, a, Int32(lda), b, Int32(ldb), beta, c, Int32(ldc))
}

/// A grid of tiles over an output [rows, columns], fixed by the shape.
struct TileGrid {
  let rows, columns, rowStep, columnStep, columnTiles, count: Int

  init(rows: Int, columns: Int, inner: Int, rowLimit: Int = 512, columnLimit: Int = 768) {
    func step(_ extent: Int, _ parts: Int) -> Int { ((extent + parts - 1) / parts + 31) / 32 * 32 }
    var rowParts = max(1, (rows + rowLimit - 1) / rowLimit)
    var columnParts = max(1, (columns + columnLimit - 1) / columnLimit)
    if rowParts * columnParts == 1, rows * columns * inner > 1 << 20 {
      if rows >= columns { rowParts = 2 } else { columnParts = 2 }
    }
    (self.rows, self.columns) = (rows, columns)
    (rowStep, columnStep) = (max(1, step(rows, rowParts)), max(1, step(columns, columnParts)))
    columnTiles = (columns + columnStep - 1) / columnStep
    count = columnTiles * ((rows + rowStep - 1) / rowStep)
  }

  func tile(_ index: Int) -> (rows: Range<Int>, columns: Range<Int>) {
    let (r, c) = (index / columnTiles * rowStep, index % columnTiles * columnStep)
    return (r..<min(rows, r + rowStep), c..<min(columns, c + columnStep))
  }
}

/// y[T,N] (= or +=) alpha x[T,K] W[N,K]^T (+ bias[N])
public func linearForward(
  _ y: MutableFloats, _ x: Floats, _ w: any RowPanels, tokens: Int, bias: Floats? = nil,
  accumulate: Bool = false, alpha: Float = 1, workers: Workers, scratch: Scratch
) {
  let (n, k) = (w.rows, w.columns)
  let grid = TileGrid(
    rows: tokens, columns: n, inner: k, rowLimit: w.isDense ? 512 : 1024,
    columnLimit: w.isDense ? 768 : 512)
  workers.forEach(tiles: grid.count) { index, worker in
    let (rows, columns) = grid.tile(index)
    let panel = w.panel(
      columns,
      scratch: w.isDense ? nil : scratch.floats(worker: worker, count: columns.count * k))
    let out = y + rows.lowerBound * n + columns.lowerBound
    if let bias {
      for r in 0..<rows.count {
        let row = out + r * n
        for c in 0..<columns.count {
          row[c] = (accumulate ? row[c] : 0) + bias[columns.lowerBound + c]
        }
      }
    }
    sgemm(
      rows.count, columns.count, k, alpha: alpha, x + rows.lowerBound * k, k, panel, k,
      transposeB: true, beta: accumulate || bias != nil ? 1 : 0, out, n)
  }
}

/// dx[T,K] (= or +=) alpha dy[T,N] W[N,K]: the gradient of `linearForward` by its input.
/// A narrow W is expanded by panels of rows, added in their order.
public func linearBackwardInput(
  _ dx: MutableFloats, _ dy: Floats, _ w: any RowPanels, tokens: Int, accumulate: Bool = true,
  alpha: Float = 1, workers: Workers, scratch: Scratch
) {
  let (n, k) = (w.rows, w.columns)
  if w.isDense {
    let grid = TileGrid(rows: tokens, columns: k, inner: n)
    let dense = w.panel(0..<n, scratch: nil)
    workers.forEach(tiles: grid.count) { index, _ in
      let (rows, columns) = grid.tile(index)
      sgemm(
        rows.count, columns.count, n, alpha: alpha, dy + rows.lowerBound * n, n,
        dense + columns.lowerBound, k, beta: accumulate ? 1 : 0,
        dx + rows.lowerBound * k + columns.lowerBound, k)
    }
    return
  }
  let step = 512
  let grid = TileGrid(rows: tokens, columns: k, inner: n, columnLimit: max(k, 1))
  workers.forEach(tiles: grid.count) { index, worker in
    let (rows, columns) = grid.tile(index)
    for first in stride(from: 0, to: n, by: step) {
      let range = first..<min(n, first + step)
      let panel = w.panel(
        range, scratch: scratch.floats(worker: worker, count: range.count * k))
      sgemm(
        rows.count, columns.count, range.count, alpha: alpha, dy + rows.lowerBound * n + first, n,
        panel + columns.lowerBound, k, beta: accumulate || first > 0 ? 1 : 0,
        dx + rows.lowerBound * k + columns.lowerBound, k)
    }
  }
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
