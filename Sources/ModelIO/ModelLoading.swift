import Modeling
import Records
import Safetensors
import Weights

/// A decoder with the adapters it was asked to wear, and the names of all of them.
public struct LoadedModel {
  /// A file's or folder's name and digest.
  public struct Identity: Sendable, Equatable {
    public var name: String
    public var digest: String
  }

  /// The folder inside an adapter that holds the adapter it stands on.
  public static let foundationFolder = "base_adapter"

  public let decoder: Decoder
  public let files: ModelFiles
  public let model: Identity
  public let adapter: Identity?

  /// Opens a model and applies an adapter folder, the adapters it stands on first.
  ///
  /// - Parameters:
  ///   - memory: nil takes the memory's configuration from the adapter, if it has one.
  ///   - merges: whether the adapter itself is folded into the weights, as for evaluation.
  public init(
    path: String, adapter folder: String?, memory: MemoryConfiguration?,
    residency: WeightResidency, compute: Compute, merges: Bool = true
  ) throws {
    files = try ModelFiles.open(path: path)
    model = Identity(name: files.name, digest: files.digest)
    let stored = try folder.flatMap { try Self.memory(ofAdapter: $0) }
    decoder = try Decoder(
      files: files, memory: memory ?? stored, residency: residency, compute: compute)
    if let folder {
      try Self.apply(folder, to: decoder, merges: merges)
      adapter = Identity(
        name: folder.split(separator: "/").last.map(String.init) ?? folder,
        digest: try Adapter.digest(folder: folder))
    } else {
      adapter = nil
    }
  }

  /// The memory configuration in an adapter's config.json, nil where it has none.
  public static func memory(ofAdapter folder: String) throws -> MemoryConfiguration? {
    guard let json = try Adapter.readExtra("config.json", folder: folder), json["mem_layer"] != nil
    else { return nil }
    return try MemoryConfiguration(published: json)
  }

  private static func apply(_ folder: String, to decoder: Decoder, merges: Bool) throws {
    let foundation = folder + "/" + foundationFolder
    if try Adapter.readExtra(Adapter.configurationFile, folder: foundation) != nil {
      try apply(foundation, to: decoder, merges: true)
    }
    let adapter = try Adapter.read(folder: folder)
    let tensors = try adapter.tensors.sorted { $0.key < $1.key }.map { name, tensor in
      guard name.hasPrefix(Decoder.adapterPrefix) else {
        throw ModelError("\(folder): tensor \(name) is not a PEFT adapter's")
      }
      return AdapterTensor(
        name: String(name.dropFirst(Decoder.adapterPrefix.count)), shape: tensor.shape,
        values: tensor.values)
    }
    try decoder.apply(try AdapterConfiguration(peft: adapter.configuration), tensors: tensors)
    if merges { decoder.mergeAdapters() }
  }

  /// Refuses chunks that another tokenizer made.
  ///
  /// - Throws: `ModelError` naming both.
  public func check(_ tokenizer: TokenizerIdentity) throws {
    let vocabulary = decoder.configuration.vocabularySize
    guard tokenizer.vocabularySize == vocabulary else {
      throw ModelError(
        "the chunks were made by tokenizer \(tokenizer.name) with \(tokenizer.vocabularySize) "
          + "tokens, but \(model.name) has \(vocabulary)")
    }
  }
}
