import Safetensors

/// A checkpoint of torch (`pytorch_model.bin`), read through a map: a zip of stored entries, of which
/// `…/data.pkl` describes the tensors and `…/data/KEY` hold their numbers. Nothing of it is executed.
struct TorchCheckpoint {
  let table: WeightTable

  /// - Throws: `WeightsError` for anything but a dictionary of tensors.
  init(path: String) throws {
    let file = try MappedFile(path: path)
    guard ZipDirectory.isZip(file) else {
      throw WeightsError(
        path,
        "not a zip: a checkpoint of torch before 1.6, or no checkpoint. To convert it: "
          + "torch.save(torch.load(FILE), FILE)")
    }
    let archive = try ZipDirectory(file).entries
    let pickles = archive.keys.filter { $0.hasSuffix("/data.pkl") }
    guard pickles.count == 1, let pickle = archive[pickles[0]] else {
      throw WeightsError(path, "\(pickles.count) entries data.pkl, where a checkpoint has one")
    }
    let prefix = pickles[0].dropLast("data.pkl".count)
    if let order = archive[prefix + "byteorder"] {
      guard file.withBytes({ $0[order].elementsEqual("little".utf8) }) else {
        throw WeightsError(path, "byteorder is not little")
      }
    }
    let tensors = try file.withBytes {
      try PickleReader.tensors(UnsafeRawBufferPointer(rebasing: $0[pickle]), path: path)
    }
    var table = WeightTable(file: file)
    for (name, tensor) in tensors {
      guard let range = archive[prefix + "data/" + tensor.storage.key] else {
        throw WeightsError(path, "tensor \(name): no entry data/\(tensor.storage.key)")
      }
      try table.add(name, tensor.storage.type, Self.stored(name, tensor, range, file))
    }
    self.table = table
  }

  /// The tensor over the bytes of its storage; nil for a type that cannot be expanded.
  private static func stored(
    _ name: String, _ tensor: TorchTensor, _ range: Range<Int>, _ file: MappedFile
  ) throws -> StoredTensor? {
    let width = tensor.storage.type.byteWidth
    guard tensor.storage.count <= range.count / width else {
      throw WeightsError(
        file.path,
        "tensor \(name): data/\(tensor.storage.key) has \(range.count) bytes for "
          + "\(tensor.storage.count) elements")
    }
    guard let storage = StorageType(tensor.storage.type) else { return nil }
    let start = range.lowerBound + tensor.offset * width
    let bytes = file.bytes[start..<start + tensor.extent * width]
    return StoredTensor(
      name: name, shape: tensor.shape, storage: storage,
      order: tensor.isContiguous ? .sequential : .strided(tensor.strides),
      bytes: UnsafeRawBufferPointer(rebasing: bytes), owner: file)
  }
}
