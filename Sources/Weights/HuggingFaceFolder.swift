import Glibc
import Safetensors

/// The weight files of a Hugging Face folder, by name: model.safetensors alone, or those that
/// model.safetensors.index.json lists, each checked to hold what the index says.
func openWeights(folder: String) throws -> [MappedSafetensors] {
  let single = folder + "/model.safetensors"
  if access(single, F_OK) == 0 { return [try MappedSafetensors(path: single)] }
  let indexPath = folder + "/model.safetensors.index.json"
  guard access(indexPath, F_OK) == 0 else {
    throw WeightsError(folder, "neither model.safetensors nor model.safetensors.index.json")
  }
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
    let weights = try MappedSafetensors(path: folder + "/" + file)
    let held = Set(weights.entries.map(\.name))
    if let missing = names.sorted().first(where: { !held.contains($0) }) {
      throw WeightsError(weights.path, "no tensor \(missing), which the index says is here")
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

func isFolder(_ path: String) -> Bool {
  var status = stat()
  return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}
