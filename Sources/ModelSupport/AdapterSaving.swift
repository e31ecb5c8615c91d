import Modeling
import Safetensors
import ShardIO
import ToolSupport
import Weights

extension CommonOptions {
  /// Says of an adapter that carries no digest, as PEFT's do, that damage to it goes unnoticed. Where it
  /// carries one, `LoadedModel` compares it.
  public func noteSeal(ofAdapter folder: String?) throws {
    guard let folder, try !Adapter.isSealed(folder: folder) else { return }
    detail("\(folder): carries no digest, so that damage would go unnoticed")
  }
}

extension LoadedModel {
  /// The fields of an adapter's config.json beyond the base model's and the memory's.
  public struct RunFields: Sendable {
    public var topK: Int
    public var memoryTokens: Int
    public var segmentTokens: Int
    /// What segments were read beside; nil: nothing.
    public var context: SlidingContext?

    public init(
      topK: Int, memoryTokens: Int, segmentTokens: Int, context: SlidingContext? = nil
    ) {
      self.topK = topK
      self.memoryTokens = memoryTokens
      self.segmentTokens = segmentTokens
      self.context = context
    }
  }

  /// Says before a long run what `saveAdapter` would only say after it.
  public static func checkAdapterWritable(folder: String) throws {
    try Adapter.checkWritable(folder: folder)
  }

  /// Writes the decoder's adapter as a PEFT folder with a config.json in the published field names.
  ///
  /// - Parameters:
  ///   - layers: those that have adapters.
  ///   - foundation: the adapter folder that this one stands on; it is copied inside, so that the
  ///     folder is whole wherever it goes.
  ///   - provenance: of the adapter; it stands in a file of its own and does not name the adapter.
  public func saveAdapter(
    _ configuration: AdapterConfiguration, layers: Range<Int>, folder: String,
    foundation: String?, fields: RunFields, provenance: Provenance? = nil
  ) throws {
    let isAll = layers.count == decoder.layers.count
    let stored = configuration.peft(
      baseModel: files.name, layers: isAll ? nil : layers,
      weights: decoder.layers[0].modules.map(\.target))
    var adapter = Adapter(configuration: stored.json)
    for tensor in decoder.adapterTensors(configuration.extras) {
      adapter.tensors[Adapter.wholeName(of: tensor.name)] = Adapter.Tensor(
        shape: tensor.shape, values: tensor.values)
    }
    var config = files.configuration.objectValue ?? [:]
    if let memory = decoder.memory {
      config.merge(memory.published) { _, new in new }
    }
    config["ret_group_size"] = .integer(Int64(fields.topK))
    config["memory_size"] = .integer(Int64(fields.memoryTokens))
    config["last_context_length"] = .integer(Int64(fields.segmentTokens))
    if let context = fields.context {
      config.merge(context.published) { _, new in new }
    }
    var extra: [String: [UInt8]] = [:]
    if let foundation {
      config[Self.foundationFolder] = .string(try Adapter.digest(folder: foundation))
      try Self.collect(foundation, into: &extra, prefix: Self.foundationFolder)
    }
    extra["config.json"] = Array(adapter.sealed(config).prettyEncoded.utf8)
    if let provenance {
      let chain = try JSONValue(parsing: provenance.encoded)
      extra[Self.provenanceFile] = Array(
        JSONValue.object(["provenance": chain]).prettyEncoded.utf8)
    }
    try adapter.write(folder: folder, extraFiles: extra)
  }

  private static let provenanceFile = "provenance.json"

  /// The tools and arguments that an adapter folder says it comes from; empty where it says nothing.
  public static func provenance(ofAdapter folder: String?) throws -> Provenance {
    guard let folder, let json = try Adapter.readExtra(provenanceFile, folder: folder) else {
      return []
    }
    return json["provenance"].flatMap { Provenance(parsing: $0.encoded) } ?? []
  }

  /// An adapter folder's files, and those of the adapters it stands on, by their path in the new one.
  private static func collect(
    _ folder: String, into files: inout [String: [UInt8]], prefix: String
  ) throws {
    for name in [Adapter.configurationFile, Adapter.weightsFile, "config.json"] {
      let path = folder + "/" + name
      guard try name != "config.json" || Adapter.readExtra(name, folder: folder) != nil else {
        continue
      }
      files[prefix + "/" + name] = try MappedFile(path: path).withBytes { Array($0) }
    }
    if let below = try self.foundation(of: folder) {
      try collect(below, into: &files, prefix: prefix + "/" + foundationFolder)
    }
  }
}
