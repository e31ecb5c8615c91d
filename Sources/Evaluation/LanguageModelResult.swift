import Safetensors

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Why results cannot be made, read or compared: one line.
public struct ResultError: Error, Equatable, CustomStringConvertible {
  public let description: String

  public init(_ description: String) { self.description = oneLine(description) }
}

/// One system's language-model evaluation: what was scored, by whom, and the sums that every
/// number of a report is computed from. Perplexities and intervals follow from the sums.
public struct LanguageModelResult: Equatable, Sendable {
  public static let schema = "memlong/lm-result"
  public static let schemaVersion = 1
  private static let stream = "stream"
  private static let windowed = "window"
  /// Tokens of a segment: the grain of the sums, of every position bucket, and of the block
  /// bootstrap where there is only one document.
  public static let segmentTokens = 1024

  public let toolVersion: String
  /// How tokens were scored: `stream` or `window`.
  public let protocolName: String
  /// Of protocol `window`.
  public let window: WindowProtocol?
  public let system: SystemLabel
  /// What people call the texts; nil: nobody said.
  public let dataSet: String?
  /// Names the tokens that were evaluated.
  public let chunksDigest: String
  public let documents: [DocumentScore]
  public let bootstrap: Bootstrap
  /// Wall-clock seconds: the one part that differs from run to run. nil if not measured.
  public let seconds: Double?
  /// A JSON array, one object per tool passed, or null.
  public let provenance: JSONValue

  public let overall: Estimate
  /// The buckets that hold a scored token.
  public let buckets: [BucketEstimate]

  /// Throws ``ResultError`` if no token was scored or a sum is not finite.
  public init(
    toolVersion: String, window: WindowProtocol? = nil, system: SystemLabel,
    dataSet: String? = nil, chunksDigest: String, documents: [DocumentScore],
    bootstrap: Bootstrap = Bootstrap(),
    seconds: Double? = nil, provenance: JSONValue = .null
  ) throws {
    self.toolVersion = toolVersion
    self.window = window
    protocolName = window == nil ? Self.stream : Self.windowed
    self.system = system
    self.dataSet = dataSet
    self.chunksDigest = chunksDigest
    self.documents = documents
    self.bootstrap = bootstrap
    self.seconds = seconds
    self.provenance = provenance
    for document in documents {
      if let bad = document.segmentNLL.firstIndex(where: { !$0.isFinite }) {
        throw ResultError(
          "document \(document.document), tokens from \(bad * Self.segmentTokens): "
            + "negative log-likelihood is not finite")
      }
    }
    guard let overall = Estimate(clusters(of: documents, in: .everything), bootstrap: bootstrap)
    else { throw ResultError("no token was scored") }
    guard overall.total.sum.isFinite else { throw ResultError("total nll is not finite") }
    self.overall = overall
    buckets = PositionBucket.all.compactMap { bucket in
      Estimate(clusters(of: documents, in: bucket), bootstrap: bootstrap).map {
        BucketEstimate(bucket: bucket, estimate: $0)
      }
    }
  }

  /// Documents that reach `bucket`.
  func documentCount(in bucket: PositionBucket) -> Int {
    documents.count { !$0.segments(in: bucket).isEmpty }
  }

  /// Tokens of the documents, scored or not.
  public var tokens: Int { documents.reduce(0) { $0 + $1.tokens } }
  public var scoredTokens: Int { overall.total.tokens }
  public var words: Int { documents.reduce(0) { $0 + $1.words } }
  public var bytes: Int { documents.reduce(0) { $0 + $1.bytes } }

  /// e^(total nll / words); infinite without words.
  public var wordPerplexity: Double { exp(overall.total.sum / Double(words)) }
  /// e^(total nll / bytes).
  public var bytePerplexity: Double { exp(overall.total.sum / Double(bytes)) }
  public var bitsPerByte: Double { overall.total.sum / Double(bytes) / log(2) }
  /// Tokens read per second.
  public var tokensPerSecond: Double? { seconds.map { Double(tokens) / $0 } }
}

/// One document's sums. Index i of the segment arrays is positions 1024·i ..< 1024·(i + 1).
public struct DocumentScore: Equatable, Sendable {
  public var document: Int
  /// Tokens read, scored or not.
  public var tokens: Int
  /// Words and bytes of the text of its chunks that hold a scored token.
  public var words: Int
  public var bytes: Int
  /// Scored tokens of each segment.
  public var segmentTokens: [Int]
  /// Their summed negative log-likelihood, in nats.
  public var segmentNLL: [Double]

  public init(
    document: Int, tokens: Int = 0, words: Int = 0, bytes: Int = 0, segmentTokens: [Int] = [],
    segmentNLL: [Double] = []
  ) {
    precondition(segmentTokens.count == segmentNLL.count)
    self.document = document
    self.tokens = tokens
    self.words = words
    self.bytes = bytes
    self.segmentTokens = segmentTokens
    self.segmentNLL = segmentNLL
  }

  mutating func add(position: Int, nll: Double) {
    let segment = position / LanguageModelResult.segmentTokens
    while segmentTokens.count <= segment {
      segmentTokens.append(0)
      segmentNLL.append(0)
    }
    segmentTokens[segment] += 1
    segmentNLL[segment] += nll
  }

