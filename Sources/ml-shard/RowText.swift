import Records
import Safetensors

/// Rows as JSON lines. Keys stand in a fixed order, numbers in their shortest exact form.
struct RowText {
  private(set) var bytes: [UInt8] = []
  private var row = 0

  /// The text of the next rows, at most `limit`, is then in `bytes`.
  /// - Returns: how many rows; nil at the end
  mutating func next(from reader: RecordReader, limit: Int) throws -> Int? {
    bytes.removeAll(keepingCapacity: true)
    switch reader {
    case .chunks(let reader):
      guard let batch = try reader.next() else { return nil }
      return each(batch.chunks.prefix(limit)) { $0.line($1, sources: reader.parameters.sources) }
    case .embeddings(let reader):
      guard let batch = try reader.next() else { return nil }
      return lines(batch, dimension: reader.parameters.dimension, limit: limit)
    case .plan(let reader):
      guard let batch = try reader.next() else { return nil }
      return each(batch.rows.prefix(limit)) { $0.line($1) }
    case .scores(let reader):
      guard let batch = try reader.next() else { return nil }
      return each(batch.rows.prefix(limit)) { $0.line($1) }
    case .memory(let reader):
      guard let batch = try reader.next() else { return nil }
      return each(batch.rows.prefix(limit)) { $0.line($1) }
    case .states(let reader):
      guard let batch = try reader.next() else { return nil }
      return each(batch.rows.prefix(limit)) { $0.line($1, reader.parameters) }
    }
  }

  private mutating func each<Row>(
    _ rows: ArraySlice<Row>, _ body: (inout RowText, Row) -> Void
  ) -> Int {
    for element in rows {
      body(&self, element)
      row += 1
    }
    return rows.count
  }

  private mutating func line(_ chunk: Chunk, sources: [String]) {
    add("{\"row\":\(row),\"document\":\(chunk.document),\"ordinal\":\(chunk.ordinal)")
    if let origin = chunk.origin { add(",\"origin\":\(origin)") }
    add(",\"segment\":\(chunk.segment),\"source\":")
    let source = Int(chunk.source)
    add(JSONValue.string(source < sources.count ? sources[source] : "").encoded)
    add(",\"tokens\":")
    addList(chunk.tokens)
    add(",\"text\":")
    add(JSONValue.string(String(decoding: chunk.text, as: UTF8.self)).encoded)
    add("}\n")
  }

  private mutating func lines(_ batch: EmbeddingBatch, dimension: Int, limit: Int) -> Int {
    let rows = min(batch.rows, limit)
    var query = 0
    for index in 0..<rows {
      add("{\"row\":\(row)")
      if let documents = batch.documents { add(",\"document\":\(documents[index])") }
      if let segments = batch.segments { add(",\"segment\":\(segments[index])") }
      add(",\"key\":")
      addList(batch.keys[index * dimension..<(index + 1) * dimension])
      if query < batch.queryRows.count, batch.queryRows[query] == batch.firstRow + index {
        add(",\"query\":")
        addList(batch.queries[query * dimension..<(query + 1) * dimension])
        query += 1
      }
      add("}\n")
      row += 1
    }
    return rows
  }

  private mutating func line(_ plan: PlanRow) {
    add("{\"row\":\(plan.row),\"live\":\(plan.live),\"neighbours\":")
    addList(plan.neighbours)
    add(",\"scores\":")
    addList(plan.scores)
    add(",\"evicted\":")
    addList(plan.evicted)
    add("}\n")
  }

  private mutating func line(_ score: ScoreRow) {
    // JSON has no word for an infinite loss, which only an unscored token can have
    let nll = score.nll.isFinite ? "\(score.nll)" : "null"
    add("{\"row\":\(score.row),\"offset\":\(score.offset),\"nll\":\(nll)")
    add(",\"scored\":\(score.scored)}\n")
  }

  private mutating func line(_ chunk: MemoryRow) {
    add("{\"row\":\(chunk.row),\"length\":\(chunk.length),\"hits\":\(chunk.hits)")
    add(",\"last_use\":\(chunk.lastUse),\"text\":")
    add(JSONValue.string(String(decoding: chunk.text, as: UTF8.self)).encoded)
    add("}\n")
  }

  /// Tokens of lists of numbers; keys and values a layer more.
  private mutating func line(_ state: StateRow, _ parameters: StateParameters) {
    add("{\"row\":\(row),\"tokens\":\(state.tokens),\"hidden\":")
    addRows(state.hiddenValues(parameters), width: parameters.hiddenSize)
    if let memory = state.memoryValues(parameters) {
      for (name, layers) in [("keys", memory.map(\.keys)), ("values", memory.map(\.values))] {
        add(",\"\(name)\":[")
        for (index, layer) in layers.enumerated() {
          if index > 0 { add(",") }
          addRows(layer, width: parameters.memoryWidth)
        }
        add("]")
      }
    }
    add("}\n")
  }

  private mutating func addRows(_ values: [Float], width: Int) {
    for start in stride(from: 0, to: values.count, by: width) {
      add(start == 0 ? "[" : ",")
      addList(values[start..<start + width])
    }
    add("]")
  }

  private mutating func add(_ text: String) { bytes += text.utf8 }

  private mutating func addList<Number: CustomStringConvertible>(_ numbers: some Sequence<Number>) {
    bytes.append(UInt8(ascii: "["))
    var isFirst = true
    for number in numbers {
      if !isFirst { bytes.append(UInt8(ascii: ",")) }
      isFirst = false
      bytes += number.description.utf8
    }
    bytes.append(UInt8(ascii: "]"))
  }
}
