import ArgumentParser
import Kernels
import Modeling
import ToolSupport

extension RetrievalLayout: ExpressibleByArgument {}
extension MemoryConfiguration.Positions: ExpressibleByArgument {}
extension MemoryConfiguration.Source: ExpressibleByArgument {}
extension MemoryConfiguration.Precision: ExpressibleByArgument {}
extension WeightResidency: ExpressibleByArgument {}
extension ProductPrecision: ExpressibleByArgument {}

/// A list of numbers such as `15,19,23,27`, with spans such as `14-25`.
public struct LayerList: ExpressibleByArgument, Sendable, CustomStringConvertible {
  public var layers: [Int]

  public init(_ layers: [Int]) { self.layers = layers }

  public var description: String { layers.map(String.init).joined(separator: ",") }

  public init?(argument: String) {
    layers = []
    for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
      let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
      switch ends.count {
      case 1:
        guard let only = ends[0] else { return nil }
        layers.append(only)
      case 2:
        guard let first = ends[0], let last = ends[1], first <= last, last < 4096 else {
          return nil
        }
        layers += first...last
      default: return nil
      }
    }
  }
}

/// The options that say which model runs and how its memory works.
public struct ModelOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The base model: a .gguf file, a Hugging Face folder (config.json; safetensors or "
        + "pytorch_model.bin), or org/name[@revision] in the local Hugging Face cache.",
      valueName: "MODEL"))
  public var model: ModelName

  @Option(
    help: ArgumentHelp(
      "Which layers keep and read memory. all: every layer its own keys and values; upper: every "
        + "layer from the memory layer up; published: every fourth from it on reads the memory "
        + "layer's, at position zero, and segments are read without context. Sets the four options "
        + "below, which may be given beside it. (default: the adapter's, else all; ml-train: upper)",
      valueName: "NAME"))
  public var layout: RetrievalLayout?

  @Option(
    help: ArgumentHelp(
      "The layer whose keys and values are kept, or the lowest that keeps its own. (default: the "
        + "layout's: of all 0, else the middle one)", valueName: "LAYER"))
  public var memoryLayer: Int?

  @Option(
    help: ArgumentHelp(
      "The layers that attend to memory, such as 15,19,23,27 or 16-29. (default: the layout's; of "
        + "published in stage 1 all above the memory layer)", valueName: "LAYERS"))
  public var retrievalLayers: LayerList?

  @Option(
    help: ArgumentHelp(
      "Positions of memory keys and local tokens: zero, or continual, where memory stands just before "
        + "the local tokens. (default: the layout's)", valueName: "HOW"))
  public var positions: MemoryConfiguration.Positions?

  @Option(
    help: ArgumentHelp(
      "shared: one memory layer feeds all retrieval layers; own: each keeps and reads its own keys "
        + "and values. (default: the layout's)", valueName: "WHICH"))
  public var memorySource: MemoryConfiguration.Source?

  @Option(
    help: ArgumentHelp(
      "How stored keys and values are kept: f32, bf16 or f16. (default: the adapter's, else bf16 "
        + "with each layer's own, f32 with shared ones)",
      valueName: "TYPE"))
  public var memoryDtype: MemoryConfiguration.Precision?

  @Flag(
    inversion: .prefixedNo,
    help: "Weigh memory against local logits by a scalar a head. (default: the adapter's, else no)")
  public var gate: Bool?

  @Option(
    help: ArgumentHelp(
      "Base weights in memory: auto, expanded (float32) or stored (as in the file).",
      valueName: "HOW"))
  public var weights: WeightResidency = .auto

  @Option(
    help: ArgumentHelp(
      "Products with the base weights: f32, or bf16 factors with f32 sums, about twice as fast (a "
        + "build with --traits OneDNN, a processor with avx512_bf16). All else is f32.",
      valueName: "TYPE"))
  public var compute = ProductPrecision.f32

  public init() {}

  public func validate() throws {
    if let obstacle = compute.obstacle {
      throw ValidationError("--compute \(compute.rawValue): \(obstacle)")
    }
  }

  /// On the threads of `options`; notes where products are slower than need be.
  public func makeCompute(_ options: CommonOptions) -> Compute {
    if let advice = adviceOnBLAS() { options.note(advice) }
    return Compute(threads: options.threadCount, products: compute)
  }

  /// The layout by name where an option or the adapter names one, else `standard`; nil: the adapter's
  /// memory is laid out in a way that has no name.
  ///
  /// - Parameter origin: where the adapter's memory comes from, for the message.
  /// - Throws: `ModelError` where the option contradicts the adapter.
  public func layout(
    layerCount: Int, adapter: MemoryConfiguration?, standard: RetrievalLayout,
    origin: String = "the adapter was trained"
  ) throws -> RetrievalLayout? {
    guard let adapter else { return layout ?? standard }
    let trained = adapter.layout(layerCount: layerCount)
    if let layout, layout != trained {
      throw ModelError(
        "--layout \(layout.rawValue): \(origin) with "
          + (trained.map { "layout \($0.rawValue)" }
            ?? "\(adapter.source.rawValue) memory in layers \(LayerList(adapter.retrievalLayers))"))
    }
    return trained
  }

  /// The memory's configuration: what an option says, else what the adapter was trained with, else what
  /// the layout does.
  ///
  /// - Parameters:
  ///   - standard: the layout where neither option nor adapter names one.
  ///   - origin: where the adapter's memory comes from, for the message.
  ///   - layers: the retrieval layers where no option says, in place of the layout's or the adapter's.
  /// - Throws: `ModelError` where the layout contradicts the adapter.
  public func memory(
    layerCount: Int, chunkTokens: Int, adapter: MemoryConfiguration?,
    standard: RetrievalLayout = .all, origin: String = "the adapter was trained",
    layers: ((RetrievalLayout, _ memoryLayer: Int) -> [Int])? = nil
  ) throws -> MemoryConfiguration {
    let layout = try self.layout(
      layerCount: layerCount, adapter: adapter, standard: standard, origin: origin)
    let memoryLayer =
      self.memoryLayer ?? adapter?.memoryLayer
      ?? (layout ?? standard).memoryLayer(layerCount: layerCount)
    let own = layout.map {
      layers?($0, memoryLayer) ?? adapter?.retrievalLayers
        ?? $0.retrievalLayers(from: memoryLayer, layerCount: layerCount)
    }
    let source = memorySource ?? adapter?.source ?? (layout ?? standard).source
    return MemoryConfiguration(
      memoryLayer: memoryLayer,
      retrievalLayers: retrievalLayers?.layers ?? own ?? adapter?.retrievalLayers ?? [],
      positions: positions ?? adapter?.positions ?? (layout ?? standard).positions,
      source: source,
      precision: memoryDtype ?? adapter?.precision ?? (source == .own ? .bf16 : .f32),
      usesGate: gate ?? adapter?.usesGate ?? false,
      chunkTokens: chunkTokens)
  }
}
