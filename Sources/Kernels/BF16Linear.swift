#if OneDNN
  /// `linearForward` of factors rounded to bf16.
  func bf16Forward(
    _ y: MutableFloats, _ x: Floats, _ w: any RowPanels, tokens: Int, bias: Floats?,
    accumulate: Bool, workers: Workers, scratch: Scratch
  ) {
    let (n, k) = (w.rows, w.columns)
    let factors = BF16Factors(x, tokens: tokens, width: k, w, workers, scratch)
    for group in factors.groups {
      let panel = factors.weight(group)
      let grid = TileGrid(rows: tokens, columns: group.count, inner: k)
      workers.forEach(tiles: grid.count) { index, worker in
        let (rows, columns) = grid.tile(index)
        let first = group.lowerBound + columns.lowerBound
        let out = y + rows.lowerBound * n + first
        if let bias {
          startRows(
            out, bias + first, rows: rows.count, columns: columns.count, stride: n,
            accumulate: accumulate)
        }
        BF16Product.of(
          .init(
            m: rows.count, n: columns.count, k: k, strideA: k, strideB: k, strideC: n,
            transposesB: true, accumulates: accumulate || bias != nil)
        ).run(
          out, factors.input + rows.lowerBound * k, panel + columns.lowerBound * k, scratch, worker)
      }
    }
  }

  /// `linearBackwardInput` of factors rounded to bf16; groups of rows are added in their order.
  func bf16BackwardInput(
    _ dx: MutableFloats, _ dy: Floats, _ w: any RowPanels, tokens: Int, accumulate: Bool,
    workers: Workers, scratch: Scratch
  ) {
    let (n, k) = (w.rows, w.columns)
    let factors = BF16Factors(dy, tokens: tokens, width: n, w, workers, scratch)
    for group in factors.groups {
      let panel = factors.weight(group)
      let grid = TileGrid(rows: tokens, columns: k, inner: group.count)
      workers.forEach(tiles: grid.count) { index, worker in
        let (rows, columns) = grid.tile(index)
        BF16Product.of(
          .init(
            m: rows.count, n: columns.count, k: group.count, strideA: n, strideB: k, strideC: k,
            transposesB: false, accumulates: accumulate || group.lowerBound > 0)
        ).run(
          dx + rows.lowerBound * k + columns.lowerBound,
          factors.input + rows.lowerBound * n + group.lowerBound, panel + columns.lowerBound,
          scratch, worker)
      }
    }
  }

  /// Both factors of a linear layer's product as bf16: its input, rounded into the shared scratch
  /// buffer, and the weight, group of rows by group of rows beside it where it is not stored so.
  private struct BF16Factors {
    /// [T, width].
    let input: BF16s
    /// The weight's rows, parted; all in one where they are used in place.
    let groups: [Range<Int>]
    private let rounded: UnsafeMutablePointer<UInt16>
    private let w: any RowPanels
    private let workers: Workers
    private let scratch: Scratch

    init(
      _ x: Floats, tokens: Int, width: Int, _ w: any RowPanels, _ workers: Workers,
      _ scratch: Scratch
    ) {
      (self.w, self.workers, self.scratch) = (w, workers, scratch)
      let count = tokens * width
      let isStored = w.bf16(0..<w.rows) != nil
      let step = isStored ? max(1, w.rows) : bf16GroupRows(rows: w.rows, columns: w.columns)
      groups = stride(from: 0, to: w.rows, by: step).map { $0..<min(w.rows, $0 + step) }
      let buffer = UnsafeMutableRawPointer(
        scratch.shared(
          count: bf16Floats(count) + (isStored ? 0 : bf16Floats(step * w.columns))))
      let input = buffer.bindMemory(to: UInt16.self, capacity: count)
      rounded = (buffer + 4 * bf16Floats(count))
        .bindMemory(to: UInt16.self, capacity: isStored ? 0 : step * w.columns)
      workers.forRanges(count, grain: elementGrain) { part in
        convertFloatToBF16(input + part.lowerBound, x + part.lowerBound, count: part.count)
      }
      self.input = BF16s(input)
    }

    /// The rows, row-major; valid until the next group is asked for.
    func weight(_ rows: Range<Int>) -> BF16s {
      if let stored = w.bf16(rows) { return stored }
      let columns = w.columns
      workers.forEach(tiles: (rows.count + expandedRows - 1) / expandedRows) { tile, worker in
        let first = tile * expandedRows
        let part = first..<min(rows.count, first + expandedRows)
        let floats = w.panel(
          rows.lowerBound + part.lowerBound..<rows.lowerBound + part.upperBound,
          scratch: w.isDense ? nil : scratch.floats(worker: worker, count: part.count * columns))
        convertFloatToBF16(rounded + first * columns, floats, count: part.count * columns)
      }
      return BF16s(rounded)
    }
  }
#endif

/// Rows that are expanded to float32 before they are rounded.
private let expandedRows = 16

/// Floats of scratch that bf16 products with a weight [rows, columns] share: the rounded input of
/// either direction, and a group of the weight's rows.
public func bf16SharedCount(rows: Int, columns: Int, tokens: Int) -> Int {
  bf16Floats(tokens * max(rows, columns))
    + bf16Floats(bf16GroupRows(rows: rows, columns: columns) * columns)
}

/// Floats of scratch that a worker needs for itself in them: some rows in float32, then a copy of a part
/// of the weight in oneDNN's order.
public func bf16WorkerCount(columns: Int) -> Int { max(expandedRows * columns, 1 << 16) }

/// Rows whose bf16 values stay in a last-level cache, so that they are read from there.
private func bf16GroupRows(rows: Int, columns: Int) -> Int {
  min(max(1, rows), max(64, (4 << 20) / max(1, columns) / 64 * 64))
}

/// Floats that hold `count` bf16 values, whole vectors of them.
private func bf16Floats(_ count: Int) -> Int { (count + 31) / 32 * 16 }
