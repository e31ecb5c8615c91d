import ArgumentParser
import Kernels
import Modeling
import ToolSupport

extension MemoryConfiguration.Positions: ExpressibleByArgument {}
extension MemoryConfiguration.Source: ExpressibleByArgument {}
extension MemoryConfiguration.Precision: ExpressibleByArgument {}
extension WeightResidency: ExpressibleByArgument {}
extension ProductPrecision: ExpressibleByArgument {}

/// A list of numbers such as `15,19,23,27`, with spans such as `14-25`.
public struct LayerList: ExpressibleByArgument, Sendable {
  public var layers: [Int]

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
  public var model: String

  @Option(
    help: ArgumentHelp(
      "The layer whose keys and values are kept. (default: the adapter's, else the middle one)",
      valueName: "LAYER"))
  public var memoryLayer: Int?

  @Option(
    help: ArgumentHelp(
      "The layers that attend to memory, such as 15,19,23,27 or 16-29. (default: in stage 1 all "
        + "above the memory layer, in stage 2 every fourth from it on; in evaluation the adapter's)",
      valueName: "LAYERS"))
  public var retrievalLayers: LayerList?

  @Option(
    help: ArgumentHelp(
      "Positions of memory keys and local tokens: zero or continual. (default: the adapter's, else zero)",
      valueName: "HOW"))
  public var positions: MemoryConfiguration.Positions?

  @Option(
    help: ArgumentHelp(
      "shared: one memory layer feeds all retrieval layers; own: each keeps and reads its own keys "
        + "and values. (default: the adapter's, else shared)", valueName: "WHICH"))
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

  /// The memory's configuration: what an option says, else what the adapter was trained with, else
  /// the defaults for a model of `layerCount` layers.
  ///
  /// - Parameter layers: the retrieval layers where no option says, from the memory layer on.
  public func memory(
    layerCount: Int, chunkTokens: Int, adapter: MemoryConfiguration?,
    layers: (_ memoryLayer: Int) -> [Int]
  ) -> MemoryConfiguration {
    let memoryLayer = self.memoryLayer ?? adapter?.memoryLayer ?? layerCount / 2
    return MemoryConfiguration(
      memoryLayer: memoryLayer,
      retrievalLayers: retrievalLayers?.layers ?? layers(memoryLayer),
      positions: positions ?? adapter?.positions ?? .zero,
      source: memorySource ?? adapter?.source ?? .shared,
      precision: memoryDtype ?? adapter?.precision
        ?? ((memorySource ?? adapter?.source) == .own ? .bf16 : .f32),
      usesGate: gate ?? adapter?.usesGate ?? false,
      chunkTokens: chunkTokens)
  }

  /// Every fourth layer from the memory layer on: 13, 17, 21, 25 of the published 26.
  public static func everyFourth(from memoryLayer: Int, layerCount: Int) -> [Int] {
    // A layer that the model lacks is refused later; here it may be any number.
    Array(stride(from: max(0, memoryLayer), to: layerCount, by: 4))
  }
}
