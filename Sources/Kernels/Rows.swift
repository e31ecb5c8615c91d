/// out[count, width] = table[ids]: embeddings, from a dense or a narrow table.
public func gatherRows(
  _ out: MutableFloats, table: any RowPanels, ids: UnsafePointer<Int32>, count: Int,
  workers: Workers
) {
  let width = table.columns
  workers.forRanges(count, grain: 64) { range in
    for i in range {
      let id = Int(ids[i])
      precondition(id >= 0 && id < table.rows)
      let to = out + i * width
      let row = table.panel(id..<id + 1, scratch: to)
      if row != Floats(to) { to.update(from: row, count: width) }
    }
  }
}

/// dTable[ids] += dOut[count, width], each element in the order of the ids.
public func scatterAddRows(
  _ dTable: MutableFloats, _ dOut: Floats, ids: UnsafePointer<Int32>, count: Int, width: Int,
  workers: Workers
) {
  workers.forRanges(width, grain: 256) { columns in
    for i in 0..<count {
      let (to, from) = (dTable + Int(ids[i]) * width, dOut + i * width)
      for c in columns { to[c] += from[c] }
    }
  }
}
