import Kernels

/// Embeds a stream of requests, several batches at a time, and hands the vectors back in order.
///
/// A batch is cut by the stream alone (about `batchTokens` tokens by the length of the texts), so
/// that the vectors are the same, bit for bit, for every number of threads and however the
/// requests arrive. Texts of a batch that
/// are read as the same ids are embedded once.
public final class RequestEmbedder {
  public let retriever: Retriever
  /// Estimated tokens of a batch. More make larger matrix products; a thread's activations take
  /// about 5 · hidden size floats a token.
  public static let batchTokens = 2048
  /// Batches of a thread between two hand-overs: enough that no thread waits long for another.
  private static let batchesPerThread = 4

  private struct Batch {
    var texts: [RetrieverText] = []
    var slots: [RetrieverText: Int] = [:]
    var tokens = 0
  }

  private let workers: Workers
  private let workspaces: [EncoderWorkspace]
  private var batches = [Batch()]
  /// Slot nil: the zero vector.
  private var pending: [(request: EmbeddingRequest, batch: Int, slot: Int?)] = []

  public init(_ retriever: Retriever, threads: Int) {
    self.retriever = retriever
    workers = Workers(threads: threads)
    workspaces = (0..<threads).map { _ in EncoderWorkspace(retriever) }
  }

  /// Takes a request; `emit` gets those whose vectors are ready, each with its vector [dimension].
  public func append(
    _ request: EmbeddingRequest, _ emit: (EmbeddingRequest, [Float]) throws -> Void
  ) throws {
    if batches[batches.count - 1].tokens >= Self.batchTokens {
      if batches.count < workers.threads * Self.batchesPerThread {
        batches.append(Batch())
      } else {
        try finish(emit)
      }
    }
    pending.append((request, batches.count - 1, slot(for: request)))
  }

  /// After the last request.
  public func finish(_ emit: (EmbeddingRequest, [Float]) throws -> Void) throws {
    let vectors = embedded()
    let width = retriever.dimension
    let zero = [Float](repeating: 0, count: width)
    for (request, batch, slot) in pending {
      try emit(request, slot.map { Array(vectors[batch][$0 * width..<($0 + 1) * width]) } ?? zero)
    }
    pending.removeAll(keepingCapacity: true)
    batches = [Batch()]
  }

  private func slot(for request: EmbeddingRequest) -> Int? {
    let text: RetrieverText
    switch request {
    case .key(_, _, let own): text = RetrieverText(own, as: .key)
    case .query(_, let own):
      if own.isEmpty { return nil }
      text = RetrieverText(own, as: .query)
    }
    let last = batches.count - 1
    if let slot = batches[last].slots[text] { return slot }
    let slot = batches[last].texts.count
    batches[last].slots[text] = slot
    batches[last].texts.append(text)
    batches[last].tokens += min(retriever.maximumLength, text.text.count / 4 + 2)
    return slot
  }

  /// The vectors of each batch.
  private func embedded() -> [[Float]] {
    let texts = batches.map(\.texts)
    return [[Float]](unsafeUninitializedCapacity: texts.count) { results, initialised in
      workers.forEach(tiles: texts.count) { batch, worker in
        (results.baseAddress! + batch).initialize(
          to: retriever.vectors(of: texts[batch], workspace: workspaces[worker]))
      }
      initialised = texts.count
    }
  }
}
