import Safetensors

/// What `ml-index stat --json` says of a plan.
public struct PlanDescription: Equatable, Sendable {
  /// Counts of whole numbers in bins 0, 1, 2–3, 4–7, …
  struct Histogram: Equatable, Sendable {
    var count: Int
    var mean: Double?
    var bins: [(from: Int, to: Int, count: Int)]

    static func == (a: Self, b: Self) -> Bool {
      a.count == b.count && a.mean == b.mean && a.bins.elementsEqual(b.bins, by: ==)
    }

    init(fields: FieldReader) throws {
      let counts = 0...1 << 52
      count = try fields.integer("count", in: counts)
      mean = count > 0 ? try fields.number("mean") : nil
      bins = try fields.array("histogram").map {
        (
          try $0.integer("from", in: counts), try $0.integer("to", in: counts),
          try $0.integer("count", in: counts)
        )
      }
    }
  }

  let rows: Int
  let hits: Int
  let chunks: Int
  let neverRetrieved: Int
  let evictedRows: Int
  let hitAge: Histogram
  let hitsPerChunk: Histogram
  let evictedAge: Histogram
  /// Names the plan; nil in descriptions of old.
  let digest: String?
  /// How it selects: "nearest, previous".
  let selection: String?
  let provenance: JSONValue
  /// What an unbounded memory would have retrieved but was evicted, where that was counted.
  let regret: (wanted: Int, evicted: Int, since: Histogram)?

  public static func == (a: Self, b: Self) -> Bool {
    a.rows == b.rows && a.hits == b.hits && a.chunks == b.chunks && a.hitAge == b.hitAge
      && a.evictedAge == b.evictedAge && a.hitsPerChunk == b.hitsPerChunk
  }

  init(json: JSONValue) throws {
    let root = try FieldReader(json, at: "")
    let counts = 0...1 << 52
    rows = try root.integer("rows", in: counts)
    hits = try root.integer("hits", in: counts)
    chunks = try root.integer("chunks", in: counts)
    neverRetrieved = try root.integer("never_retrieved", in: counts)
    evictedRows = try root.integer("evicted_rows", in: counts)
    hitAge = try Histogram(fields: try root.object("hit_age"))
    hitsPerChunk = try Histogram(fields: try root.object("hits_per_chunk"))
    evictedAge = try Histogram(fields: try root.object("evicted_age"))
    let plan = root.has("plan") ? try root.object("plan") : nil
    digest = try plan?.string("digest")
    selection = try plan.map {
      let select = try $0.string("select")
      return select == "nearest" ? "\(select), \(try $0.string("query"))" : select
    }
    provenance = json["provenance"] ?? .null
    regret =
      json["regret"]?.objectValue == nil
      ? nil
      : try {
        let fields = try root.object("regret")
        return (
          try fields.integer("wanted", in: counts), try fields.integer("evicted", in: counts),
          try Histogram(fields: try fields.object("since_eviction"))
        )
      }()
  }
}

func planPart(_ plans: [(name: String, plan: PlanDescription)], stem: String?) -> ReportPart {
  func share(_ part: Int, _ whole: Int) -> String {
    whole > 0 ? fixed(Double(part) / Double(whole) * 100, 2) : "—"
  }
  let cells = plans.map { name, plan in
    [
      markdownText(name), plan.selection.map(markdownText) ?? "—",
      plan.digest.map { code(shortDigest($0)) } ?? "—", grouped(plan.rows), grouped(plan.hits),
      grouped(plan.chunks),
      share(plan.neverRetrieved, plan.chunks), plan.hitsPerChunk.mean.map { fixed($0, 2) } ?? "—",
      plan.hitAge.mean.map { fixed($0, 1) } ?? "—", grouped(plan.evictedRows),
      plan.regret.map { share($0.evicted, $0.wanted) } ?? "—",
    ]
  }
  var part = ReportPart(
    markdown: "# Retrieval plans\n\n"
      + markdownTable(
        [
          "plan", "selects", "digest", "blocks", "hits", "chunks", "never retrieved, %",
          "hits per chunk",
          "mean hit age, chunks", "evicted", "evicted, then needed, %",
        ], cells, firstNumber: 3)
      + "\nEvicted, then needed: of the chunks that an unbounded memory retrieves, those that the "
      + "plan had evicted.\n")
  let histograms: [(String, String, (PlanDescription) -> PlanDescription.Histogram?)] = [
    ("hit-age", "Age of retrieved chunks", { $0.hitAge }),
    ("hits-per-chunk", "Retrievals of a chunk", { $0.hitsPerChunk }),
    ("evicted-age", "Age of evicted chunks", { $0.evictedAge }),
    ("since-eviction", "From eviction to need", { $0.regret?.since }),
  ]
  for (file, title, histogram) in histograms {
    let own = plans.compactMap { plan in
      histogram(plan.plan).flatMap { $0.count > 0 ? (plan.name, $0) : nil }
    }
    guard let longest = own.max(by: { $0.1.bins.count < $1.1.bins.count })?.1.bins else { continue }
    let chart = BarChart(
      title: title, yTitle: "share, %",
      xTitle: file == "hits-per-chunk" ? "times" : "chunks",
      groups: longest.map { $0.from == $0.to ? "\($0.from)" : "\($0.from)–\($0.to)" },
      series: own.map { name, histogram in
        .init(
          label: name,
          values: histogram.bins.map { Double($0.count) / Double(histogram.count) * 100 })
      })
    part.add(chart.svg, stem: stem, file, title)
  }
  return part
}
