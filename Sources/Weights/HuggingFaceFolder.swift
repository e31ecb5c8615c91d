import FilePaths
import Glibc
import Safetensors

/// The weight files of a Hugging Face folder, by name: model.safetensors alone, or those that
/// model.safetensors.index.json lists, each checked to hold what the index says; where there is neither,
/// the same of pytorch_model.bin.
func openWeights(folder: String) throws -> [WeightTable] {
  let names = ["model.safetensors", "pytorch_model.bin"]
  for name in names {
    let path = folder + "/" + name
    if access(path, F_OK) == 0 { return [try openWeightFile(path)] }
    let index = path + ".index.json"
    if access(index, F_OK) == 0 { return try openShards(folder: folder, index: index) }
  }
  throw WeightsError(
    folder, "no weights: neither \(names.joined(separator: " nor ")), nor an .index.json of either")
}

private func openWeightFile(_ path: String) throws -> WeightTable {
  path.hasSuffix(".safetensors")
    ? try WeightTable(MappedSafetensors(path: path)) : try TorchCheckpoint(path: path).table
}

private func openShards(folder: String, index indexPath: String) throws -> [WeightTable] {
  let index = try parseJSONObject(MappedFile(path: indexPath))
  guard let map = index["weight_map"]?.objectValue else {
    throw WeightsError(indexPath, "no object weight_map")
  }
  var namesByFile: [String: [String]] = [:]
  for (name, value) in map {
    guard let file = value.stringValue else {
      throw WeightsError(indexPath, "weight_map: the file of \(name) is not a string")
    }
    guard staysInside(file) else {
      throw WeightsError(indexPath, "weight_map: \(file) leads out of the folder")
    }
    namesByFile[file, default: []].append(name)
  }
  return try namesByFile.sorted { $0.key < $1.key }.map { file, names in
    let weights = try openWeightFile(folder + "/" + file)
    if let missing = names.sorted().first(where: { !weights.has($0) }) {
      throw WeightsError(weights.file.path, "no tensor \(missing), which the index says is here")
    }
    return weights
  }
}

/// Whether a path from a file names something below the folder it is relative to. Links are not
/// followed up: a download cache makes whole folders of links, and links are the user's own.
func staysInside(_ path: String) -> Bool {
  !path.hasPrefix("/") && !path.utf8.contains(0)
    && path.split(separator: "/", omittingEmptySubsequences: false)
      .allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." }
}

/// A small JSON file whose top level is an object.
func parseJSONObject(_ file: MappedFile) throws -> JSONValue {
  guard file.count <= 64 << 20 else {
    throw WeightsError(file.path, "\(file.count) bytes of JSON are more than 64 MiB")
  }
  let value: JSONValue
  do {
    value = try file.withBytes { try JSONValue(parsing: $0) }
  } catch {
    throw WeightsError(file.path, "\(error)")
  }
  guard value.objectValue != nil else { throw WeightsError(file.path, "not a JSON object") }
  return value
}

/// What a model is called by its path: the file's or folder's name; for a snapshot of the Hugging Face
/// cache, `models--ORG--NAME/snapshots/HASH`, the model's.
public func modelName(_ path: String) -> String {
  let parts = path.split(separator: "/")
  if parts.count >= 3, parts[parts.count - 2] == "snapshots" {
    let repository = parts[parts.count - 3]
    if repository.hasPrefix("models--"), let name = repository.split(separator: "--").last {
      return String(name)
    }
  }
  return baseName(path)
}

func isFolder(_ path: String) -> Bool {
  var status = stat()
  return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}