  /// The segments of a bucket that hold a scored token.
  func segments(in bucket: PositionBucket) -> [ClusterSum] {
    let grain = LanguageModelResult.segmentTokens
    let end = min(segmentTokens.count, bucket.to.map { $0 / grain } ?? Int.max)
    return stride(from: bucket.from / grain, to: end, by: 1).compactMap {
      segmentTokens[$0] == 0
        ? nil : ClusterSum(sum: segmentNLL[$0], tokens: segmentTokens[$0])
    }
  }

  public var total: ClusterSum { segments(in: .everything).reduce(ClusterSum(), +) }
}

/// Positions `from ..< to` in a document; `to` nil has no end.
public struct PositionBucket: Equatable, Sendable {
  public let from: Int
  public let to: Int?

  static let everything = PositionBucket(from: 0, to: nil)

  /// 0–1k, 1–2k, 2–4k … 32–64k, 64–80k, 80k and more; k = 1024.
  public static let all: [PositionBucket] = {
    let edges = [0, 1, 2, 4, 8, 16, 32, 64, 80].map { $0 * 1024 }
    return edges.indices.map {
      PositionBucket(from: edges[$0], to: $0 + 1 < edges.count ? edges[$0 + 1] : nil)
    }
  }()

  public var label: String {
    guard let to else { return "\(from / 1024)k+" }
    return "\(from / 1024)–\(to / 1024)k"
  }
}

/// What the bootstrap draws.
public enum ClusterKind: String, Sendable {
  case documents
  /// Segments of 1024 tokens: where only one document holds scored tokens.
  case segments
}

/// A mean negative log-likelihood per token, and its interval.
public struct Estimate: Equatable, Sendable {
  public let total: ClusterSum
  public let kind: ClusterKind
  public let clusters: Int
  /// Of the mean, in nats; nil with one cluster.
  public let interval: Interval?

  public var mean: Double { total.sum / Double(total.tokens) }
  public var perplexity: Double { exp(mean) }
  public var perplexityInterval: Interval? { interval?.map { exp($0) } }

  /// nil without tokens.
  init?(_ clusters: (kind: ClusterKind, sums: [ClusterSum]), bootstrap: Bootstrap) {
    let total = clusters.sums.reduce(ClusterSum(), +)
    guard total.tokens > 0 else { return nil }
    self.total = total
    kind = clusters.kind
    self.clusters = clusters.sums.count
    interval = bootstrap.interval(of: clusters.sums)
  }
}

public struct BucketEstimate: Equatable, Sendable {
  public let bucket: PositionBucket
  public let estimate: Estimate
}

/// A bucket's documents or segments; without a kind its documents, or the segments of the only document
/// that reaches it.
func clusters(
  of documents: [DocumentScore], in bucket: PositionBucket, over kind: ClusterKind? = nil
) -> (kind: ClusterKind, sums: [ClusterSum]) {
  let perDocument = documents.map { $0.segments(in: bucket) }.filter { !$0.isEmpty }
  switch kind ?? (perDocument.count == 1 ? .segments : .documents) {
  case .segments: return (.segments, perDocument.flatMap { $0 })
  case .documents: return (.documents, perDocument.map { $0.reduce(ClusterSum(), +) })
  }
}

extension LanguageModelResult {
  /// Names both results if they do not score the same tokens.
  public func checkComparable(
    to other: LanguageModelResult, names: (own: String, other: String)
  ) throws {
    let isSame =
      chunksDigest == other.chunksDigest && documents.count == other.documents.count
      && zip(documents, other.documents).allSatisfy {
        $0.document == $1.document && $0.segmentTokens == $1.segmentTokens
      }
    if isSame { return }
    func describe(_ result: LanguageModelResult, _ name: String) -> String {
      "\(name) (chunks \(shortDigest(result.chunksDigest)), \(result.scoredTokens) tokens "
        + "of \(result.documents.count) documents)"
    }
    throw ResultError(
      "results score different tokens: \(describe(self, names.own)) and "
        + describe(other, names.other))
  }

  /// The mean difference of nll per token (self − reference; negative is better) in a bucket, over
  /// the same tokens, with its paired interval. nil where the bucket holds no scored token.
  ///
  /// - Parameter kind: what the bootstrap draws; nil: documents, where there are several.
  ///
  /// Precondition: ``checkComparable(to:names:)`` passed.
  public func difference(
    from reference: LanguageModelResult, in bucket: PositionBucket? = nil,
    over kind: ClusterKind? = nil
  ) -> Estimate? {
    let own = clusters(of: documents, in: bucket ?? .everything, over: kind)
    let other = clusters(of: reference.documents, in: bucket ?? .everything, over: kind)
    precondition(own.sums.count == other.sums.count, "results score different tokens")
    let differences = zip(own.sums, other.sums).map {
      ClusterSum(sum: $0.sum - $1.sum, tokens: $0.tokens)
    }
    return Estimate((own.kind, differences), bootstrap: bootstrap)
  }
}
